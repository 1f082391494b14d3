"""The files of one request, and their catalog rows, from which `sample --like` repeats them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from musictk.catalog import Catalog
from musictk.errors import MusictkError
from musictk.generation.compose import Composition
from musictk.generation.request import PieceRequest
from musictk.jobs.bundles import LoadedModel, ModelSource
from musictk.jobs.delivery import deliver
from musictk.jobs.given_bars import GivenBars
from musictk.jobs.given_music import GivenMusic
from musictk.jobs.prompt import PromptMusic
from musictk.jobs.samples import Rewritten, SampleBatch, SampleFile, folded
from musictk.workspace import Workspace


class SampleRows:
    """Writes the pieces of one request, and stores them in the catalog if it can be written."""

    def __init__(
        self,
        catalog: Catalog | None,
        workspace: Workspace,
        opened: LoadedModel,
        request: PieceRequest,
        new_only: bool,
    ) -> None:
        self._catalog, self._workspace, self._opened = catalog, workspace, opened
        self._request = request
        self._source = _plain(opened.source)
        self._kept: dict[str, Any] = {"new_only": True} if new_only else {}
        self._made: list[SampleFile] = []
        self._moved: list[MusictkError] = []
        self._notices: list[str] = []
        self._refusals: list[str] = []  # why pieces are not stored

    def store_prompt(self, given: PromptMusic | None) -> None:
        """Store the music that the pieces continue; without it, none of them is stored."""
        self._store("given", given)

    def store_bars(self, given: GivenBars) -> None:
        """Store the music of which bars are written again; without it, no piece is stored."""
        self._store("infill", given)

    def store_part(self, given: GivenMusic) -> None:
        """Store the music beside which parts are written; without it, no piece is stored."""
        self._store("accompany", given)

    def _store(self, key: str, given: PromptMusic | GivenBars | GivenMusic | None) -> None:
        if self._catalog is None:
            return
        try:
            self._catalog.require_writable()
            self._kept |= {} if given is None else {key: given.store(self._workspace)}
        except MusictkError as error:  # a read-only workspace: the pieces can be written elsewhere
            self._not_stored(error)

    def deliver(
        self,
        path: Path,
        write: Callable[[Path], list[str]],
        composition: Composition,
        rewritten: Rewritten | None = None,
        notice: str = "",
    ) -> None:
        """Write a piece and add its row. Raises MusictkError if it cannot be written anywhere."""
        written = deliver(path, write)
        self._notices += [*written.notices, *([notice] if notice else [])]
        self._moved += [] if written.error is None else [written.error]
        number = self._add(written.path, composition)
        name, runtime = self._opened.name, self._opened.runtime.name
        self._made.append(SampleFile(number, written.path, composition, name, runtime, rewritten))

    def batch(self, failed: Sequence[MusictkError] = ()) -> SampleBatch:
        """What was written, beside the errors of pieces that could not be."""
        return SampleBatch(
            tuple(self._made),
            tuple(failed),
            tuple(self._moved),
            folded(self._opened.runtime, self._request),
            tuple(dict.fromkeys([*self._notices, *self._refusals])),
            self._opened.slow,
        )

    def _add(self, path: Path, composition: Composition) -> int | None:
        """Add a row for a written piece; None if it cannot be stored."""
        if self._catalog is None or self._refusals:
            return None
        request = composition.request
        stored = {
            "source": self._source,
            "row": composition.row,
            **self._kept,
            **request.plain(),
        }
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        place, seed = self._workspace.relative(path), request.seed
        try:
            opened = self._opened
            row = self._catalog.add_sample(place, digest, opened.digest, seed, stored, opened.run)
        except MusictkError as error:
            self._not_stored(error)
            return None
        return row.id

    def _not_stored(self, error: MusictkError) -> None:
        self._refusals.append(
            f"not stored in the catalog, so --like cannot repeat it: {error.message}"
        )


def _plain(source: ModelSource) -> dict[str, Any]:
    return {
        key: str(value) if isinstance(value, Path) else value
        for key, value in asdict(source).items()
    }
