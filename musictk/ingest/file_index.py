"""Find files by what tables and users call them: a path from anywhere, a name, a stem."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from posixpath import normpath

from musictk.reading.kinds import KINDS

# Extensions that a table may name instead of the one of the MIDI file, and those of MIDI files.
_EXTENSIONS = {*KINDS, ".wav", ".mp3", ".flac", ".json", ".xml", ".musicxml", ".mxl", ".krn"}


class FileIndex:
    """The files of an ingest by absolute path; members of archives count as files beside them."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = list(paths)
        self._exact: dict[str, int] = {}
        self._same: dict[str, list[int]] = defaultdict(list)  # without case and extension
        self._names: dict[str, list[int]] = defaultdict(list)
        self._folders: dict[str, list[int]] | None = None
        for number, path in enumerate(self._paths):
            self._exact[path] = number
            same = _same(path)
            self._same[same].append(number)
            self._names[_name(same)].append(number)

    def __len__(self) -> int:
        return len(self._paths)

    def find(self, key: str, bases: Sequence[str], within: str = "") -> list[int]:
        """The files that `key` names; several for a bare name that several files have.

        `key` is a path from one of the folders `bases`, absolute, or the end of a path; a name; or
        a name without extension, of a file or of a folder. Only files below `within` count.
        """
        key = key.replace("\\", "/")
        if not key.strip(" ./"):
            return []
        for base in ("", *bases) if key.startswith("/") or key[1:3] == ":/" else bases:
            path = normpath(f"{base}/{key}" if base else key)
            if path in self._exact:
                return self._within([self._exact[path]], within)
            if found := self._within(self._same.get(_same(path), []), within):
                return _best(found, self._paths, path)
        found = self._by_name(key, within)
        if "/" not in key.strip("/") and key == _stem(key):
            found = sorted({*found, *self._by_folder(key, within)})
        return found

    def _by_name(self, key: str, within: str) -> list[int]:
        """Files with this name, those that agree in the most folders above it."""
        parts = _same(key).strip("/").split("/")
        found = self._within(self._names.get(_name(parts[-1]), []), within)
        if len(found) < 2 or len(parts) < 2:
            return found
        agreement = {number: _agreement(_same(self._paths[number]), parts) for number in found}
        most = max(agreement.values())
        best = [number for number in found if agreement[number] == most]
        return best if most > 1 or len(best) == 1 else []

    def _by_folder(self, name: str, within: str) -> list[int]:
        """Files in a folder with this name, or in one that is in such a folder."""
        if self._folders is None:
            self._folders = defaultdict(list)
            for number, path in enumerate(self._paths):
                for folder in set(_same(path).split("/")[-3:-1]):
                    self._folders[_name(folder)].append(number)
        return self._within(self._folders.get(_name(_same(name.strip("/"))), []), within)

    def _within(self, numbers: list[int], folder: str) -> list[int]:
        prefix = folder.rstrip("/") + "/"
        return [n for n in numbers if self._paths[n].startswith(prefix)] if folder else numbers


def _same(path: str) -> str:
    """A path without case and extension, in Unicode's composed form."""
    return unicodedata.normalize("NFC", _stem(path)).lower()


def _stem(path: str) -> str:
    stem, dot, extension = path.rpartition(".")
    return stem if dot and f".{extension.lower()}" in _EXTENSIONS else path


def _name(path: str) -> str:
    """The last part of a path; a number without leading zeros."""
    name = path.rpartition("/")[2]
    return str(int(name)) if name.isdecimal() and len(name) < 19 else name


def _best(numbers: list[int], paths: Sequence[str], path: str) -> list[int]:
    """Of files with the same path but for case and extension, one with the same case."""
    stem = path.rpartition(".")[0] or path
    return [n for n in numbers if paths[n].startswith(stem)] or numbers


def _agreement(path: str, parts: Sequence[str]) -> int:
    """The number of parts at the end of the path that are those of `parts`."""
    count = 0
    for mine, other in zip(reversed(path.split("/")), reversed(parts), strict=False):
        if mine != other:
            break
        count += 1
    return count
