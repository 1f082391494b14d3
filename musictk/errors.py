"""Errors for the user: each has a message, a hint how to fix it, and an exit code."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import NamedTuple


class MusictkError(Exception):
    """A failure that the user can fix.

    `message` states what is wrong; `hint` states how to fix it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(MusictkError):
    """The command line or its settings are invalid (exit code 2)."""

    exit_code = 2


class WriteError(MusictkError):
    """A file that cannot be written: a full disk, no permission, a path that is a folder."""


class UnknownNameError(UsageError):
    """An unknown name. The hint suggests the most similar known name, or lists the known ones.

    `hint` replaces this suggestion; `more` is added to it.
    """

    def __init__(
        self, kind: str, name: str, known: Iterable[str], hint: str = "", more: str = ""
    ) -> None:
        choices = sorted(known)
        self.name, self.known = name, choices
        hint = hint or _suggestion(name, choices)
        super().__init__(f"no {kind} {name!r}", f"{hint}; {more}" if more else hint)


def install_command(extra: str) -> str:
    """The command that installs the optional packages of an extra, such as "audio".

    It names the packages, so that it works without a release of musictk.
    """
    from importlib.metadata import PackageNotFoundError, requires

    try:
        wanted = requires("musictk") or []
    except PackageNotFoundError:
        wanted = []
    marker = re.compile(rf"""extra == ['"]{extra}['"]""")
    named = [each.partition(";")[0].strip() for each in wanted if marker.search(each)]
    return "pip install " + " ".join(f"'{each}'" for each in named or [f"musictk[{extra}]"])


def located(error: BaseException, package: str = "") -> str:
    """The error in one line, with the line of code that raised it: for faults of plugins.

    With `package`, the last line of that package that led to it.
    """
    places = [place for place in raised_in(error) if package in ("", place.package)]
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return f"{text} ({places[-1].file}, line {places[-1].line})" if places else text


class CodeLine(NamedTuple):
    """A line of code that an error passed through."""

    package: str  # the top-level one
    file: str
    line: int


def raised_in(error: BaseException) -> list[CodeLine]:
    """The lines of the traceback; the last one raised the error."""
    from traceback import walk_tb  # imported only when something fails

    return [
        CodeLine(
            str(frame.f_globals.get("__name__", "")).partition(".")[0],
            PurePath(frame.f_code.co_filename).name,
            line,
        )
        for frame, line in walk_tb(error.__traceback__)
    ]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that begins with `name`, or is most similar to it; None if none is."""
    from rapidfuzz import fuzz, process  # imported only when a command fails

    choices, fold = list(known), str.casefold
    begun = [choice for choice in choices if fold(choice).startswith(fold(name))]
    if len(begun) == 1:
        return begun[0]
    near = process.extractOne(name, choices, scorer=fuzz.ratio, processor=fold, score_cutoff=60)
    # As part of a longer name.
    near = near or process.extractOne(name, choices, processor=fold, score_cutoff=80)
    return None if near is None else str(near[0])


def _suggestion(name: str, known: list[str]) -> str:
    if not known:
        return "there are none yet"
    near = nearest(name, known)
    listed = ", ".join(known[:12]) + (f", … ({len(known)} in all)" if len(known) > 12 else "")
    return f"choose from: {listed}" if near is None else f"did you mean {near!r}?"
