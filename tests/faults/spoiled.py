"""Files that are not what they are taken for, each made by a function."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

Spoil = Callable[[Path], None]


def noise(path: Path) -> None:
    path.write_bytes(random.Random(path.name).randbytes(4096))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def deep(path: Path) -> None:
    path.write_bytes(b"[" * 100_000)


def brackets(path: Path) -> None:
    path.write_bytes(b"[]")


def braces(path: Path) -> None:
    path.write_bytes(b"{}")


def huge(path: Path) -> None:
    """A gigabyte that takes no room."""
    with path.open("wb") as stream:
        stream.truncate(1 << 30)


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


SPOILS: tuple[Spoil, ...] = (noise, empty, deep, brackets, braces, huge, folder, pipe, device)


def spoil(path: Path, how: Spoil) -> None:
    """Put something else in the place of a file."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    how(path)
