"""Keep the garbage collector from searching objects that stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def frozen() -> Iterator[None]:
    """Leave the objects that exist out of garbage collections; new ones are collected as ever.

    The modules and mappings of a process are most of its objects. Each full collection would search
    them all.
    """
    before = gc.get_freeze_count()
    gc.freeze()
    try:
        yield
    finally:
        if not before:  # else the caller froze objects, which must stay so
            gc.unfreeze()


@contextmanager
def paused() -> Iterator[None]:
    """Collect no garbage while many objects are made that stay."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
