"""Attribute music to the composers of the catalog. The classifier is kept in the workspace."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from musictk.catalog import Catalog, PieceInfo
from musictk.errors import MusictkError, UnknownNameError
from musictk.evaluation.attribution import (
    FOLDS,
    Classifier,
    ClassifierScores,
    Example,
    train_classifier,
)
from musictk.evaluation.classifier_file import read_classifier, write_classifier
from musictk.evaluation.excerpts import excerpts
from musictk.evaluation.figures import VERSION, count_figures
from musictk.files import digest
from musictk.jobs.cached import store
from musictk.jobs.callbacks import OnProgress
from musictk.jobs.corpus import Corpus
from musictk.jobs.named_music import NamedMusic
from musictk.workspace import Workspace

MOST_PIECES = 3000  # of training: its time grows with the square of their number
EXCERPTS = 3  # of a piece at most
_NAME = "attribution"


@dataclass(frozen=True)
class Attribution:
    """The composers a piece is most like."""

    probabilities: dict[str, float]  # by composer, the most probable first
    scores: ClassifierScores  # of the classifier, by cross-validation
    known: bool = False  # the classifier was trained on this very file

    @property
    def composer(self) -> str:
        """The most probable one."""
        return next(iter(self.probabilities))

    def plain(self) -> dict[str, Any]:
        """JSON-able."""
        scores = self.scores.plain()
        return {
            "probabilities": self.probabilities,
            "known": self.known,
            "cross_validation": scores,
        }


def attribute(
    catalog: Catalog,
    workspace: Workspace,
    music: NamedMusic,
    progress: OnProgress | None = None,
) -> Attribution:
    """The probability of each composer of the catalog to have written the music.

    Only composers with at least FOLDS works are known. Raises MusictkError where fewer than two
    have them, or where the music is too short.
    """
    counts = count_figures(music.score)
    found = open_classifier(catalog, workspace, progress)
    sha256 = hashlib.sha256(music.data).hexdigest()
    trained = choose_pieces(Corpus(catalog, workspace).select({"midi"}))
    known = any(piece.sha256 == sha256 for piece in trained)
    return Attribution(found.probabilities(counts), found.scores, known)


def open_classifier(
    catalog: Catalog,
    workspace: Workspace,
    progress: OnProgress | None = None,
    composers: Sequence[str] = (),
    length: int = 0,
) -> Classifier:
    """The classifier of the catalog's music: a stored one, unless its pieces have changed.

    With `composers` it tells only these apart, and with a `length` it is for pieces of as many
    bars: it is trained and scored on excerpts. Raises MusictkError where fewer than two composers
    have FOLDS works, UnknownNameError for one of `composers` that has not.
    """
    corpus = Corpus(catalog, workspace)
    chosen = choose_pieces(corpus.select({"midi"}))
    known = sorted({str(piece.composer) for piece in chosen})
    for name in composers:
        if name not in known:
            raise UnknownNameError("composer with enough works", name, known)
    chosen = [piece for piece in chosen if not composers or piece.composer in composers]
    facts: list[Any] = sorted([piece.sha256, piece.composer, _work(piece)] for piece in chosen)
    if length:
        facts.append([length, EXCERPTS])
    # Kept: the newest for each number of composers that were named (0: all) and of bars.
    kind = f"{_NAME}-{len(set(composers))}-{length}"
    path = workspace.cache / f"{kind}-{digest([VERSION, facts])}.safetensors"
    found = read_classifier(path)
    if found is None:
        found = train_classifier(_examples(corpus, chosen, length, progress))
        if not corpus.unreadable:  # else it is made again once the files are back
            store(path, kind, partial(write_classifier, classifier=found))
    return found


def choose_pieces(pieces: Iterable[PieceInfo]) -> list[PieceInfo]:
    """The pieces to train on: of composers with at least FOLDS works, at most MOST_PIECES.

    Where there are more, each composer has the same limit, of at least FOLDS. One piece of each
    work comes before further versions of it; otherwise pieces are chosen by their hash.
    """
    named: dict[str, list[PieceInfo]] = defaultdict(list)
    for piece in pieces:
        if piece.composer:
            named[piece.composer].append(piece)
    known = {
        name: _each_work_first(own)
        for name, own in named.items()
        if len({_work(piece) for piece in own}) >= FOLDS
    }
    if len(known) < 2:
        raise MusictkError(
            f"{_composers(len(known))} of the catalog has {FOLDS} works or more, and at least two"
            " are needed to attribute a piece",
            "ingest more music of several composers: musictk ingest FOLDER",
        )
    limit = _limit([len(own) for own in known.values()])
    return [piece for name in sorted(known) for piece in known[name][:limit]]


def _each_work_first(pieces: Iterable[PieceInfo]) -> list[PieceInfo]:
    """Sorted by their hash, but the first piece of each work before the second of any."""
    versions: Counter[str] = Counter()
    ranked = []
    for piece in sorted(pieces, key=lambda piece: piece.sha256):
        ranked.append((versions[_work(piece)], piece.sha256, piece))
        versions[_work(piece)] += 1
    return [piece for _, _, piece in sorted(ranked, key=lambda each: each[:2])]


def _composers(count: int) -> str:
    return "no composer" if count == 0 else "only one composer"


def _limit(counts: Sequence[int]) -> int:
    """The most pieces of a composer with which all are at most MOST_PIECES together, or FOLDS."""
    limit = max(counts)
    while limit > FOLDS and sum(min(limit, count) for count in counts) > MOST_PIECES:
        limit -= 1
    return limit


def _work(piece: PieceInfo) -> str:
    return piece.cluster or piece.sha256


def _examples(
    corpus: Corpus, pieces: Sequence[PieceInfo], length: int, progress: OnProgress | None
) -> list[Example]:
    """The counted pieces, or excerpts of `length` bars; unreadable and short ones are left out.

    Raises MusictkError where fewer than two composers are left.
    """
    counted: dict[int, list[Example]] = {}
    by_place = sorted(pieces, key=lambda piece: piece.id)  # an archive is read in its order
    for piece, music in corpus.scores(by_place, progress):
        for part in excerpts(music, length, EXCERPTS) if length else [music]:
            with suppress(MusictkError):  # too few notes
                example = Example(str(piece.composer), _work(piece), count_figures(part))
                counted.setdefault(piece.id, []).append(example)
    found = [example for piece in pieces for example in counted.get(piece.id, [])]
    works = Counter(composer for composer, _ in {(each.composer, each.work) for each in found})
    kept = [each for each in found if works[each.composer] >= FOLDS]
    if len({each.composer for each in kept}) < 2:
        raise MusictkError(
            f"only {len(found)} of {len(pieces)} pieces can be read and are long enough",
            "`musictk catalog check` lists missing files",
        )
    return kept
