"""Progress and results of ingest and tokenize."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Self

from musictk.cli.output import Output, counted
from musictk.ingest import IngestReport


class IngestBar:
    """A progress bar of the files read or encoded."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._bar = self._stack.enter_context(self._output.progress("reading"))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def ingested(self, done: int, total: int) -> None:
        self._bar.update(done, total, "reading")

    def tokenized(self, done: int, total: int) -> None:
        self._bar.update(done, total, "tokenizing")


def report(output: Output, found: IngestReport) -> None:
    """Print what was accepted, what was rejected and why, and the next command."""
    lines = [f"{counted(found.accepted, 'file')} read, {found.unchanged:,} unchanged"]
    if found.missing:
        lines.append(f"{counted(found.missing, 'file')} missing: moved or deleted")
    if found.repaired:
        lines.append(f"{counted(found.repaired, 'file')} repaired in memory")
    if found.composers:
        such_as = ", ".join(found.composers[:6]) + ", …" * (len(found.composers) > 6)
        lines.append(f"{counted(len(found.composers), 'composer')}: {such_as}")
    if found.rejected:
        reasons = ", ".join(f"{count} {code}" for code, count in found.rejected.most_common())
        lines.append(
            f"{found.rejected.total():,} rejected ({reasons}); see: musictk catalog rejected"
        )
    usable = found.accepted or found.unchanged
    following = "musictk train" if usable else "musictk ingest FOLDER, with MIDI files"
    lines.append(f"{found.seconds:.1f} s; next: {following}")
    output.result(found.to_dict(), *lines)
