"""Spellings of a name or a text that count as equal: without case, accents and `_`."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable

# Letters that Unicode does not decompose.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "ı": "i"}
    | {"æ": "ae", "œ": "oe", "þ": "th", "\u2019": "'", "\u2010": "-", "\u2011": "-"}
)
_DIGRAPHS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})


def plain(text: str) -> str:
    """The text without case, accents and `_`: `Dvořák`, `dvorak` -> `dvorak`; `weiß` -> `weiss`."""
    if text.isascii():
        return " ".join(text.replace("_", " ").lower().split())
    parts = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(char for char in parts if unicodedata.category(char) != "Mn")
    return " ".join(bare.casefold().translate(_LETTERS).replace("_", " ").split())


def keys(text: str) -> frozenset[str]:
    """`plain(text)`, and the same with umlauts as digraphs: `Händel` -> `handel`, `haendel`."""
    return frozenset((plain(text), other_key(text)))


def other_key(text: str) -> str:
    """`plain(text)` with umlauts as digraphs: `Händel` -> `haendel`."""
    return plain(unicodedata.normalize("NFC", text).casefold().translate(_DIGRAPHS))


def same_spelling(name: str, known: Iterable[str]) -> list[str]:
    """The elements of `known` that are spellings of `name`, by the strictest rule that any meets.

    The rules: the same text; the same but for case; `plain`; `keys`.
    """
    names = list(known)
    rules: tuple[Callable[[str], object], ...] = (str, str.casefold, plain)
    for rule in rules:
        if found := [each for each in names if rule(each) == rule(name)]:
            return found
    wanted = keys(name)
    return [each for each in names if wanted & keys(each)]
