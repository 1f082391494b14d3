"""Directories that are either wholly written or not there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from musictk.errors import MusictkError
from musictk.model.manifest import MANIFEST


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Yield a temporary directory beside `target`; on success it takes `target`'s place.

    On any error nothing is left and an earlier export stays as it was. Raises MusictkError where
    `target` is something else than an earlier export, or the disk refuses.
    """
    if target.exists() and not (target / MANIFEST).is_file() and not _is_empty(target):
        raise MusictkError(
            f"{target} is there already and is no export", "choose another place to export to"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise _refused(target, error) from error
    try:
        yield temporary
        temporary.chmod(0o755)
        _replace(temporary, target)
    except OSError as error:
        raise _refused(target, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(temporary: Path, target: Path) -> None:
    if not target.exists():
        temporary.rename(target)
        return
    # A directory cannot be renamed onto a full one: the old one steps aside first.
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
    target.rename(aside / target.name)
    temporary.rename(target)
    shutil.rmtree(aside)


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _refused(target: Path, error: OSError) -> MusictkError:
    mend = "free some space or choose another place, then run the same command again"
    return MusictkError(f"cannot write {target}: {error.strerror or error}", mend)
