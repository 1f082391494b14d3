"""The catalog rows of the pieces of one request, from which `sample --like` repeats them."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from musictk.catalog import Catalog
from musictk.errors import MusictkError
from musictk.generation.compose import Composition
from musictk.generation.request import PieceRequest
from musictk.jobs.bundles import LoadedModel, ModelSource
from musictk.jobs.given_bars import GivenBars
from musictk.jobs.given_music import GivenMusic
from musictk.jobs.prompt import PromptMusic
from musictk.workspace import Workspace


class SampleRows:
    """Stores the pieces of one request in the catalog, if there is one that can be written."""

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
        self.notices: list[str] = []  # why pieces are not stored

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

    def add(
        self, path: Path, composition: Composition, request: PieceRequest | None = None
    ) -> int | None:
        """Add a row for a written piece; None if it cannot be stored.

        `request` repeats it, where that is not the request of all pieces.
        """
        if self._catalog is None or self.notices:
            return None
        request = request or self._request
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
        self.notices.append(
            f"not stored in the catalog, so --like cannot repeat it: {error.message}"
        )


def _plain(source: ModelSource) -> dict[str, Any]:
    return {
        key: str(value) if isinstance(value, Path) else value
        for key, value in asdict(source).items()
    }
