"""The directory of a run: locking, and whether it can be resumed. Free of torch.

The operating system releases the lock when the process ends, even if it is killed: after a kill the
file `lock` is still there, but it is not locked.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from musictk.errors import MusictkError

LOCK = "lock"
LAST, TRAINER = "last", "trainer.json"  # the last checkpoint, and its state for resuming
DAMAGED = "restore it from a copy, or fine-tune the best checkpoint: musictk train --from RUN"
REFUSED = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)  # a lock that another process holds


_ATTEMPTS, _PAUSE = 5, 0.01  # to lock; seconds between two


class LockedError(MusictkError):
    """Another process holds the lock."""


class CheckpointError(MusictkError):
    """A checkpoint is damaged or does not fit, so resuming again would fail again."""


@contextmanager
def lock(directory: Path) -> Iterator[None]:
    """Lock `directory` for this process. Raises LockedError if another one has locked it.

    On a file system without locks, nothing is locked.
    """
    path = directory / LOCK
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        hint = "check its permissions, free some space, or choose another place"
        raise MusictkError(f"cannot write {path}: {error.strerror}", hint) from error
    try:
        if not _locked(handle):
            message = f"another process is training {directory.name!r}"
            raise LockedError(message, "wait until it has ended")
        yield
    finally:
        os.close(handle)


def is_locked(directory: Path) -> bool:
    """Whether a process has locked `directory`."""
    try:
        handle = os.open(directory / LOCK, os.O_RDONLY)  # it may be in a read-only workspace
    except FileNotFoundError:
        return False
    except OSError:  # it may be another user's
        return True
    try:
        return not _locked(handle)
    finally:
        os.close(handle)


def resumable(directory: Path) -> bool:
    """Whether there is a checkpoint to resume from."""
    return (directory / LAST / TRAINER).is_file()


def _locked(handle: int) -> bool:
    """Lock the file; False if another process holds the lock, and not only to ask for it.

    `is_locked` has it for microseconds.
    """
    for attempt in range(_ATTEMPTS):
        try:
            _lock(handle)
        except OSError as error:
            if error.errno in REFUSED:
                time.sleep(_PAUSE if attempt + 1 < _ATTEMPTS else 0)
                continue
        return True  # or the file system has no locks
    return False


def _lock(handle: int) -> None:
    """Lock the file or raise OSError at once."""
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
