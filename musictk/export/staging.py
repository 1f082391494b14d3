"""Directories of exports, written completely or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from musictk.errors import MusictkError
from musictk.files import staged, writing
from musictk.model.manifest import MANIFEST


@contextmanager
def staged_export(target: Path) -> Iterator[Path]:
    """Yield a temporary directory that replaces `target` on success.

    On any error it is removed, and an earlier export stays unchanged. Raises MusictkError if
    `target` exists and is not an export, or cannot be written.
    """
    with writing(target):
        foreign = target.exists() and not (target / MANIFEST).is_file() and not _is_empty(target)
    if foreign:
        raise MusictkError(
            f"{target} exists and is not an export", "choose another directory to export to"
        )
    with staged(target) as directory:
        yield directory


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())
