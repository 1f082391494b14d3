"""The log of a run: one JSON object per line, and TensorBoard's event files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from musictk.errors import MusictkError
from musictk.files import cause, open_regular, write_bytes
from musictk.training.appender import Appender
from musictk.training.events import TensorBoardEvents

LOG = "log.jsonl"
_LONGEST = 1 << 16  # bytes of a line


class Log:
    """Appends to `log.jsonl`; on resume, lines after `step` are removed first."""

    def __init__(self, directory: Path, step: int, tensorboard: bool) -> None:
        path = directory / LOG
        write_bytes(path, "".join(_until(path, step)).encode())
        self._lines = Appender(path)
        self._events = (
            TensorBoardEvents.open(directory / "tensorboard", step) if tensorboard else None
        )

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        if self._events is not None:
            self._events.close()

    def write(self, kind: str, step: int, **values: float | int | bool | str | None) -> None:
        """One line: {"kind": kind, "step": step, …}; numbers also become TensorBoard scalars."""
        row = {key: finite(value) for key, value in values.items()}
        self._lines.write((json.dumps({"kind": kind, "step": step, **row}) + "\n").encode())
        if self._events is not None:
            numbers = {
                f"{kind}/{key}": float(value)
                for key, value in values.items()
                if isinstance(value, int | float)
            }
            self._events.write(step, numbers)


def _until(path: Path, step: int) -> list[str]:
    """The complete lines up to `step`."""
    if not path.is_file():
        return []
    kept = []
    try:
        with open_regular(path) as stream:
            while line := stream.readline(_LONGEST):
                at = _step(line)
                if at is not None and at <= step:
                    kept.append(line.decode())
    except OSError as error:
        raise MusictkError(f"cannot read {path}: {cause(error)}") from error
    return kept


def _step(line: bytes) -> int | None:
    """The step of a line; None if it is truncated or is no log entry."""
    if not line.endswith(b"\n"):
        return None
    try:
        return int(json.loads(line.decode())["step"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def finite(value: Any) -> Any:
    """The value, or None for a number that is not finite, which JSON cannot express."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
