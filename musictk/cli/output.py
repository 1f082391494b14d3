"""What the user sees: data on stdout, progress and notes on stderr."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from musictk.errors import MusictkError
from musictk.files import cause

WIDE = 4096  # columns, where nobody looks at a terminal
CONTROL = {"Cc", "Cf", "Zl", "Zp"}  # Unicode categories that move the cursor or hide text


def safe(value: Any) -> str:
    """`value` as one printable line: no control characters, no lone surrogates, no markup."""
    text = "" if value is None else str(value)
    text = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(" " if unicodedata.category(char) in CONTROL else char for char in text)


def counted(number: int, noun: str) -> str:
    """`1 file`, `2,000 files`."""
    return f"{number:,} {noun}" + "s" * (number != 1)


@contextmanager
def printing() -> Iterator[None]:
    """Turn a standard output that cannot be written into MusictkError."""
    try:
        yield
    except BrokenPipeError:  # whoever read it has read enough
        raise
    except OSError as error:
        raise MusictkError(f"cannot write to standard output: {cause(error)}") from error


def no_file(rows: Sequence[str], table: Any) -> str:
    """That rows of a table name no file, and which."""
    named = ", ".join(map(repr, rows[:5])) + ", …" * (len(rows) > 5)
    return f"{counted(len(rows), 'row')} of {table} mean no file: {named}"


class Output:
    """Prints for one command. With `json`, stdout holds exactly one JSON document."""

    def __init__(self, json: bool = False, quiet: bool = False) -> None:
        self.json = json
        self.quiet = quiet
        self.stdout = Console(markup=False, highlight=False, soft_wrap=True)
        self.stderr = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)

    def result(self, value: Any, *lines: str) -> None:
        """The command's data: `value` as JSON, or these lines for a person."""
        if self.json:
            self._dump(value)
        with printing():
            for line in () if self.json else lines:
                self.stdout.print(Text(safe(line)))

    def table(
        self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None
    ) -> None:
        """Rows as JSON, or as a table of `columns` (by default those of the first row)."""
        if self.json:
            self._dump([dict(row) for row in rows])
            return
        if not rows:
            self.note("nothing to show")
            return
        names = list(columns or rows[0])
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in names:
            numeric = all(isinstance(row.get(name), int | float | None) for row in rows)
            table.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(safe(short(row.get(name)))) for name in names))
        console = self.stdout
        if not console.is_terminal:  # a pipe has no width: one row, one line
            console = Console(file=console.file, markup=False, highlight=False, width=WIDE)
        with printing():
            console.print(table)

    def block(self, value: Any, text: str) -> None:
        """The command's data as JSON, or several lines of our own making, printed as they are."""
        if self.json:
            self._dump(value)
        else:
            with printing():
                sys.stdout.write(text.rstrip("\n") + "\n")

    def note(self, message: str) -> None:
        """Something worth knowing that is not data."""
        if not self.quiet:
            self.stderr.print(Text(safe(message)), style="dim")

    def warn(self, message: str) -> None:
        """Something the user may want to change; not hidden by --quiet."""
        self.stderr.print(Text("warning: ", style="yellow") + Text(safe(message)))

    def error(self, message: str) -> None:
        """The one line a failing command ends with."""
        self.stderr.print(Text("error: ", style="bold red") + Text(safe(message)))

    @contextmanager
    def progress(self, description: str, *fields: str) -> Iterator[Bar]:
        """A progress bar on stderr, drawn only on a terminal; elsewhere a line now and then."""
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
        """Set how far it is; `fields` are the columns named when it was made."""
        change: dict[str, Any] = {"completed": done, "total": max(total, 1), **fields}
        if description:
            change["description"] = safe(description)
        self._progress.update(self._task, **change)


def short(value: Any) -> Any:
    """Floats to four digits, mappings and lists in a line."""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_inner(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(str(_inner(item)) for item in value)
    return value


def _inner(value: Any) -> Any:
    return f"[{short(value)}]" if isinstance(value, Mapping | list | tuple) else short(value)
