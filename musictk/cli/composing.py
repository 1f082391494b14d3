"""How composing looks while it goes, and what is said of the pieces."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Self

from musictk.cli.output import Output
from musictk.jobs.sample import Made


class CompositionBar:
    """Draws bars being written."""

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


def report(output: Output, made: list[Made]) -> None:
    """Where the pieces are, and how each is made again."""
    for label in made[0].folded:
        output.warn(f"{label} has too few pieces for a style of its own and shares OTHER's")
    for notice in {n.kind: n for piece in made for n in piece.composition.notices}.values():
        output.warn(f"{notice.kind} in section {notice.section}, bar {notice.bar}")
    data: list[dict[str, Any]] = [
        {
            "id": piece.id,
            "path": str(piece.path),
            "model": piece.source,
            "sections": [section.label for section in piece.sections],
            "positions": len(piece.composition.sequence),
            "unit": piece.composition.unit,
            "tokens_per_second": round(piece.composition.speed, 1),
            "seed": piece.composition.request.seed,
        }
        for piece in made
    ]
    lines = [
        f"{row['path']}  by {row['model']}, seed {row['seed']},"
        f" {' '.join(row['sections']) or 'one section'}, {row['positions']:,} {row['unit']}s"
        f" at {row['tokens_per_second']:,.0f}/s; again: musictk sample --like {row['id']}"
        for row in data
    ]
    output.result(data, *lines)
