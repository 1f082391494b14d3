"""Whether a model composes in the style it is conditioned on: compose, then attribute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from symusic.core import ScoreTick

from musictk.catalog import Catalog
from musictk.errors import MusictkError, UnknownNameError
from musictk.evaluation.attribution import ClassifierScores
from musictk.evaluation.figures import count_figures
from musictk.files import scratch
from musictk.generation.request import PieceRequest
from musictk.jobs.attribute import open_classifier
from musictk.jobs.bundles import ModelSource, best_of
from musictk.jobs.named_music import read_score
from musictk.jobs.sample import sample
from musictk.jobs.samples import SampleListener, SampleRequest
from musictk.workspace import Workspace


@dataclass(frozen=True)
class Recognised:
    """The attribution of the pieces that were composed for one composer."""

    composer: str
    pieces: int
    right: int  # attributed to this composer
    found: dict[str, int]  # pieces by the composer they are attributed to, most first
    probability: float  # mean probability of this composer

    @property
    def recognised(self) -> bool:
        """Whether more pieces are attributed to this composer than to any other."""
        return bool(self.found) and next(iter(self.found)) == self.composer


@dataclass(frozen=True)
class ComposerControl:
    """How well a model is controlled by composer, and how well real pieces are recognised."""

    composers: tuple[Recognised, ...]
    scores: ClassifierScores  # of the classifier on human excerpts of the same number of bars

    @property
    def share(self) -> float:
        """The share of the pieces that are attributed to the composer they were composed for."""
        return sum(each.right for each in self.composers) / max(
            1, sum(each.pieces for each in self.composers)
        )

    @property
    def share_of_composers(self) -> float:
        """The share of the composers that are recognised."""
        return sum(each.recognised for each in self.composers) / max(1, len(self.composers))


def composer_control(
    catalog: Catalog,
    workspace: Workspace,
    composers: Sequence[str],
    request: SampleRequest,
    listener: SampleListener | None = None,
) -> ComposerControl:
    """Compose `request.count` pieces for each composer and attribute each to one of them.

    The classifier is trained on human excerpts of as many bars. The pieces are not stored. Pieces
    with too few notes count as not recognised. Raises UnknownNameError for a composer with too few
    works.
    """
    length = PieceRequest(form=request.form, bars=int(request.bars)).plan().bars
    classifier = open_classifier(catalog, workspace, composers=composers, length=length)
    for name in composers:
        if name not in classifier.composers:
            kind = f"composer with enough works of {length} bars"
            raise UnknownNameError(kind, name, classifier.composers)
    directory = request.source.bundle or best_of(catalog, workspace, request.source.run)[1]
    source = ModelSource(bundle=directory, runtime=request.source.runtime)
    results = []
    for name in composers:
        labels = {**request.labels, "composer": name}
        asked, shares = replace(request, source=source, labels=labels), []
        for score in _composed(workspace, asked, listener):
            try:
                shares.append(classifier.probabilities(count_figures(score)))
            except MusictkError:  # too few notes
                continue
        found = Counter(next(iter(each)) for each in shares)
        results.append(
            Recognised(
                composer=name,
                pieces=request.count,
                right=found[name],
                found=dict(found.most_common()),
                probability=sum(each[name] for each in shares) / request.count,
            )
        )
    return ComposerControl(tuple(results), classifier.scores)


def _composed(
    workspace: Workspace, request: SampleRequest, listener: SampleListener | None
) -> list[ScoreTick]:
    """The pieces of a request. Their files are removed, and the catalog has no row of them."""
    with scratch() as folder:
        made = sample(None, workspace, request, folder / "piece.mid", listener)
        return [read_score(piece.path) for piece in made.made]
