"""Results in the workspace's cache: one file of a kind, named after what it is made from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from musictk.errors import MusictkError


def store(path: Path, kind: str, write: Callable[[Path], object]) -> None:
    """Write `path`, named `kind`-DIGEST.safetensors, in place of older files of its kind.

    In a read-only workspace nothing is stored.
    """
    try:
        write(path)
    except MusictkError:
        return
    for old in path.parent.glob(f"{kind}-*.safetensors"):
        if old != path:
            old.unlink(missing_ok=True)
