"""Output for the user: data on stdout, progress and notes on stderr."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from musictk.cli import tables
from musictk.errors import MusictkError
from musictk.files import cause
from musictk.wording import counted

CONTROL = {"Cc", "Cf", "Zl", "Zp"}  # Unicode categories that move the cursor or hide text


def safe(value: Any) -> str:
    """`value` as one printable line: no control characters, no lone surrogates, no markup."""
    text = "" if value is None else str(value)
    text = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(" " if unicodedata.category(char) in CONTROL else char for char in text)


@contextmanager
def printing() -> Iterator[None]:
    """Turn a standard output that cannot be written into MusictkError."""
    try:
        yield
    except BrokenPipeError:  # the reader closed the pipe
        raise
    except OSError as error:
        raise MusictkError(f"cannot write to standard output: {cause(error)}") from error


def no_file(rows: Sequence[str], table: Any) -> str:
    """A warning about the rows of a CSV table that match no file."""
    named = ", ".join(map(repr, rows[:5])) + ", …" * (len(rows) > 5)
    return f"{counted(len(rows), 'row')} of {table} without a matching file: {named}"


class Output:
    """Prints for one command. With `json`, stdout is exactly one JSON document."""

    def __init__(self, json: bool = False, quiet: bool = False) -> None:
        self.json = json
        self.quiet = quiet
        self.stdout = Console(markup=False, highlight=False, soft_wrap=True)
        self.stderr = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)

    def result(self, value: Any, *lines: str) -> None:
        """Print the command's data: `value` as JSON, else these lines."""
        if self.json:
            self._dump(value)
        with printing():
            for line in () if self.json else lines:
                self.stdout.print(Text(safe(line)))

    def table(
        self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None
    ) -> None:
        """Print rows as JSON, else as a table of `columns` (default: those of the first row)."""
        if self.json:
            self._dump([dict(row) for row in rows])
            return
        if not rows:
            self.note("no results")
            return
        names = list(columns or rows[0])
        numeric = [
            all(isinstance(row.get(name), int | float | None) for row in rows) for name in names
        ]
        cells = [[safe(short(row.get(name))) for name in names] for row in rows]
        with printing():
            self._table(names, cells, numeric)

    def _table(
        self, names: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[bool]
    ) -> None:
        """Print a table as wide as the terminal, or blocks of lines where it does not fit.

        A pipe has no width: each row is one line.
        """
        width = self.stdout.width if self.stdout.is_terminal else None
        lines, dropped = tables.fit(cells, names, numeric, width)
        if lines:
            self.stdout.print(Text(lines[0], style="bold"))
            lines[0:1] = []
        else:
            blocks = ("\n".join(tables.block(names, row, width or 0)) for row in cells)
            lines = ["\n\n".join(blocks)]
        self.stdout.file.write("\n".join(lines) + "\n")  # rich is slow with many lines
        if dropped:
            listed = ", ".join(dropped)
            self.note(f"columns not shown: {listed}; widen the terminal, or use --json")

    def fields(self, value: Any, lines: Mapping[str, str]) -> None:
        """Print the command's data: `value` as JSON, else a line `name value` for each of `lines`.

        A terminal gets long values in several lines.
        """
        if self.json:
            self._dump(value)
            return
        width = self.stdout.width if self.stdout.is_terminal else sys.maxsize
        with printing():
            for line in tables.block(list(lines), list(map(safe, lines.values())), width):
                self.stdout.print(Text(line))

    def block(self, value: Any, text: str) -> None:
        """Print the command's data as JSON, else preformatted `text` unchanged."""
        if self.json:
            self._dump(value)
        else:
            with printing():
                sys.stdout.write(text.rstrip("\n") + "\n")

    def note(self, message: str) -> None:
        """Print information that is not data; hidden by --quiet."""
        if not self.quiet:
            self.stderr.print(Text(safe(message)), style="dim")

    def warn(self, message: str) -> None:
        """Print a warning; not hidden by --quiet."""
        self.stderr.print(Text("warning: ", style="yellow") + Text(safe(message)))

    def error(self, message: str, label: str = "error: ") -> None:
        """Print the one line that a failing command ends with."""
        self.stderr.print(Text(label, style="bold red") + Text(safe(message)))

    @contextmanager
    def progress(self, description: str, *fields: str) -> Iterator[Bar]:
        """A progress bar on stderr, drawn only on a terminal."""
        columns = [
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=28),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}", markup=False),
            *(TextColumn(f"{{task.fields[{name}]}}", markup=False) for name in fields),
            TimeElapsedColumn(),
        ]
        drawn = self.stderr.is_terminal and not self.quiet
        with Progress(*columns, console=self.stderr, disable=not drawn, transient=True) as progress:
            empty: dict[str, Any] = dict.fromkeys(fields, "")
            task = progress.add_task(description, total=1, **empty)
            yield Bar(progress, task)

    def _dump(self, value: Any) -> None:
        with printing():
            sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


class Bar:
    """One running progress bar."""

    def __init__(self, progress: Progress, task: Any) -> None:
        self._progress, self._task = progress, task

    def update(self, done: float, total: float, description: str = "", **fields: str) -> None:
        """Set the progress; `fields` are the columns named at creation."""
        change: dict[str, Any] = {"completed": done, "total": max(total, 1), **fields}
        if description:
            change["description"] = safe(description)
        self._progress.update(self._task, **change)


def short(value: Any) -> Any:
    """Format a value for a table: floats to four digits, mappings and lists on one line."""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_inner(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(str(_inner(item)) for item in value)
    return value


def _inner(value: Any) -> Any:
    return f"[{short(value)}]" if isinstance(value, Mapping | list | tuple) else short(value)
