"""Write finished pieces where they were asked for, or else to a temporary folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from musictk.errors import MusictkError, WriteError


@dataclass(frozen=True)
class Delivery:
    """Where a piece was written."""

    path: Path
    notices: tuple[str, ...] = ()  # what the file cannot represent
    error: MusictkError | None = None  # why `path` is not the path that was asked for


def deliver(path: Path, write: Callable[[Path], list[str]]) -> Delivery:
    """Call `write` with `path`; if that cannot be written, with a path in a temporary folder.

    Composing may have taken minutes, so a finished piece is not lost with its disk. Raises
    WriteError if no folder can be written.
    """
    try:
        return Delivery(path, tuple(write(path)))
    except WriteError as error:
        for folder in _folders():
            with suppress(WriteError):
                rescued = folder / path.name
                notices = tuple(write(rescued))
                failed = WriteError(error.message, f"the piece is in {rescued}")
                return Delivery(rescued, notices, failed)
        raise


def _folders() -> Iterator[Path]:
    """New folders for pieces: in the system's temporary folder, then at home."""
    for parent in (None, str(Path.home())):
        with suppress(OSError):
            yield Path(tempfile.mkdtemp(prefix="musictk-", dir=parent))
