"""A log that is appended to line by line."""

from __future__ import annotations

from pathlib import Path

from musictk.files import writing


class Appender:
    """Appends to a file without a buffer, so that a failing write raises at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with writing(path):
            self._stream = path.open("ab", buffering=0)

    def write(self, data: bytes) -> None:
        """Write all of `data`. Raises MusictkError if it cannot be written."""
        rest = memoryview(data)
        with writing(self._path):
            while rest:
                rest = rest[self._stream.write(rest) :]

    def close(self) -> None:
        """Close the file. Raises MusictkError if the system reports a delayed failure."""
        with writing(self._path):
            self._stream.close()
