"""Errors for the user: each has a message, a hint how to fix it, and an exit code."""

from __future__ import annotations

from collections.abc import Iterable


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
    """An unknown name. The hint suggests the most similar known name, or lists the known ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        choices = sorted(known)
        self.name, self.known = name, choices
        super().__init__(f"no {kind} {name!r}", hint or _suggestion(name, choices))


def _suggestion(name: str, known: list[str]) -> str:
    from rapidfuzz import fuzz, process  # imported only when a command fails

    if not known:
        return "there are none yet"
    fold = str.casefold
    near = process.extractOne(name, known, scorer=fuzz.ratio, processor=fold, score_cutoff=60)
    near = near or process.extractOne(
        name, known, processor=fold, score_cutoff=80
    )  # as part of a longer name
    listed = ", ".join(known[:12]) + (f", … ({len(known)} in all)" if len(known) > 12 else "")
    return f"did you mean {near[0]!r}?" if near else f"choose from: {listed}"
