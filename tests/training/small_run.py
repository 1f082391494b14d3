"""A run small enough to be repeated: real melodies, a body of 2 × 32. Also a script to be killed.

python small_run.py DIRECTORY [KEY=VALUE …] [--resume] [--slow]
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch
from symusic import Score
from symusic.core import ScoreTick

from musictk.config import plain
from musictk.model import bundle
from musictk.model.conditions import Conditions
from musictk.model.manifest import Manifest
from musictk.model.network import Network, NetworkConfig
from musictk.tokens import Frames, Space, Tokens
from musictk.tokens.crops import Crops
from musictk.tokens.shards import Shard
from musictk.training.language import LanguageModeling
from musictk.training.loop import train
from musictk.training.outcome import Outcome, Report, SilentListener
from musictk.training.settings import TrainSettings

MIDIS = Path(__file__).parents[2] / "examples/midis"
TOKENS, FRAMES = Tokens(size=131), Frames(width=128)
SMALL = TrainSettings().but(
    steps=12,
    batch=4,
    length=32,
    lr=3e-3,
    evaluate_every=5,
    evaluate_batches=2,
    checkpoint_every=5,
    log_every=2,
    tensorboard=False,
    precision="fp32",
)


def melodies(space: Space) -> list[np.ndarray]:
    """Each piece's pitches in order, as ids or as frames of one pitch."""
    pieces = []
    for path in sorted(MIDIS.glob("*/*.mid"))[:12]:
        score: ScoreTick = Score(path)  # type: ignore[assignment]
        notes = [note for track in score.tracks for note in track.notes]
        notes.sort(key=lambda note: (note.time, note.pitch))
        pitches = np.array([note.pitch for note in notes[:300]], np.int64)
        frames = np.eye(128, dtype=np.uint8)[pitches]
        pieces.append(frames if isinstance(space, Frames) else pitches + 3)
    return pieces


def crops(pieces: list[np.ndarray], space: Space) -> Crops:
    """Crops over pieces; composers take turns 2, 3, 4."""
    sequence = np.concatenate(pieces)
    stored = np.packbits(sequence, 1) if isinstance(space, Frames) else sequence.astype(np.uint16)
    offsets = np.cumsum([0, *map(len, pieces)])
    shard = Shard(Path("none"), "test", space, stored, offsets, np.arange(len(pieces)))
    composers = (np.arange(len(pieces)) % 3 + 2)[:, None]
    return Crops(shard, composers, np.ones(len(pieces)))


def splits(space: Space = TOKENS) -> tuple[Crops, Crops]:
    """Training and validation."""
    pieces = melodies(space)
    return crops(pieces[:-3], space), crops(pieces[-3:], space)


def fresh(
    space: Space = TOKENS, architecture: str = "gpt", **config: object
) -> tuple[Network, Manifest]:
    """An untrained network, always the same."""
    torch.manual_seed(7)
    size = {"dim": 32, "depth": 2, "heads": 2, "dropout": 0.1} | config
    manifest = Manifest(
        architecture=architecture,
        architecture_config=size,
        network_config=plain(NetworkConfig()),
        tokenizer="none",
        tokenizer_config={},
        tokenizer_learned=None,
        tokenizer_fingerprint="test",
        space=space,
        conditions=Conditions({"composer": ("", "OTHER", "Bach", "Chopin", "Satie")}),
        max_length=8192,
    )
    return bundle.build_network(manifest), manifest


def task(space: Space = TOKENS, architecture: str = "gpt", **config: object) -> LanguageModeling:
    """The small run's: an untrained network and both splits."""
    return LanguageModeling(*fresh(space, architecture, **config), *splits(space))


def run(
    directory: Path,
    settings: TrainSettings = SMALL,
    resume: bool = False,
    space: Space = TOKENS,
    listener: SilentListener | None = None,
    dropout: float = 0.1,
) -> Outcome:
    """Train the small network."""
    return train(task(space, dropout=dropout), settings, directory, listener, resume, "cpu")


class Slow(SilentListener):
    """Prints each step and waits a little, so that there is time to kill it."""

    def stepped(self, report: Report) -> None:
        print(report.step, flush=True)
        time.sleep(0.05)


class Stopper(SilentListener):
    """Asks its process to end after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def stepped(self, report: Report) -> None:
        if report.step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def main(arguments: list[str]) -> None:
    """Run, then print how it ended and the weights' digest."""
    torch.set_num_threads(1)
    values = dict(item.split("=") for item in arguments[1:] if "=" in item)
    dropout, stop = float(values.pop("dropout", 0.1)), int(values.pop("stop", 0))
    listener = Slow() if "--slow" in arguments else Stopper(stop) if stop else None
    settings = SMALL.but(log_every=1, **values)
    resume = "--resume" in arguments
    outcome = run(Path(arguments[0]), settings, resume, listener=listener, dropout=dropout)
    # One write, so that two processes do not mix their lines.
    os.write(1, f"{outcome.ended} {outcome.step} {outcome.digest}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1:])
