"""Ctrl-C, and what schedulers send before they kill: finish the step, then end."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

# SIGHUP, which Windows lacks, is sent when a terminal is closed; nohup has it ignored.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))


class Stop:
    """`asked` becomes True at the first signal; a second Ctrl-C interrupts at once.

    Outside the main thread, where Python delivers no signals, it stays False.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            heard = [one for one in SIGNALS if signal.getsignal(one) != signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._ask) for number in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True
