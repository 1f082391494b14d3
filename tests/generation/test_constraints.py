"""Constraints on what tokens state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk.controls import Controls
from musictk.errors import UsageError
from musictk.generation.bar_plan import GivenFacts, plan_bars
from musictk.generation.constraints import Fixed, Steady, constraints
from musictk.generation.draft import Draft
from musictk.generation.draw import Noise
from musictk.generation.opening import Notice, Opening, described
from musictk.generation.request import PieceRequest
from musictk.generation.sampling import Sampling, options
from musictk.tokens import Attribute

from .pieces import tokenizer

# Two values; of five tokens two state none, one both.
STATES = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [0, 0]], bool)
COLOUR = Attribute(("red", "blue"), STATES)
NOTHING = np.zeros(0, np.int64)


def test_tokens_state_one_value_or_none_or_several() -> None:
    assert COLOUR.stated.tolist() == [False, True, True, True, False]
    assert COLOUR.single().tolist() == [-1, 0, 1, -1, -1]
    assert COLOUR.within([0]).tolist() == [True, True, False, False, True]
    assert COLOUR.within([0, 1]).all()
    assert COLOUR.within([]).tolist() == [True, False, False, False, True]


def test_a_fixed_value_is_the_only_one() -> None:
    fixed = Fixed(COLOUR, [1])
    fixed.advance(1)
    assert fixed.allowed().tolist() == [True, False, True, False, True]


def test_steady_keeps_the_first_single_value() -> None:
    steady = Steady(COLOUR, NOTHING)
    for token in (0, 3, 4):
        steady.advance(token)
        assert steady.allowed() is None
    for token in (2, 1):
        steady.advance(token)
        allowed = steady.allowed()
        assert allowed is not None
        assert np.array_equal(allowed, COLOUR.within([1]))


def test_steady_keeps_the_last_value_of_a_prompt() -> None:
    allowed = Steady(COLOUR, np.array([2, 1, 3, 0])).allowed()
    assert allowed is not None
    assert np.array_equal(allowed, COLOUR.within([0]))


@pytest.mark.parametrize(
    ("name", "metre", "kinds"),
    [
        ("remi", "steady", [Steady]),
        ("remi", "free", []),
        ("events", "3/4", [Fixed]),
        ("pianoroll", "steady", []),
    ],
)
def test_metre_is_a_constraint_if_tokens_have_it(name: str, metre: str, kinds: list[type]) -> None:
    made = constraints(tokenizer(name), Sampling(metre=metre), NOTHING)
    assert [type(each) for each in made] == kinds


def test_properties_of_a_draft_do_not_change_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("musictk.generation.draft._BAR_LIMIT", 8)
    made = tokenizer("events")
    opening = Opening(NOTHING, NOTHING)
    request = PieceRequest(form="AB", bars=2)
    none = np.zeros((0, 0), np.uint8)
    bars = plan_bars(Controls(), made, request, GivenFacts(none, none))
    draft = Draft(made, request.plan(), bars, opening, Sampling(), Noise(0, 0))
    first = next(token for token in range(64) if len(made.bar_starts(np.array([token]))))
    draft.begin_bar(first)
    draft.write(first, None)
    for _ in range(80):  # far past the limit of a bar, where it has to end without a bar line
        before = draft.progress.bar, len(draft.notices), draft.sequence.tolist()
        answers = [(draft.begins_bar(40), draft.bar_is_silent(), draft.must_sound) for _ in "abc"]
        assert len(set(answers)) == 1
        assert (draft.progress.bar, len(draft.notices), draft.sequence.tolist()) == before
        draft.write(40, None)
    assert draft.begins_bar(40)
    draft.begin_bar(40)
    assert [notice.kind for notice in draft.notices] == ["bar-cut"]
    many = [Notice("bar-cut", "A", bar) for bar in (4, 2, 2)] + [Notice("limit-ignored", "B", 1)]
    cut, ignored = described(many)
    assert cut.startswith("section A, bars 2, 4: the bar was as long as")
    assert ignored.startswith("section B, bar 1: the controls left nothing")


@pytest.mark.parametrize("name", ["remi", "events"])
def test_a_bar_after_a_silent_one_must_sound_whoever_wrote_it(name: str) -> None:
    made = tokenizer(name)
    request = PieceRequest(form="A", bars=8)
    none = np.zeros((0, 0), np.uint8)
    bars = plan_bars(Controls(), made, request, GivenFacts(none, none))
    draft = Draft(made, request.plan(), bars, Opening(NOTHING, NOTHING), Sampling(), Noise(0, 0))
    sounds = [False, True, True, False, True, True]
    must = []
    for sounding in sounds:
        score = ScoreTick(480)
        score.tracks.append(TrackTick("", 0, False))
        score.tracks[0].notes.append(NoteTick(0 if sounding else 1920, 240, 60, 64))
        bar = made.encode(score)
        starts = made.bar_starts(bar)
        for token in bar[: starts[1] if len(starts) > 1 else len(bar)].tolist():
            if draft.begins_bar(token):
                draft.begin_bar(token)
                must.append(draft.must_sound)
            draft.write(token, None)
    assert must == [True, True, False, False, True, False]


def test_every_option_has_help_and_a_range() -> None:
    for name, info in options().items():
        assert info.help
        assert info.takes(getattr(Sampling(), name))
        wrong: dict[str, Any] = {name: "waltz" if name == "metre" else -1}
        with pytest.raises(UsageError, match=f"{name}=.* must be {info.allowed}"):
            Sampling(**wrong)
