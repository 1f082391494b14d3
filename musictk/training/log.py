"""What happened, step by step: one JSON object a line, and TensorBoard's event files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import IO, Any

from musictk.files import write_bytes

LOG = "log.jsonl"


class Log:
    """Appends to `log.jsonl`; on resume it first drops what came after `step`."""

    def __init__(self, directory: Path, step: int, tensorboard: bool) -> None:
        path = directory / LOG
        directory.mkdir(parents=True, exist_ok=True)
        write_bytes(path, "".join(_until(path, step)).encode())
        self._stream: IO[str] = path.open("a", encoding="utf-8")
        self._writer: Any = _event_writer(directory / "tensorboard", step) if tensorboard else None

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        if self._writer is not None:
            self._writer.close()

    def write(self, kind: str, step: int, **values: float | int | bool | str | None) -> None:
        """One line: {"kind": kind, "step": step, …}; numbers also become TensorBoard scalars."""
        finite = {key: _finite(value) for key, value in values.items()}
        self._stream.write(json.dumps({"kind": kind, "step": step, **finite}) + "\n")
        self._stream.flush()
        if self._writer is not None:
            for name, value in values.items():
                if isinstance(value, int | float):
                    self._writer.add_scalar(f"{kind}/{name}", value, step)


def read_log(directory: Path) -> list[dict[str, Any]]:
    """Every line of a run's log; a line cut short by a crash is left out."""
    path = directory / LOG
    return [json.loads(line) for line in _until(path, None)]


def _until(path: Path, step: int | None) -> list[str]:
    """The whole lines up to `step`."""
    if not path.is_file():
        return []
    kept = []
    for line in path.read_text("utf-8").splitlines(keepends=True):
        try:
            at = int(json.loads(line)["step"])
        except (ValueError, KeyError, TypeError):
            continue  # cut short
        if step is None or at <= step:
            kept.append(line)
    return kept


def _finite(value: float | int | bool | str | None) -> float | int | bool | str | None:
    """JSON has no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _event_writer(directory: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(directory), purge_step=step)
