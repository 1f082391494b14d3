"""Compare a piece with the corpus: statistics, form, originality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symusic.core import ScoreTick

from musictk.catalog import SPLITS, Catalog
from musictk.errors import MusictkError, UnknownNameError
from musictk.evaluation.features import LEAST, compare_features
from musictk.evaluation.form import FormReport, form_report, sections_from_form
from musictk.evaluation.originality import Originality, measure_originality
from musictk.generation.form import parse
from musictk.jobs.callbacks import OnProgress
from musictk.jobs.corpus import Corpus
from musictk.rendering.midi import SectionSpan, sections
from musictk.wording import counted
from musictk.workspace import Workspace


def music(
    catalog: Catalog,
    workspace: Workspace,
    score: ScoreTick,
    composer: str | None = None,
    progress: OnProgress | None = None,
    split: str | None = None,
) -> dict[str, Any]:
    """The music statistics of a piece and of the corpus (of one composer's pieces, of a split).

    Raises UnknownNameError for an unknown composer or split, MusictkError for too few pieces.
    """
    if split not in (None, *SPLITS):
        raise UnknownNameError("split", str(split), SPLITS)
    name = catalog.composer(composer).name if composer else None
    corpus = Corpus(catalog, workspace)
    pieces = [piece for piece in corpus.select({"midi"}, split) if name in (None, piece.composer)]
    if (composer or split) and len(pieces) < LEAST:
        raise MusictkError(
            f"{counted(len(pieces), 'piece')} cannot be compared with: at least {LEAST} are needed",
            "choose another composer or split, or compare with the whole corpus",
        )
    return compare_features([score], (other for _, other in corpus.scores(pieces, progress)))


def form(
    score: ScoreTick, assumed: str = "", marked: Sequence[SectionSpan] | None = None
) -> FormReport:
    """The similarity of its sections: of the form `assumed`, else `marked`, else by its markers."""
    if assumed:
        return form_report(score, sections_from_form(score, parse(assumed)))
    return form_report(score, sections(score) if marked is None else marked)


def originality(
    catalog: Catalog, workspace: Workspace, score: ScoreTick, progress: OnProgress | None = None
) -> Originality:
    """The most similar training piece, and the longest passage that a piece shares with one."""
    corpus = Corpus(catalog, workspace)
    scores = corpus.scores(corpus.select({"midi"}, "train"), progress)
    return measure_originality(score, ((info.path, other) for info, other in scores))
