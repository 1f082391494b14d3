"""Load pieces of the catalog, and files of the user."""

from __future__ import annotations

from pathlib import Path

from musictk.catalog import PieceInfo, load_path
from musictk.errors import MusictkError
from musictk.files import open_regular
from musictk.ingest.locations import is_gone
from musictk.reading.archives import read_member
from musictk.reading.kinds import kind_of
from musictk.reading.limits import Limits
from musictk.reading.read import read_midi, read_text
from musictk.reading.reasons import RejectedError
from musictk.tokens import Piece
from musictk.workspace import Workspace


def load_piece(workspace: Workspace, info: PieceInfo) -> Piece:
    """Read a piece of the catalog, with the same checks and repairs as in ingest.

    Raises MusictkError where the file is missing or unreadable.
    """
    return _read(*find_location(workspace, info), info.kind)


def find_location(workspace: Workspace, info: PieceInfo) -> tuple[Path, str | None]:
    """(path, member) of a piece's first location that exists.

    Raises MusictkError where none does, with the command that finds it again.
    """
    for stored, member in info.locations or ((info.path, info.member),):
        path = workspace.resolve(load_path(stored))
        if not is_gone(path):
            return path, load_path(member) if member else None
    missing = workspace.resolve(load_path(info.path))
    raise MusictkError(
        f"{missing} does not exist",
        "if it was moved, run: musictk ingest FOLDER, with its new folder;"
        " to list all missing files: musictk catalog check",
    )


def read_piece(path: Path) -> Piece:
    """Read any file with the same checks: text or ABC by its extension, else MIDI.

    Raises MusictkError where it is missing or not accepted.
    """
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
            "was it moved or deleted? `musictk catalog check` lists missing files",
        ) from error
    except RejectedError as error:
        raise MusictkError(f"cannot use {path}: {error}") from error


def _bytes(path: Path, limits: Limits) -> bytes:
    """At most one byte above the limit, which the checks then reject."""
    with open_regular(path) as stream:
        return stream.read(limits.size + 1)
