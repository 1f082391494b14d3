"""Progress and results of ingest and tokenize."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Self

from musictk.catalog import SPLITS
from musictk.cli.output import Output
from musictk.ingest import IngestReport, Preview
from musictk.ingest.name_report import NameReport
from musictk.wording import counted


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
        lines.append(f"{counted(found.missing, 'file')} no longer found: moved or deleted")
    if found.repaired:
        lines.append(f"{counted(found.repaired, 'file')} repaired in memory")
    lines += _names(found.names)
    if found.reassigned:
        lines.append(f"{counted(found.reassigned, 'known file')} given another composer")
    if found.rejected:
        reasons = ", ".join(f"{count} {code}" for code, count in found.rejected.most_common())
        lines.append(
            f"{found.rejected.total():,} rejected ({reasons}); see: musictk catalog rejected"
        )
    usable = found.accepted or found.unchanged
    following = "musictk train" if usable else "musictk ingest FOLDER, with MIDI files"
    lines.append(f"{found.seconds:.1f} s; next: {following}")
    output.result(found.to_dict(), *lines)
    _warn(output, found.names)
    if found.kept:
        shown = ", ".join(found.kept[:3]) + ", …" * (len(found.kept) > 3)
        output.warn(
            f"{counted(len(found.kept), 'known file')} with another composer in the catalog than "
            f"its folder or name gives, which stays ({shown}); "
            "to change it: musictk ingest PATH --composer NAME"
        )


def report_preview(output: Output, found: Preview) -> None:
    """Print how the names of the files are read, and how to change it."""
    if not output.json:
        rows = [
            {
                "composer": name or "(none)",
                "files": entry.files,
                "from": ", ".join(sorted(entry.sources)),
                "example": entry.example,
            }
            for name, entry in [*sorted(found.composers.items()), ("", found.without)]
            if entry.files
        ]
        output.table(rows)
    output.result(found.to_dict(), *_names(found.names))
    _warn(output, found.names)
    output.note("nothing was written; to change composers: --composer NAME or --composers FILE")


def _names(names: NameReport) -> list[str]:
    """Lines about composers and official splits, and where they come from."""
    lines = []
    found = sorted(names.composers)
    if found:
        such_as = ", ".join(found[:6]) + ", …" * (len(found) > 6)
        lines.append(f"{counted(len(found), 'composer')}, {_from(names.sources)}: {such_as}")
    if found and names.without:
        lines.append(f"{counted(names.without, 'file')} without a composer")
    if names.splits:
        counts = ", ".join(f"{split} {names.splits[split]:,}" for split in SPLITS)
        lines.append(f"official splits, {_from(names.split_sources)}: {counts}")
    if names.moved:
        where = "the official split of a near-duplicate"
        lines.append(f"{counted(names.moved, 'file')} in {where} instead of {_own(names.moved)}")
    for split, files in names.taken.items():
        given = counted(files, "file")
        lines.append(f"{given} of another official split moved to {split}, which was empty")
    return lines


def _own(files: int) -> str:
    return "its own" if files == 1 else "their own"


def _from(sources: Mapping[str, int]) -> str:
    """`from folders and maestro.csv`, the most common source first."""
    names = {"folder": "folders", "file name": "file names"}
    ordered = sorted(sources, key=lambda name: (-sources[name], name))
    shown = [names.get(name, name) for name in ordered[:3]]
    return "from " + (" and ".join(shown) if len(ordered) < 4 else ", ".join([*shown, "…"]))


def _warn(output: Output, names: NameReport) -> None:
    """Warn of tables that cannot be read, and of composers that are probably wrong."""
    for table in names.tables.bad[:5]:
        output.warn(f"skipped the table {table}")
    for word, rows in names.tables.unknown_splits.most_common(5):
        output.warn(
            f"{counted(rows, 'row')} of --composers with the split {word!r}, which is ignored; "
            f"choose from: {', '.join(SPLITS)}"
        )
    if suspicion := names.suspicion():
        output.warn(
            f"{suspicion}; to name them: musictk ingest PATH --composer NAME, or --composers FILE"
        )
