"""The program: `musictk`, and `python -m musictk`."""

import os
import signal
from types import FrameType


def run() -> None:
    """Run the program; Ctrl-C ends it with one line, also while it is being loaded."""
    heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not in the background
    if heeded:
        signal.signal(signal.SIGINT, _leave)
    from musictk.cli.main import main

    if heeded:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main()
    finally:
        if heeded:  # the command is done, and Python itself, while it ends, would die of it
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once: an exception while a module is imported may be lost, or fail the import."""
    os.write(2, b"interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    run()
