"""Composer names and file names as the catalog stores them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any

_AWKWARD = re.compile("[\udc80-\udcff\\\\]")
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|\\)")


def fold(name: str) -> str:
    """The key by which spellings are equal: NFC, case folded, `_` as space, spaces collapsed.

    There is no fuzzy matching: `Schumann` and `Schumann_Clara` are two composers.
    """
    spaced = unicodedata.normalize("NFC", name).replace("_", " ")
    return unicodedata.normalize("NFC", " ".join(spaced.split()).casefold())


def store_path(path: str) -> str:
    r"""A path as valid Unicode: bytes that do not decode become `\xNN`, and `\` is doubled."""
    return _AWKWARD.sub(
        lambda match: "\\\\" if match[0] == "\\" else f"\\x{ord(match[0]) - 0xDC00:02x}", path
    )


def load_path(stored: str) -> str:
    """The inverse of `store_path`."""
    return _ESCAPE.sub(lambda match: chr(0xDC00 + int(match[1], 16)) if match[1] else "\\", stored)


def name_key(path: str) -> str:
    """The last part of a path without case, by which the end of a path is looked up."""
    return path.rpartition("/")[2].casefold()


def from_column(column: str, key: Callable[[str], str]) -> Callable[[Any], str | None]:
    """A default for a column: the key of another column of the same row."""

    def default(context: Any) -> str | None:
        value = context.get_current_parameters()[column]
        return key(value) if isinstance(value, str) else None

    return default
