"""`sample --original`: draw pieces again until they share no more with the training set than human
music does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from symusic.core import ScoreTick

from musictk.catalog import Catalog
from musictk.errors import MusictkError, UsageError
from musictk.evaluation.reference import (
    FILE,
    LEAST,
    Baseline,
    Reference,
    Shared,
    read_reference,
)
from musictk.generation.compose import Composition
from musictk.generation.new_bars import new_bars
from musictk.generation.request import PieceRequest
from musictk.jobs.originality import training_reference
from musictk.jobs.samples import SampleRequest
from musictk.tokens import Tokenizer
from musictk.workspace import Workspace

DRAWS = 20  # of one piece, at most

Compose = Callable[[PieceRequest], list[Composition]]


class OriginalPiece(NamedTuple):
    """A piece, its number among those that were requested, and how it was found."""

    row: int
    composition: Composition
    notice: str = ""  # where it shares more than human music in every draw


def check_original(asked: SampleRequest) -> None:
    """Raise UsageError for options that --original does not apply to."""
    given = {"--infill": asked.infill, "--accompany": asked.accompany}
    for flag, value in given.items():
        if value is not None:
            raise UsageError(f"--original cannot be combined with {flag}", f"leave out {flag}")


def open_reference(
    catalog: Catalog | None, workspace: Workspace, bundle: Path, tokenizer: Tokenizer
) -> Reference:
    """The reference in the bundle of the model; without one, that of the catalog's training pieces.

    Raises MusictkError where there is no catalog, or too few held-out pieces for a human baseline.
    """
    if "midi" not in tokenizer.reads:
        hint = "leave out --original, or sample a run that was trained on MIDI files"
        raise UsageError("--original compares MIDI, and this model writes text", hint)
    if (bundle / FILE).is_file():
        return _required(read_reference(bundle / FILE))
    if catalog is None:
        hint = "run it in the folder of the catalog that the model was trained on"
        raise MusictkError("--original needs the training pieces, and there is no catalog", hint)
    return _required(training_reference(catalog, workspace))


def _required(reference: Reference) -> Reference:
    """The reference; raises MusictkError for one without a human baseline."""
    if not any(each.pieces >= LEAST for each in reference.baselines):
        raise MusictkError(
            f"--original needs at least {LEAST} valid and test pieces to know what human music"
            " shares with the training pieces",
            "ingest more music, or give more of it to them: musictk catalog split",
        )
    return reference


def draw_original(
    reference: Reference, tokenizer: Tokenizer, request: PieceRequest, compose: Compose
) -> Iterator[OriginalPiece]:
    """The pieces of a request; those that share too much are drawn again with other seeds.

    The seeds follow from the request's: an equal request gives equal pieces. Each composition has
    the request that repeats it alone. After DRAWS draws the piece nearest to human music is kept.
    """
    for first in compose(request):
        row, best, excess = first.row, first, _excess(reference, tokenizer, first)
        for draw in range(1, DRAWS):
            if excess <= 1:
                break
            again = replace(request, seed=_seed(request.seed, row, draw), count=1)
            other = compose(again)[0]
            found = _excess(reference, tokenizer, other)
            if found < excess:
                best, excess = other, found
        notice = "" if excess <= 1 else _notice(reference, tokenizer, best)
        yield OriginalPiece(row, best, notice)


def _excess(reference: Reference, tokenizer: Tokenizer, made: Composition) -> float:
    """The largest figure divided by the human one: at most 1 for an original piece."""
    pair = _compared(reference, tokenizer, made)
    if pair is None:
        return 0.0  # fewer notes than one pattern
    shared, human = pair
    ratios = [(shared.share, human.share), (float(shared.longest), float(human.longest))]
    return max(_ratio(value, most) for value, most in ratios)


def _ratio(value: float, most: float) -> float:
    if value <= most:
        return value / most if most else 0.0
    return value / most if most else float("inf")


def _compared(
    reference: Reference, tokenizer: Tokenizer, made: Composition
) -> tuple[Shared, Baseline] | None:
    score = _new_music(tokenizer, made)
    try:
        shared = reference.measure(score)
    except MusictkError:
        return None
    human = reference.baseline(shared.notes)
    return None if human is None else (shared, human)


def _new_music(tokenizer: Tokenizer, made: Composition) -> ScoreTick:
    """What the model wrote, without a prompt."""
    if len(made.request.used_prompt):
        return new_bars(tokenizer, made)[0]
    piece = tokenizer.decode(made.sequence)
    assert isinstance(piece, ScoreTick), "open_reference accepts only tokenizers of MIDI"
    return piece


def _notice(reference: Reference, tokenizer: Tokenizer, made: Composition) -> str:
    pair = _compared(reference, tokenizer, made)
    if pair is None:
        return ""
    shared, human = pair
    return (
        f"no draw of {DRAWS} is as original as human music; the nearest is written: its longest"
        f" copied passage has {shared.longest} notes (human {human.longest}), and it shares"
        f" {shared.share:.1%} of its patterns with one piece (human {human.share:.1%})"
    )


def _seed(seed: int, row: int, draw: int) -> int:
    """A seed for each draw of each piece."""
    text = f"original:{seed}:{row}:{draw}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4]) >> 1
