"""Atomic writes of files and directories, and bounded reads of regular files.

An OSError while writing, such as a full disk, becomes a MusictkError with the path and the cause.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Any

from musictk.errors import MusictkError, WriteError

_LIMIT = 64 << 20  # bytes of a settings file; a wrong path could name a far larger file
AGAIN = ", then run the command again"  # ends a hint; `train` names the command instead
_SQLITE = b"SQLite format 3\0"  # how its files begin
_SPACE = f"free disk space or choose another path{AGAIN}"
_PLACE = f"choose a writable path{AGAIN}"
_HANDLES = f"raise the limit on open files (ulimit -n){AGAIN}"
_HINTS = {
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _PLACE),
    **dict.fromkeys((errno.EINVAL, errno.ENOENT, errno.ENOTDIR, errno.ELOOP), _PLACE),
    errno.EISDIR: f"name a file in it{AGAIN}",
    errno.EEXIST: f"name another file{AGAIN}",
    errno.ENAMETOOLONG: f"choose a shorter name{AGAIN}",
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), _HANDLES),
    errno.EIO: f"check the disk{AGAIN}",
}


@contextmanager
def writing(path: Path, *native: type[Exception]) -> Iterator[None]:
    """Turn an OSError while `path` is written into a WriteError.

    `native`: exceptions that a library with its own file access raises instead of OSError.
    """
    refusals: tuple[type[Exception], ...] = (OSError, *native)
    try:
        yield
    except refusals as error:
        hint = _HINTS.get(getattr(error, "errno", None) or 0, _SPACE)
        raise WriteError(f"cannot write {path}: {cause(error)}", hint) from error


def require_writable(path: Path) -> None:
    """Raise WriteError if no file can be written at `path`; creates and changes nothing there."""
    with writing(path):
        _probe(_target(path).parent)


def require_writable_folder(folder: Path) -> None:
    """Raise WriteError if nothing can be written in `folder`, which need not exist."""
    with writing(folder):
        _probe(folder)


def cause(error: BaseException) -> str:
    """The message of a system error: one line, without the path."""
    lines = (getattr(error, "strerror", None) or str(error)).splitlines()
    return lines[0] if lines else type(error).__name__


@contextmanager
def atomic(path: Path, *native: type[Exception]) -> Iterator[Path]:
    """Yield a temporary path; it replaces `path` on success and is removed on failure.

    Of a symbolic link, the file that it names is replaced. A database is never replaced. Raises
    MusictkError if it cannot be written; see `writing` for `native`.
    """
    with writing(path, *native):
        path = _target(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_prefix(path), suffix=".part", dir=path.parent)
        temporary = Path(name)
        try:
            os.close(handle)
            yield temporary
            _sync(temporary)
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
            _sync(path.parent)
        finally:
            _remove(temporary)


@contextmanager
def staged(directory: Path, *native: type[Exception]) -> Iterator[Path]:
    """Yield a temporary directory; it replaces `directory` on success.

    On failure it is removed, and an existing `directory` is unchanged. Raises MusictkError if it
    cannot be written; see `writing` for `native`.
    """
    with writing(directory, *native):
        _existing_folder(directory.parent)
        directory.parent.mkdir(parents=True, exist_ok=True)
        prefix = _prefix(directory)
        temporary = Path(tempfile.mkdtemp(prefix=prefix, suffix=".part", dir=directory.parent))
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            _sync(temporary)
            _take_place(temporary, directory)
            _sync(directory.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary directory, removed on exit. Raises MusictkError if none can be created."""
    try:
        place = tempfile.gettempdir()
    except OSError as error:
        message = "no temporary directory is writable"
        raise MusictkError(message, "free disk space, or set TMPDIR to another path") from error
    with (
        writing(Path(place)),
        tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as folder,
    ):
        yield Path(folder)


def symlink(link: Path, target: Path) -> None:
    """Make `link` a relative symbolic link to the directory `target`, atomically."""
    with writing(link):
        fresh = link.with_name(f".{link.name}.link")
        fresh.unlink(missing_ok=True)
        try:
            fresh.symlink_to(os.path.relpath(target, link.parent), target_is_directory=True)
            fresh.replace(link)
            _sync(link.parent)
        finally:
            _remove(fresh)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON atomically."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def open_regular(path: str | Path) -> BufferedReader:
    """Open a regular file, or a link to one, for reading bytes.

    Raises OSError for anything else: reading a pipe may block, and a device may have no end.
    """
    # Without O_NONBLOCK, opening a pipe waits for a writer.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_bytes(path: Path) -> bytes:
    """The content of a regular file. Raises OSError for other kinds and above 64 MiB."""
    with open_regular(path) as stream:
        data = stream.read(_LIMIT + 1)
    if len(data) > _LIMIT:
        raise OSError(errno.EFBIG, f"more than {_LIMIT} bytes", str(path))
    return data


def require_regular(path: Path) -> None:
    """Raise OSError unless `path` is a regular file; for libraries that open files themselves."""
    open_regular(path).close()


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises MusictkError if it is missing or invalid."""
    try:
        return json.loads(read_bytes(path).decode("utf-8"))
    except FileNotFoundError as error:
        raise MusictkError(f"{path} does not exist") from error
    except OSError as error:
        raise MusictkError(f"cannot read {path}: {cause(error)}") from error
    except (ValueError, RecursionError) as error:
        raise MusictkError(f"{path} is not valid JSON: {cause(error)}") from error


def digest(value: Any) -> str:
    """A stable hash (16 hex digits) of a JSON-serializable value."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _target(path: Path) -> Path:
    """The file that a rename to `path` should replace: of a symbolic link, the one it names.

    Raises OSError for a device or a folder, and for a database, such as the catalog.
    """
    if path.is_symlink():
        path = path.resolve()
    _existing_folder(path.parent)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return path
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a directory")
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file")
    if _is_database(path):
        raise FileExistsError(errno.EEXIST, "it is a database, which is not replaced")
    return path


def _is_database(path: Path) -> bool:
    """Whether it is a SQLite file, or a file of one that is in use."""
    for suffix in ("-wal", "-shm", "-journal"):
        path = path.with_name(path.name.removesuffix(suffix))
    try:
        with path.open("rb") as stream:
            return stream.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def _existing_folder(folder: Path) -> Path:
    """`folder` or the nearest one above it that exists; raises OSError if that is a file."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{folder} is not a directory")
    return folder


def _probe(folder: Path) -> None:
    """Write some bytes to a nameless file where `folder` is or will be: finds a full disk too."""
    with tempfile.TemporaryFile(dir=_existing_folder(folder), buffering=0) as stream:
        stream.write(bytes(64 << 10))


def _prefix(path: Path) -> str:
    """The beginning of a temporary name, which must not be too long if the name is not."""
    return f".{path.name[:40]}."


def _take_place(temporary: Path, directory: Path) -> None:
    """Rename `temporary` to `directory`. An existing one is restored on failure."""
    if not directory.exists():
        temporary.rename(directory)
        return
    prefix = f"{_prefix(directory)}old."  # one that is not empty cannot be replaced
    aside = Path(tempfile.mkdtemp(prefix=prefix, suffix=".part", dir=directory.parent))
    old = aside / directory.name
    try:
        directory.rename(old)
        try:
            temporary.rename(directory)
        except OSError:
            old.rename(directory)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        with suppress(OSError):  # not empty where the old directory could not be moved back
            aside.rmdir()


def _remove(path: Path) -> None:
    """Remove a temporary file. A failure is ignored: the first error is the one to report."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    if os.name == "nt":  # where no directory can be opened, and no file be synced that is only read
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
