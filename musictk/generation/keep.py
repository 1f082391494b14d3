"""Rewrite music and keep its rhythm: the same onsets and lengths, with new pitches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.errors import UsageError
from musictk.generation.pitch_kinds import pitch_kinds
from musictk.music import notes
from musictk.tokens import PITCH, RELEASE, Frames, Tokenizer

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

RHYTHM, HARMONY = "rhythm", "harmony"
KEEPS = ("", RHYTHM, HARMONY)
HARMONIC = ("key", "chord")  # the controls that describe harmony


class KeptTokens:
    """Writes the tokens of the original again, each pitch replaced by another or the same.

    A token with a pitch is replaced by one that states the same but for its pitch (`pitch_kinds`).
    A pitch is replaced by one that does not sound yet, and that leaves as many above it as the
    chord has notes above: chords are written in ascending order. Merged tokens are written as the
    tokens they consist of.
    """

    def __init__(self, tokenizer: Tokenizer, original: NDArray[Any], prompt: NDArray[Any]) -> None:
        attributes = tokenizer.attributes()
        if PITCH not in attributes:
            raise UsageError("this model's tokens have no pitches, so it cannot keep a rhythm")
        self._pitch = attributes[PITCH].single()
        ends = attributes.get(RELEASE)
        self._release = np.full(len(self._pitch), -1) if ends is None else ends.single()
        self._token_of = _by_value(self._release, tokenizer)
        before, self._tokens = _base(tokenizer, prompt), _base(tokenizer, original)
        whole = np.concatenate([before, self._tokens])
        onset, end = _times(tokenizer, whole, self._pitch[whole])
        self._onset, self._end = onset[len(before) :], end[len(before) :]
        self._kind = pitch_kinds(tokenizer, whole, onset)
        self._above = self._notes_above()
        self._sounding = np.full(128, -1, np.int64)  # until when each new pitch sounds
        starts = before[self._pitch[before] >= 0]
        np.maximum.at(
            self._sounding, self._pitch[starts], end[: len(before)][self._pitch[before] >= 0]
        )
        self._new: dict[int, int] = {}  # the pitch that replaces each that has no end yet
        self._ending: list[int] = []  # tokens that end notes, due next
        self._at = 0
        self.limit_ignored = False  # at the last call of `allowed`

    def allowed(self, grammar: Bools, limit: Bools | None) -> Bools:
        """(V,) the tokens that keep the rhythm; `limit` holds if it leaves enough pitches."""
        token, self.limit_ignored = int(self._tokens[self._at]), False
        if self._pitch[token] < 0:
            return np.arange(len(grammar)) == self._without_pitch(token)
        # Of other kinds a note would have another length, velocity or instrument.
        alike = (self._kind == self._kind[token]) & (self._kind > 0)
        free = grammar & alike & (self._sounding[self._pitch] <= self._onset[self._at])
        found = None if limit is None else self._below_others(free & limit)
        self.limit_ignored = limit is not None and found is None
        found = self._below_others(free) if found is None else found
        # Where no pitch is left, the original's is written.
        return np.arange(len(grammar)) == token if found is None else found

    def _below_others(self, choice: Bools) -> Bools | None:
        """The chosen tokens that leave a pitch for each higher note of the chord; None if none."""
        places = np.flatnonzero(choice)
        places = places[np.argsort(self._pitch[places], kind="stable")]
        lowest = places[: max(len(places) - int(self._above[self._at]), 0)]
        if not len(lowest):
            return None
        found = np.zeros(len(choice), bool)
        found[lowest] = True
        return found

    @property
    def complete(self) -> bool:
        """Whether all of the original is written."""
        return self._at >= len(self._tokens)

    def advance(self, token: int) -> None:
        """Update the state with the token that was written."""
        if not self.complete:
            old = int(self._pitch[self._tokens[self._at]])
            if old >= 0 and self._pitch[token] >= 0:
                self._new[old] = int(self._pitch[token])
                self._sounding[self._pitch[token]] = self._end[self._at]
            elif self._ending:
                self._ending.pop(0)
        self._at += 1

    def _without_pitch(self, token: int) -> int:
        """The token itself; where it ends a note, one that ends the note's new pitch."""
        if self._release[token] < 0:
            return token
        if not self._ending:
            stop = self._at
            while stop < len(self._tokens) and self._release[self._tokens[stop]] >= 0:
                stop += 1
            old = self._release[self._tokens[self._at : stop]].tolist()
            new = sorted(self._new.pop(pitch, pitch) for pitch in old)
            self._ending = [self._token_of[pitch] for pitch in new]
        return self._ending[0]

    def _notes_above(self) -> Ints:
        """(L,) of each pitch, how many higher ones follow with the same onset."""
        above = np.zeros(len(self._tokens), np.int64)
        places = np.flatnonzero(self._pitch[self._tokens] >= 0)
        for this, after in zip(places[-2::-1].tolist(), places[:0:-1].tolist(), strict=True):
            higher = self._pitch[self._tokens[after]] > self._pitch[self._tokens[this]]
            if higher and self._onset[after] == self._onset[this]:
                above[this] = above[after] + 1
        return above


class KeptFrames:
    """Writes as many new pitches in each frame as begin there, and holds them as long."""

    def __init__(self, original: NDArray[Any], prompt: NDArray[Any]) -> None:
        silent = np.zeros((1, original.shape[1]), bool)
        before = prompt[-1:] != 0 if len(prompt) else silent
        self._on = np.concatenate([before, original != 0])
        held = np.flatnonzero(self._on[0])
        self._new = {pitch: pitch for pitch in held.tolist()}  # what replaces each that sounds
        self._at = 0
        self.limit_ignored = False  # in the last frame

    def frame(
        self, logits: NDArray[np.floating[Any]], uniform: NDArray[np.float64], limit: Bools | None
    ) -> NDArray[np.uint8] | None:
        """(W,) the next frame, by the logits of each pitch; None after the original's last."""
        self._at += 1
        self.limit_ignored = False
        if self._at >= len(self._on):
            return None
        was, now = self._on[self._at - 1], self._on[self._at]
        last = list(self._new.values())
        for pitch in np.flatnonzero(was & ~now).tolist():
            del self._new[pitch]
        begin = np.flatnonzero(now & ~was)
        free = np.ones(len(now), bool)
        free[last] = False  # a pitch that sounds in the frame before would go on
        self.limit_ignored = limit is not None and int((free & limit).sum()) < len(begin)
        if limit is not None and not self.limit_ignored:
            free &= limit
        # The Gumbel-max trick (Kool et al. 2019): pitches in proportion to their odds.
        noise = -np.log(-np.log(np.clip(uniform, 1e-12, 1 - 1e-12)))
        scores = np.where(free, np.maximum(logits, -1e4) + noise, -np.inf)
        chosen = np.sort(np.argsort(-scores, kind="stable")[: len(begin)])
        self._new |= dict(zip(begin.tolist(), chosen.tolist(), strict=True))
        frame = np.zeros(len(now), np.uint8)
        frame[list(self._new.values())] = 1
        return frame


def keep_rhythm(
    tokenizer: Tokenizer, original: NDArray[Any], prompt: NDArray[Any]
) -> KeptTokens | KeptFrames:
    """What writes the original again with new pitches, after a prompt.

    Raises UsageError where tokens have no pitches, or where what else they state is not known.
    """
    if isinstance(tokenizer.space, Frames):
        pitch = tokenizer.attributes().get(PITCH)
        columns = np.zeros((0, 0)) if pitch is None else pitch.states
        if not columns.size or (columns.sum(axis=1) != 1).any() or (columns.sum(axis=0) > 1).any():
            raise UsageError(
                "this model's frames are not one bit for each pitch, so it cannot keep a rhythm"
            )
        return KeptFrames(original, prompt)
    return KeptTokens(tokenizer, original, prompt)


def _base(tokenizer: Tokenizer, sequence: NDArray[Any]) -> Ints:
    """A sequence with the parts of merged tokens instead of these."""
    parts = tokenizer.parts()
    return np.array(
        [each for token in sequence.tolist() for each in parts.get(token, (token,))], int
    )


def _by_value(values: Ints, tokenizer: Tokenizer) -> dict[int, int]:
    """The token of each value that is not merged. Raises UsageError where there are several."""
    merged = tokenizer.parts()
    found = [token for token in np.flatnonzero(values >= 0).tolist() if token not in merged]
    token_of = {int(values[token]): token for token in found}
    if len(token_of) < len(found):
        raise UsageError(
            "this model's tokens that end notes state more than pitches, so it cannot keep a rhythm"
        )
    return token_of


def _times(tokenizer: Tokenizer, sequence: Ints, pitches: Ints) -> tuple[Ints, Ints]:
    """(T,) onset and end of the note of each token that has a pitch (T,), in ticks.

    The n-th token of a pitch is the n-th note of that pitch in the music.
    """
    onset, end = np.full(len(sequence), -1), np.full(len(sequence), -1)
    music = tokenizer.decode(sequence)
    assert isinstance(music, ScoreTick)
    found = notes(music, drums=False)
    order = np.lexsort((found.track, found.start))
    for pitch in np.unique(pitches[pitches >= 0]).tolist():
        places = np.flatnonzero(pitches == pitch)
        same = order[found.pitch[order] == pitch]
        count = min(len(places), len(same))
        onset[places[:count]] = found.start[same[:count]]
        end[places[:count]] = found.end[same[:count]]
    return onset, end
