"""Progress and results of sample."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from musictk.cli.output import Output
from musictk.generation.opening import described
from musictk.jobs.samples import SampleBatch, SampleFile

_LONG = 10.0  # seconds of composing, after which a way to compose faster is named


class CompositionBar:
    """A progress bar of the bars written."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._bar = self._stack.enter_context(self._output.progress("composing", "written"))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def composing(self, done: int, of: int, section: str, positions: int) -> None:
        self._bar.update(done, of, f"composing {section}", written=f"{positions:,} written")

    def notice(self, text: str) -> None:
        self._output.note(text)


def report(output: Output, batch: SampleBatch, audio: Mapping[Path, Path]) -> None:
    """Print each piece with the command that repeats it, and a warning for each deviation.

    `audio` has the audio files by the path of their piece.
    """
    for label in batch.folded:
        output.warn(
            f"{label} has too few training pieces; the shared embedding of rare labels is used"
        )
    for text in batch.notices:
        output.warn(text)
    for piece in batch.made:
        for text in described(piece.composition.notices):
            output.warn(f"{piece.path.name}, {text}")
    for error in (*batch.failed, *batch.moved[1:]):
        output.warn(str(error))
    rows = [_row(piece, audio.get(piece.path)) for piece in batch.made]
    output.result(rows, *map(_line, rows))
    if batch.slow and any(piece.composition.seconds > _LONG for piece in batch.made):
        run = batch.made[0].source
        output.note(f"for faster sampling: musictk export --onnx --run {run}")


def _row(piece: SampleFile, audio: Path | None) -> dict[str, Any]:
    made, new = piece.composition, piece.rewritten
    rewritten = {} if new is None else {"rewritten": asdict(new), "description": str(new)}
    sound = {} if audio is None else {"audio": str(audio)}
    return (
        rewritten
        | sound
        | {
            "id": piece.id,
            "path": str(piece.path),
            "model": piece.source,
            "runtime": piece.runtime,
            "sections": [section.label for section in made.sections] if new is None else [],
            "positions": made.written,
            "unit": made.unit,
            "tokens_per_second": round(made.speed, 1),
            "seed": made.request.seed,
            "notices": described(made.notices),
        }
    )


def _line(row: dict[str, Any]) -> str:
    what = f"{' '.join(row['sections'])}, {row['positions']:,} {row['unit']}s"
    if "rewritten" in row:
        nats = row["rewritten"]["nats"]
        what = f"{row['description']}, {nats:.3f} nats per {row['unit']}"
    path = f"{row['audio']} and {row['path']}" if "audio" in row else row["path"]
    line = (
        f"{path}  by {row['model']} ({row['runtime']}), seed {row['seed']},"
        f" {what} at {row['tokens_per_second']:,.0f}/s"
    )
    return line if row["id"] is None else f"{line}; repeat: musictk sample --like {row['id']}"
