"""The difference between a rounded model and its original, over music, position by position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.generation.draw import nats, sample_frames, sample_tokens
from musictk.model.conditions import Mixture
from musictk.runtime import Runtime
from musictk.tokens import Frames, Space

POSITIONS = 256  # of each excerpt
_MADE = 8  # excerpts that the model generates if no music is given

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Excerpt:
    """The beginning of a piece, and its labels."""

    sequence: NDArray[Any]  # (T,) ids or (T, W) frames, without bos
    labels: Mixture


@dataclass(frozen=True)
class Rounding:
    """The effect of rounding."""

    positions: int
    agreement: float  # share of equal greedy choices; of frames, among chosen pitches
    nats: float  # per position: rounded minus original


def rounding(candidate: Runtime, reference: Runtime, music: Sequence[Excerpt]) -> Rounding:
    """Step both models through the music, all excerpts side by side.

    One position at a time, since the scale of 8-bit activations depends on what is in a step.
    """
    space, rows = reference.manifest.space, list(music)
    lengths = np.array([len(row.sequence) for row in rows])
    targets = np.stack([_padded(row.sequence, int(lengths.max())) for row in rows])
    inputs = np.concatenate([space.start(len(rows)), targets[:, :-1]], 1)
    condition = np.stack([reference.condition(row.labels) for row in rows])[:, None]
    pair = [model.begin(len(rows), targets.shape[1]) for model in (candidate, reference)]
    kept = chosen = 0
    difference = 0.0
    for at in range(targets.shape[1]):
        live, target = at < lengths, targets[:, at]
        ours, theirs = (each.step(inputs[:, at : at + 1], condition)[:, 0][live] for each in pair)
        same, of = _agreement(space, ours, theirs)
        kept, chosen = kept + same, chosen + of
        difference += _nats(ours, target[live]) - _nats(theirs, target[live])
    positions = int(lengths.sum())
    return Rounding(positions, kept / chosen if chosen else 1.0, difference / positions)


def generated(model: Runtime) -> list[Excerpt]:
    """Excerpts sampled from the model itself, label by label."""
    space, random = model.manifest.space, np.random.default_rng(0)
    sizes = model.manifest.conditions.sizes.values()
    labels: list[Mixture] = [[[(row % size, 1.0)] for size in sizes] for row in range(_MADE)]
    condition = np.stack([model.condition(mixture) for mixture in labels])[:, None]
    length = min(POSITIONS, model.manifest.max_length)
    session, last, made = model.begin(_MADE, length), space.start(_MADE), []
    for _ in range(length):
        last = _drawn(space, session.step(last, condition)[:, 0], random)[:, None]
        made.append(last)
    sequences = np.concatenate(made, 1)
    return [Excerpt(*each) for each in zip(sequences, labels, strict=True)]


def _agreement(space: Space, ours: Logits, theirs: Logits) -> tuple[int, int]:
    """(equal choices, choices). Most pitches of a frame are silent: only chosen ones count."""
    if isinstance(space, Frames):
        sounds, sounded = ours > 0, theirs > 0
        return int((sounds & sounded).sum()), int((sounds | sounded).sum())
    return int((ours.argmax(1) == theirs.argmax(1)).sum()), len(ours)


def _nats(logits: Logits, targets: NDArray[Any]) -> float:
    """The sum over rows."""
    return sum(nats(row, target) for row, target in zip(logits, targets, strict=True))


def _drawn(space: Space, logits: Logits, random: np.random.Generator) -> NDArray[Any]:
    if isinstance(space, Frames):
        return sample_frames(logits, random.random(logits.shape))
    return sample_tokens(logits, random.random(len(logits)))


def _padded(sequence: NDArray[Any], length: int) -> NDArray[Any]:
    widths = [(0, length - len(sequence)), *[(0, 0)] * (sequence.ndim - 1)]
    return np.pad(sequence, widths)
