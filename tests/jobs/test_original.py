"""Pieces are drawn again while they share more with the training set than human music does."""

from __future__ import annotations

import numpy as np
import pytest
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk import runtime
from musictk.evaluation.reference import LEAST, build_reference
from musictk.generation.compose import Composition, compose
from musictk.generation.request import PieceRequest
from musictk.jobs.original import DRAWS, draw_original
from musictk.runtime import Runtime
from musictk.testing.exports import write_untrained
from musictk.tokens import Tokenizer
from musictk_remi.config import RemiConfig
from musictk_remi.tokenizer import Remi

REQUEST = PieceRequest(bars=6, seed=3, count=2)


def melody(seed: int) -> ScoreTick:
    score, track = ScoreTick(480), TrackTick()
    for index, pitch in enumerate(np.random.default_rng(seed).integers(40, 90, 300).tolist()):
        track.notes.append(NoteTick(index * 240, 240, pitch, 80))
    score.tracks.append(track)
    return score


HUMAN = [melody(seed) for seed in range(LEAST)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    folder = tmp_path_factory.mktemp("model") / "bundle"
    write_untrained(folder, "gpt", Remi(RemiConfig()), dim=32, depth=1, heads=2, max_length=1024)
    return runtime.load(folder, "torch", device="cpu")


@pytest.fixture(scope="module")
def tokenizer(model: Runtime) -> Tokenizer:
    return model.manifest.make_tokenizer()


def scores(tokenizer: Tokenizer, made: list[Composition]) -> list[ScoreTick]:
    found = [tokenizer.decode(each.sequence) for each in made]
    return [each for each in found if isinstance(each, ScoreTick)]


def test_a_copy_is_drawn_again_and_an_original_piece_is_not(
    model: Runtime, tokenizer: Tokenizer
) -> None:
    usual = compose(model, tokenizer, REQUEST)
    copied = scores(tokenizer, usual)[1]
    reference = build_reference([copied], HUMAN)

    def again(request: PieceRequest) -> list[Composition]:
        return compose(model, tokenizer, request)

    first, second = draw_original(reference, tokenizer, REQUEST, again)
    assert (first.row, second.row) == (0, 1)
    assert first.composition.request == REQUEST
    assert np.array_equal(first.composition.sequence, usual[0].sequence)
    assert first.notice == second.notice == ""
    own = second.composition.request
    assert own.seed != REQUEST.seed
    assert np.array_equal(again(own)[0].sequence, second.composition.sequence)
    *_, repeated = draw_original(reference, tokenizer, REQUEST, again)
    assert np.array_equal(repeated.composition.sequence, second.composition.sequence)


def test_after_the_last_draw_the_nearest_is_kept_and_named(
    model: Runtime, tokenizer: Tokenizer
) -> None:
    usual = compose(model, tokenizer, REQUEST)
    reference = build_reference(scores(tokenizer, usual), HUMAN)
    calls = []

    def same(request: PieceRequest) -> list[Composition]:
        calls.append(request.seed)
        return usual

    found = next(iter(draw_original(reference, tokenizer, REQUEST, same)))
    assert len(calls) == len(set(calls)) == DRAWS
    assert f"no draw of {DRAWS} is as original as human music; the nearest is" in found.notice
    assert "100.0% of its patterns with one piece (human 0.0%)" in found.notice
    assert "\n" not in found.notice
