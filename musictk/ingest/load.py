"""Load pieces of the catalog, and files of the user."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from musictk.catalog import PieceInfo, load_path
from musictk.errors import MusictkError, UsageError, nearest
from musictk.files import cause, open_regular
from musictk.ingest.locations import is_gone
from musictk.reading.archives import MemberReader
from musictk.reading.kinds import kind_of
from musictk.reading.limits import Limits
from musictk.reading.read import read_midi, read_text
from musictk.reading.reasons import Reason, RejectedError
from musictk.tokens import Piece
from musictk.workspace import Workspace

_MOVED = "was it moved or deleted? `musictk catalog check` lists missing files"
_AUDIO = (".wav", ".mp3", ".flac", ".ogg", ".m4a", ".aac", ".aif", ".aiff", ".opus", ".wma")
_NOTATION = (".musicxml", ".mxl", ".xml", ".mscz", ".mscx", ".krn", ".mei", ".ly", ".gp", ".gpx")
_REASONS = {
    Reason.NOT_MIDI: "choose a MIDI or ABC file",
    Reason.NO_NOTES: "choose a file with notes",
    Reason.EMPTY: "choose a file with notes",
    Reason.MIDI2: "export it as a standard MIDI file (.mid)",
    Reason.NOT_TEXT: "save it as UTF-8 text",
    Reason.ENCRYPTED: "unpack the archive first",
}


class PieceLoader:
    """Loads pieces of the catalog, with the same checks and repairs as in ingest.

    An archive is read once for all pieces that are loaded in its order.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._members = MemberReader(Limits())

    def load(self, info: PieceInfo) -> Piece:
        """Read one piece. Raises MusictkError where its file is missing or unreadable."""
        path, member = find_location(self._workspace, info)
        try:
            return _read(path, member, info.kind, self._members)[1]
        except OSError as error:
            raise MusictkError(f"cannot read {path}: {cause(error)}", _MOVED) from error


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


def read_music(path: Path, member: str | None = None) -> tuple[bytes, Piece]:
    """The bytes and the music of a file that the user named, or of a member of an archive.

    Raises MusictkError where it is missing or not accepted.
    """
    kind = kind_of(member or path.name)
    try:
        known = kind if kind in ("text", "abc") else "midi"
        return _read(path, member, known, MemberReader(Limits()))
    except FileNotFoundError as error:
        raise missing_file(path) from error
    except IsADirectoryError as error:
        raise UsageError(f"{path} is a directory", "name a file in it") from error
    except OSError as error:
        raise MusictkError(f"cannot read {path}: {cause(error)}", "choose another file") from error


def missing_file(path: Path, known: Iterable[str] = ()) -> UsageError:
    """The error for a file that does not exist: names a similar one, in its folder or `known`."""
    folder = path.parent
    message = f"there is no file {str(path)!r}"
    if not folder.is_dir():
        return UsageError(message, f"the folder {str(folder)!r} does not exist")
    try:
        beside = {each.stem: each for each in sorted(folder.iterdir()) if kind_of(each.name)}
    except OSError:
        beside = {}
    near = nearest(path.stem, beside)
    if near is not None:
        return UsageError(message, f"did you mean {str(beside[near])!r}?")
    near = nearest(str(path), known)
    return UsageError(message, "check the path" if near is None else f"did you mean {near!r}?")


def _read(path: Path, member: str | None, kind: str, members: MemberReader) -> tuple[bytes, Piece]:
    limits = Limits()
    try:
        data = members.read(path, member) if member else _bytes(path, limits)
        music = read_midi(data, limits).score if kind == "midi" else read_text(data, limits)
    except RejectedError as error:
        where = path if member is None else path / member
        raise MusictkError(f"cannot use {where}: {error}", _hint(where, error.reason)) from error
    return data, music


def _hint(path: Path, reason: Reason) -> str:
    suffix = path.suffix.lower()
    if suffix in _AUDIO:
        return "musictk reads notes, not sound: choose a MIDI or ABC file, or transcribe it first"
    if suffix in _NOTATION:
        return "export it as MIDI from a notation program"
    return _REASONS.get(reason, "")


def _bytes(path: Path, limits: Limits) -> bytes:
    """At most one byte above the limit, which the checks then reject."""
    with open_regular(path) as stream:
        return stream.read(limits.size + 1)
