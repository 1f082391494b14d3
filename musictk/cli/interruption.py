"""What Ctrl-C, SIGTERM and SIGHUP end a command with: one line, and exit code 130, 143 or 129."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from musictk.errors import MusictkError
from musictk.training.stop import SIGNALS

_AGAIN = "run the command again to continue"
# What remains after an interruption. Files are written completely or not at all.
REMAINS = {
    "ingest": f"the files that were read are in the catalog; {_AGAIN}",
    "catalog": "the catalog is unchanged",
    "tokenize": f"complete shards are kept; {_AGAIN}",
    "train": "to resume a run that has a checkpoint: musictk train --resume RUN"
    " (see musictk runs list)",
    "sample": "the pieces that were written are kept",
    "export": f"complete exports are kept; {_AGAIN}",
    "render": "nothing was written",
    "--play": "the files are written",
}


class _Ended(KeyboardInterrupt):
    """A signal that ends the process, so that temporary files are removed as after Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class InterruptionError(MusictkError):
    """Ctrl-C or another signal ended the command; its exit code is 128 + the signal's number."""

    def __init__(self, cause: KeyboardInterrupt, command: str = "") -> None:
        super().__init__("interrupted", REMAINS.get(command, ""))
        self.exit_code = 128 + (cause.number if isinstance(cause, _Ended) else signal.SIGINT)


@contextmanager
def signals_end_commands() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does; a second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():  # Python delivers none there
        yield
        return
    default = [each for each in SIGNALS if signal.getsignal(each) == signal.SIG_DFL]  # no nohup
    for number in default:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in default:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    raise _Ended(number)


def add_to(program: Any) -> None:
    """Let Ctrl-C and these signals end every command with InterruptionError."""
    make_context, invoke = program.make_context, program.invoke

    def interruptible(context: Any) -> Any:
        with _reported(lambda: context.invoked_subcommand or ""):
            return invoke(context)

    def made(*arguments: Any, **named: Any) -> Any:
        with _reported(str):
            return make_context(*arguments, **named)

    program.invoke, program.make_context = interruptible, made


@contextmanager
def _reported(command: Callable[[], str]) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:  # Typer would exit without a word
        raise InterruptionError(error, command()) from error
