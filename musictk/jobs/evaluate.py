"""A piece against the corpus it was learnt from: statistics, form, originality."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from symusic.core import ScoreTick

from musictk.catalog import Catalog
from musictk.errors import UsageError
from musictk.evaluation.features import compare_features
from musictk.evaluation.form import FormReport, form_report, sections_from_form
from musictk.evaluation.originality import Originality, measure_originality
from musictk.generation.form import parse
from musictk.ingest import load_piece, read_piece
from musictk.rendering.midi import sections
from musictk.workspace import Workspace

Progress = Callable[[float, float], None]


def music(
    catalog: Catalog, workspace: Workspace, file: Path, composer: str | None, progress: Progress
) -> dict[str, Any]:
    """Music statistics of a MIDI file beside those of the corpus (of one composer)."""
    corpus = (score for _, score in _corpus(catalog, workspace, composer, progress))
    return compare_features([read_score(file)], corpus)


def form(file: Path, assumed: str = "") -> FormReport:
    """How alike the sections are: of the form that is assumed, or else of the file's markers."""
    score = read_score(file)
    return form_report(
        score, sections_from_form(score, parse(assumed)) if assumed else sections(score)
    )


def originality(
    catalog: Catalog, workspace: Workspace, file: Path, progress: Progress
) -> Originality:
    """The nearest piece of the whole corpus, and the longest passage in common with any."""
    return measure_originality(read_score(file), _corpus(catalog, workspace, None, progress))


def read_score(file: Path) -> ScoreTick:
    """A MIDI file of the user's, behind the checks of ingest."""
    piece = read_piece(file)
    if isinstance(piece, str):
        raise UsageError(f"{file} is text, not MIDI")
    return piece


def _corpus(
    catalog: Catalog, workspace: Workspace, composer: str | None, progress: Progress
) -> Iterator[tuple[str, ScoreTick]]:
    name = catalog.composer(composer).name if composer else None
    pieces = [piece for piece in catalog.pieces() if name in (None, piece.composer)]
    for done, info in enumerate(pieces, 1):
        piece = load_piece(workspace, info)
        if not isinstance(piece, str):
            yield info.path, piece
        progress(done, len(pieces))
