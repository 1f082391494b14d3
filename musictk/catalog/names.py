"""Composer names and file names, as the catalog keeps them."""

from __future__ import annotations

import re
import unicodedata

_AWKWARD = re.compile("[\udc80-\udcff\\\\]")
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|\\)")


def fold(name: str) -> str:
    """The key under which two spellings are one name: NFC, casefold, `_` as a space, one space.

    Nothing fuzzier: `Schumann` and `Schumann_Clara` are two composers.
    """
    spaced = unicodedata.normalize("NFC", name).replace("_", " ")
    return unicodedata.normalize("NFC", " ".join(spaced.split()).casefold())


def store_path(path: str) -> str:
    r"""A path as valid Unicode: bytes that do not decode become `\xNN`, and `\` doubles."""
    return _AWKWARD.sub(
        lambda match: "\\\\" if match[0] == "\\" else f"\\x{ord(match[0]) - 0xDC00:02x}", path
    )


def load_path(stored: str) -> str:
    """The inverse of `store_path`."""
    return _ESCAPE.sub(lambda match: chr(0xDC00 + int(match[1], 16)) if match[1] else "\\", stored)
