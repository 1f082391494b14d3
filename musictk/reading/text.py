"""Decode the texts of a MIDI file, whose encoding the standard does not define."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise


def text_decoder(texts: Iterable[bytes]) -> Callable[[bytes], str]:
    """A decoder for the texts of one file; all texts of a file have one encoding.

    UTF-8 where all are valid; else Shift-JIS where that gives Japanese; else Windows-1252, with
    Latin-1 for texts that have bytes undefined in it.
    """
    odd = [text for text in texts if not text.isascii()]
    if not odd or all(_reads(text, "utf-8") is not None for text in odd):
        return lambda text: text.decode("utf-8", "replace").rstrip("\0")
    if _japanese(odd):
        return lambda text: text.decode("cp932", "replace").rstrip("\0")
    return lambda text: (_reads(text, "cp1252") or text.decode("latin-1")).rstrip("\0")


def _reads(text: bytes, encoding: str) -> str | None:
    try:
        return text.decode(encoding)
    except UnicodeDecodeError:
        return None


def _japanese(texts: list[bytes]) -> bool:
    """Whether there are kana, or kanji that are not next to Latin letters, as accents would be."""
    read = [_reads(text, "cp932") for text in texts]
    if any(text is None for text in read):
        return False
    whole = "\n".join(text for text in read if text is not None)
    if any("\u3041" <= char <= "\u30fe" for char in whole):
        return True
    kanji = sum(_is_kanji(char) for char in whole)
    return kanji > 1 and not any(
        _is_kanji(one) != _is_kanji(other) and (one + other).strip("\n").isalpha()
        for one, other in pairwise(whole)
        if "\n" not in (one, other)
    )


def _is_kanji(char: str) -> bool:
    return "\u4e00" <= char <= "\u9fff"
