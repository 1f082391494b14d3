"""How much music shares with the training pieces, beside what held-out human pieces share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from symusic.core import ScoreTick

from musictk import builtin
from musictk.catalog import Catalog, PieceInfo
from musictk.errors import MusictkError
from musictk.evaluation.reference import (
    FILE,
    SHIPPED,
    VERSION,
    Baseline,
    Reference,
    Shared,
    build_reference,
    read_reference,
    write_reference,
)
from musictk.files import digest
from musictk.jobs.cached import store
from musictk.jobs.callbacks import OnProgress
from musictk.jobs.corpus import Corpus
from musictk.workspace import Workspace

_NAME = "reference"


def training_reference(
    catalog: Catalog, workspace: Workspace, progress: OnProgress | None = None, every: int = 1
) -> Reference:
    """The reference of the train split, with the baseline of valid and test.

    A stored one is read, unless the pieces or their splits have changed. Pieces that cannot be read
    are left out, and then it is not stored. Raises MusictkError without training pieces.
    """
    corpus = Corpus(catalog, workspace)
    pieces = corpus.select({"midi"})
    facts = sorted([piece.sha256, piece.split or ""] for piece in pieces)
    path = workspace.cache / f"{_NAME}-{every}-{digest([VERSION, facts])}.safetensors"
    if path.is_file():
        try:
            return read_reference(path)
        except MusictkError:
            pass  # damaged: it is made again
    training = [piece for piece in pieces if piece.split == "train"]
    others = [piece for piece in pieces if piece.split in ("valid", "test")]

    def scores(chosen: Sequence[PieceInfo], before: int) -> Iterator[ScoreTick]:
        def read(done: float, _: float) -> None:
            if progress is not None:
                progress(before + done, len(pieces))

        return (score for _, score in corpus.scores(chosen, read))

    made = build_reference(scores(training, 0), scores(others, len(training)), every)
    if not corpus.unreadable:
        store(path, f"{_NAME}-{every}", partial(write_reference, reference=made))
    return made


def human_baseline(
    catalog: Catalog, workspace: Workspace, notes: int, progress: OnProgress | None = None
) -> Baseline | None:
    """What human pieces of this length share with the training pieces: the 95th percentile.

    None where there are too few held-out pieces, or no training pieces.
    """
    pieces = Corpus(catalog, workspace).select({"midi"}, "train")
    return training_reference(catalog, workspace, progress).baseline(notes) if pieces else None


def with_builtin(score: ScoreTick) -> tuple[Shared, Baseline | None]:
    """What a piece shares with the training pieces of the built-in models, and what humans do.

    Only one pattern in some is known of these pieces: see `write_training_reference`.
    """
    reference = read_reference(builtin.FOLDER / FILE)
    shared = reference.measure(score)
    return shared, reference.baseline(shared.notes)


def write_training_reference(
    catalog: Catalog, workspace: Workspace, path: Path, every: int = SHIPPED
) -> Reference:
    """Write a reference to give to others: it has no music, only hashes of one pattern in `every`.

    See `musictk.evaluation.reference` for its contents and its format.
    """
    made = training_reference(catalog, workspace, every=every)
    write_reference(path, made)
    return made
