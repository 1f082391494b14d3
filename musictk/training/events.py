"""TensorBoard's event files.

Written here and not by torch's SummaryWriter, which writes in a thread: its errors, such as a full
disk, cannot be caught.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from musictk.files import writing
from musictk.training.appender import Appender


class TensorBoardEvents:
    """One event file; every record is written at once."""

    def __init__(self, directory: Path, step: int, protos: Any, record_writer: Any) -> None:
        self._event, self._summary = protos
        name = f"events.out.tfevents.{time.time():010.0f}.{socket.gethostname()}.{os.getpid()}"
        with writing(directory):
            directory.mkdir(parents=True, exist_ok=True)
        self._file = Appender(directory / name)
        self._records = record_writer(self._file)
        self._add(file_version="brain.Event:2")
        # With this, readers drop records of an earlier process after this step: those from the
        # step of the event on.
        start = self._event.SessionLog(status=self._event.SessionLog.START)
        self._add(step=step + 1, session_log=start)

    @classmethod
    def open(cls, directory: Path, step: int) -> Self | None:
        """A new event file in `directory`; None if tensorboard is not installed."""
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError:
            return None
        return cls(directory, step, (event_pb2, summary_pb2), RecordWriter)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One record: a scalar for each value, with its name."""
        scalar = self._summary.Summary.Value
        scalars = [scalar(tag=name, simple_value=value) for name, value in values.items()]
        self._add(step=step, summary=self._summary.Summary(value=scalars))

    def close(self) -> None:
        self._file.close()

    def _add(self, **fields: Any) -> None:
        event = self._event.Event(wall_time=time.time(), **fields)
        self._records.write(event.SerializeToString())
