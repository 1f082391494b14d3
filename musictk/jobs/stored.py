"""A stored sample: its row in the catalog, and the same piece written once more."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from musictk.catalog import Catalog
from musictk.catalog.models import Sample
from musictk.config import build
from musictk.controls.missing import missing_notice
from musictk.errors import UsageError
from musictk.files import require_writable, scratch
from musictk.generation.compose import Composition
from musictk.generation.request import PieceRequest
from musictk.jobs.bundles import ModelSource, known_source, open_source
from musictk.jobs.delivery import deliver
from musictk.jobs.pieces import check_name
from musictk.jobs.samples import Rewritten, SampleBatch, SampleFile, folded
from musictk.runtime import Runtime
from musictk.workspace import Workspace

_MUSIC = ("new_only", "given", "infill", "accompany")  # keys of a row beside those of its request


class Remade(NamedTuple):
    """A piece that was composed again, and how to write its file."""

    composition: Composition
    write: Callable[[Path], list[str]]  # returns notices
    rewritten: Rewritten | None = None


@dataclass(frozen=True)
class StoredSample:
    """What the row of a sample says."""

    row: Sample
    source: ModelSource
    index: int  # the row of the request's `count`
    request: PieceRequest
    music: Mapping[str, Any]  # the stored music that the user gave, by key

    @staticmethod
    def read(row: Sample) -> StoredSample:
        """Raises UsageError for a row that this version cannot read."""
        values = dict(row.request)
        source = known_source(build(ModelSource, values.pop("source"), "sample"))
        index = int(values.pop("row"))
        music = {key: values.pop(key) for key in _MUSIC if key in values}
        return StoredSample(row, source, index, PieceRequest.read(values), music)

    def repeat(
        self,
        catalog: Catalog,
        workspace: Workspace,
        out: Path | None,
        remake: Callable[[Runtime], Remade],
    ) -> SampleBatch:
        """Compose the piece again with `remake` and write it to `out`, or where it was.

        Raises MusictkError if the model has changed since, UsageError if the file has, or if it
        would be replaced by other music.
        """
        row = self.row
        opened = open_source(catalog, workspace, self.source, f"sample {row.id}", row.bundle)
        path = out or workspace.resolve(row.path)
        if out is None:
            _require_unchanged(path, row)
        check_name(out, opened.runtime.manifest.make_tokenizer())
        require_writable(path)
        made = remake(opened.runtime)
        notices = [missing_notice(opened.runtime.manifest.controls.missing)]
        if _differs(made, row):
            differs = (
                f"this version of musictk or this machine composes sample {row.id} differently"
            )
            if out is None and path.exists():
                raise UsageError(differs, f"to keep {path}, write beside it: -o FILE")
            notices.append(differs)
        written = deliver(path, made.write)
        name, runtime = opened.name, opened.runtime.name
        composed, rewritten = made.composition, made.rewritten
        file = SampleFile(row.id, written.path, composed, name, runtime, rewritten)
        return SampleBatch(
            (file,),
            moved=() if written.error is None else (written.error,),
            folded=folded(opened.runtime, self.request),
            notices=(*filter(None, notices), *written.notices),
        )


def _differs(made: Remade, row: Sample) -> bool:
    """Whether the file of a piece is not, bit for bit, the one that was stored."""
    with scratch() as folder:
        again = folder / Path(row.path).name  # text may be written as MIDI, too
        made.write(again)
        return read_file(again, row)[1]


def read_file(path: Path, row: Sample) -> tuple[bytes, bool]:
    """The bytes of a sample's file, b"" where it is gone; and whether it was changed since."""
    try:
        data = path.read_bytes()
    except OSError:
        return b"", False
    return data, hashlib.sha256(data).hexdigest() != row.sha256


def _require_unchanged(path: Path, row: Sample) -> None:
    """Raise UsageError where a file would be replaced that is not the sample any more."""
    if read_file(path, row)[1]:
        raise UsageError(
            f"{path} is no longer sample {row.id}: it was changed, or another file replaced it",
            "to keep it, write the sample beside it: -o FILE",
        )
