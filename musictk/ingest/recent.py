"""Files that changed so recently that a later change could leave their time as it is.

A file system counts time in steps. A file that changes again within the step of its last change
keeps its modification time, and may keep its size. Git has the same problem with its index ("racy
git"): such a file must not count as known by size and time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from musictk.ingest.find import FoundFile, find

UNKNOWN = -1  # a modification time that no file has: the file is read again next time
_FINE = 20_000_000  # ns: longer than a step of a kernel's clock
_COARSE = 2_000_000_000  # ns: the step of FAT; others count whole seconds
_SECOND = 1_000_000_000


def find_timed(paths: Sequence[Path]) -> list[FoundFile]:
    """As `find`, each file once; one that may change without a trace has the time UNKNOWN.

    Waits for the end of a short step, so that files made just before an ingest are known by their
    time.
    """
    began = time.time_ns()
    found = list({file.place: file for file in find(paths)}.values())
    recent = [place for place, file in enumerate(found) if file.mtime_ns > began - _COARSE]
    if any(found[place].mtime_ns > began - _FINE for place in recent):
        time.sleep(_FINE / _SECOND)
    for place in recent:
        found[place] = _with_known_time(found[place])
    return found


def _with_known_time(file: FoundFile) -> FoundFile:
    now = time.time_ns()
    try:
        status = file.path.stat()
    except OSError:
        return file  # reported when it is read
    step = _FINE if status.st_mtime_ns % _SECOND else _COARSE
    known = status.st_mtime_ns if status.st_mtime_ns < now - step else UNKNOWN
    return replace(file, size=status.st_size, mtime_ns=known)
