"""Compare a piece with the corpus: statistics, form, originality."""

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
from musictk.ingest import read_piece
from musictk.jobs.corpus import Corpus
from musictk.rendering.midi import sections
from musictk.workspace import Workspace

Progress = Callable[[float, float], None]


def music(
    catalog: Catalog,
    workspace: Workspace,
    file: Path,
    composer: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The music statistics of a MIDI file and of the corpus (or of one composer's pieces)."""
    corpus = (score for _, score in _scores(catalog, workspace, composer, progress))
    return compare_features([read_score(file)], corpus)


def form(file: str | Path, assumed: str = "") -> FormReport:
    """The similarity of its sections: of the form `assumed`, by default of its markers."""
    score = read_score(file)
    return form_report(
        score, sections_from_form(score, parse(assumed)) if assumed else sections(score)
    )


def originality(
    catalog: Catalog, workspace: Workspace, file: Path, progress: Progress | None = None
) -> Originality:
    """The most similar piece of the corpus, and the longest passage that a piece shares."""
    return measure_originality(read_score(file), _scores(catalog, workspace, None, progress))


def read_score(file: str | Path) -> ScoreTick:
    """The score of a MIDI file, read through the checks of ingest; raises UsageError for text."""
    piece = read_piece(Path(file))
    if isinstance(piece, str):
        raise UsageError(f"{file} is text, not MIDI")
    return piece


def _scores(
    catalog: Catalog, workspace: Workspace, composer: str | None, progress: Progress | None
) -> Iterator[tuple[str, ScoreTick]]:
    """(path, score) of the MIDI files in the catalog (of one composer)."""
    corpus = Corpus(catalog, workspace)
    name = catalog.composer(composer).name if composer else None
    pieces = [piece for piece in corpus.select({"midi"}) if name in (None, piece.composer)]
    for done, info in enumerate(pieces, 1):
        piece = corpus.load(info)
        if not isinstance(piece, str):
            yield info.path, piece
        if progress is not None:
            progress(done, len(pieces))
