"""Names of folders: those of well-known composers, and generic ones ("midi", "2004", "Op 27")."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from musictk.spelling import plain

_COMPOSERS = Path(__file__).with_name("composers.txt")
_GENERIC = Path(__file__).with_name("generic_names.txt")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_IN_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_ROMAN = re.compile(r"[ivx]{2,5}")
_HASH = re.compile(r"(?=.*\d)[0-9a-f]{8,}")  # as Lakh and GigaMIDI name files
_HEX = re.compile(r"[0-9a-f]{1,2}")

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "validate": "valid",
    "val": "valid",
    "dev": "valid",
    "development": "valid",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}

# Catalogues with one letter (Köchel, Deutsch, Longo …), which a number follows.
_CATALOGUES = frozenset("bdhklprsw")


class _Surname(NamedTuple):
    given: frozenset[str]  # names and initials that may be beside it
    alone: bool  # whether the surname alone is a composer


def words(name: str) -> list[str]:
    """The words and numbers of a name, in lower case and without marks: `K331` gives k, 331."""
    return _WORD.findall(plain(name))


@cache
def is_generic(name: str) -> bool:
    """Whether a name consists of numbers, generic words and catalogue numbers alone."""
    found = words(name)
    return all(
        word.isdigit()
        or word in _generic_words()
        or word in SPLIT_WORDS
        or _ROMAN.fullmatch(word) is not None
        or (word in _CATALOGUES and place + 1 < len(found) and found[place + 1].isdigit())
        for place, word in enumerate(found)
    ) or bool(_HEX.fullmatch(name.casefold()) or _HASH.fullmatch(name.casefold()) or len(name) == 1)


@cache
def split_of(name: str) -> str | None:
    """The split that a folder such as `train` or `validation-V1.1-10%` is named after."""
    found = words(name)
    return SPLIT_WORDS.get(found[0]) if found and is_generic(name) else None


@cache
def known_composer(name: str) -> str | None:
    """The name of a well-known composer, without numbers, brackets and generic words around it.

    `J.S. Bach`, `Bach, J.S.`, `Bach_midi` and `03 Bach (1685-1750)` are such names; `Bach to
    Mozart` is not. Returns None for any other name.
    """
    shown = " ".join(_IN_BRACKETS.sub(" ", name).split())
    kept = [part for part in re.split(r"[\s_]+", shown) if not _around(part)]
    found = words(" ".join(kept))
    if not _is_composer(tuple(found)):
        return None
    same = shown == name and len(kept) == len(re.split(r"[\s_]+", shown))
    return name if same else " ".join(kept).strip(" ,.-")


def _around(part: str) -> bool:
    """Whether a part of a name is a number, or a generic word of more than two letters."""
    found = words(part)
    return all(word.isdigit() or (len(word) > 2 and word in _generic_words()) for word in found)


def _is_composer(found: Sequence[str]) -> bool:
    """Whether a name is a surname, with nothing but given names and initials around it."""
    listed = _surnames()
    for size in range(1, min(len(found), 4) + 1):
        for surname, rest in (
            (tuple(found[:size]), found[size:]),
            (tuple(found[-size:]), found[:-size]),
        ):
            entry = listed.get(surname)
            if entry is not None and (
                all(len(word) == 1 or word in entry.given for word in rest) if rest else entry.alone
            ):
                return True
    return False


@cache
def _surnames() -> dict[tuple[str, ...], _Surname]:
    """The list of composers, by the words of the surname."""
    listed: dict[tuple[str, ...], _Surname] = {}
    for line in _COMPOSERS.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            surname, _, given = line.partition(":")
            key = tuple(words(surname))
            listed[key] = _Surname(frozenset(words(given)), not surname.endswith("?"))
    return listed


@cache
def _generic_words() -> frozenset[str]:
    lines = _GENERIC.read_text("utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())
