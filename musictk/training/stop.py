"""Signals that stop a run after its current step: Ctrl-C, and those of batch schedulers."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

# SIGHUP, which Windows lacks, is sent when a terminal is closed; under nohup it is ignored.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))


class Stop:
    """`requested` is True after the first signal; a second Ctrl-C interrupts at once.

    Outside the main thread, where Python delivers no signals, it stays False.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            handled = [each for each in SIGNALS if signal.getsignal(each) != signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._request) for number in handled}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True
