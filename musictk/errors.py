"""Errors a user can act on: each says what is wrong, how to fix it, and has an exit code."""

from __future__ import annotations

from collections.abc import Iterable


class MusictkError(Exception):
    """Something failed for a reason the user can fix.

    `message` names the thing that is wrong; `hint` says what to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(MusictkError):
    """The command was typed in a way that cannot work (exit code 2)."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that nothing answers to. Says which names exist, the nearest one first."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        choices = sorted(known)
        self.name, self.known = name, choices
        super().__init__(f"no {kind} {name!r}", hint or _suggestion(name, choices))


def _suggestion(name: str, known: list[str]) -> str:
    from rapidfuzz import fuzz, process  # only a failing command pays for this import

    if not known:
        return "there are none yet"
    fold = str.casefold
    near = process.extractOne(name, known, scorer=fuzz.ratio, processor=fold, score_cutoff=60)
    near = near or process.extractOne(name, known, processor=fold, score_cutoff=80)  # a part of one
    listed = ", ".join(known[:12]) + (f", … ({len(known)} in all)" if len(known) > 12 else "")
    return f"did you mean {near[0]!r}?" if near else f"there is: {listed}"
