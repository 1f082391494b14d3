"""Read an accepted file again."""

from __future__ import annotations

from pathlib import Path

from musictk.catalog import PieceInfo, load_path
from musictk.errors import MusictkError
from musictk.files import open_regular
from musictk.reading.archives import read_member
from musictk.reading.kinds import kind_of
from musictk.reading.limits import Limits
from musictk.reading.read import read_midi, read_text
from musictk.reading.reasons import RejectedError
from musictk.tokens import Piece
from musictk.workspace import Workspace


def load_piece(workspace: Workspace, info: PieceInfo) -> Piece:
    """The piece, read through the same checks and repairs as when it was ingested.

    Raises MusictkError where the file is gone or cannot be read any more.
    """
    path = workspace.resolve(load_path(info.path))
    return _read(path, load_path(info.member) if info.member else None, info.kind)


def read_piece(path: Path) -> Piece:
    """A file of the user's behind the same checks: text where its name says so, else MIDI."""
    kind = kind_of(path.name)
    return _read(path, None, kind if kind in ("text", "abc") else "midi")


def _read(path: Path, member: str | None, kind: str) -> Piece:
    limits = Limits()
    try:
        data = read_member(path, member, limits) if member else _bytes(path, limits)
        return read_midi(data, limits).score if kind == "midi" else read_text(data, limits)
    except OSError as error:
        raise MusictkError(
            f"cannot read {path}: {error.strerror or error}",
            "was it moved or deleted? `musictk catalog check` knows the catalog's files",
        ) from error
    except RejectedError as error:
        raise MusictkError(f"cannot use {path}: {error}") from error


def _bytes(path: Path, limits: Limits) -> bytes:
    """No more than one byte above the limit, which the checks then refuse."""
    with open_regular(path) as stream:
        return stream.read(limits.size + 1)
