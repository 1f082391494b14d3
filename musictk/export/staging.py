"""Exports that are either wholly written or not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from musictk.errors import MusictkError
from musictk.files import staged, writing
from musictk.model.manifest import MANIFEST


@contextmanager
def staged_export(target: Path) -> Iterator[Path]:
    """Yield a temporary directory that takes the place of `target` on success.

    On any error nothing is left and an earlier export stays as it was. Raises MusictkError where
    `target` is something else than an earlier export, or cannot be written.
    """
    with writing(target):
        taken = target.exists() and not (target / MANIFEST).is_file() and not _is_empty(target)
    if taken:
        raise MusictkError(
            f"{target} is there already and is no export", "choose another place to export to"
        )
    with staged(target) as directory:
        yield directory


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())
