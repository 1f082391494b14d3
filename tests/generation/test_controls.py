"""Bar controls in sampling: each bar gets its own, and what is enforced holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from symusic.core import ScoreTick

from musictk.controls import Bars, Controls, measure
from musictk.errors import UnknownNameError, UsageError
from musictk.generation.bar_plan import BarPlan, GivenFacts, plan_bars
from musictk.generation.chosen_controls import ChosenControl
from musictk.generation.compose import Composition, compose
from musictk.generation.draft import Draft
from musictk.generation.draw import Noise
from musictk.generation.opening import Opening
from musictk.generation.request import PieceRequest, to_prompt
from musictk.generation.row_contexts import RowContexts
from musictk.generation.sampling import Sampling, options
from musictk.tokens import Frames

from .pieces import MIDIS, controlled, load_untrained, tokenizer, untrained

NAMES = ("remi", "events", "pianoroll")
BACH = {"composer": [("Bach", 1.0)]}


def write(name: str, controls: Any = (), **asked: Any) -> Composition:
    sampling = {key: asked.pop(key) for key in options() if key in asked}
    values = {"bars": 2, "seed": 4, "sampling": sampling, "controls": controls} | asked
    return compose(controlled(name), tokenizer(name), PieceRequest.read(values))[0]


def bars_of(name: str, piece: Composition) -> Bars:
    music = tokenizer(name).decode(piece.sequence)
    assert isinstance(music, ScoreTick)
    return Bars.of(music, len(tokenizer(name).bar_starts(piece.sequence)))


def plan(controls: list[tuple[str, str, str]], form: str = "AABA", prompt: int = 0) -> BarPlan:
    made = tokenizer("remi")
    layout = Controls.available(made)
    given = np.ones((prompt, layout.width), np.uint8)
    chosen = tuple(ChosenControl(*each) for each in controls)
    request = PieceRequest(form=form, bars=2, controls=chosen)
    return plan_bars(layout, made, request, GivenFacts(given, given[:0]))


def words(bars: BarPlan, name: str) -> list[Any]:
    control = bars.controls.named(name)
    ids = bars.ids[:, bars.controls.columns[name]].tolist()
    rows = [[control.values[each - 1] if each else "" for each in row] for row in ids]
    return [row[0] if len(set(row)) == 1 else " ".join(row) for row in rows]


def test_a_control_is_for_the_piece_a_section_or_some_bars() -> None:
    found = plan([("", "key", "C"), ("B", "key", "Em"), ("2-3", "key", "F"), ("8", "key", "G")])
    piece = ["C major", "F major", "F major", "C major", *["E minor"] * 2, "C major", "G major"]
    assert words(found, "key") == piece


def test_values_of_successive_bars_are_repeated() -> None:
    found = plan([("", "chord", "Am | F | C G")])
    assert words(found, "chord") == ["Am", "F", "C G", "Am", "F", "C G", "Am", "F"]


def test_each_section_of_a_label_begins_with_the_first_value() -> None:
    found = plan([("A", "chord", "Am | F | C")], form="A4 A4 B A4")
    section = ["Am", "F", "C", "Am"]
    assert words(found, "chord") == [*section * 2, *[""] * 2, *section]


def test_a_section_is_named_in_any_case() -> None:
    assert words(plan([("b", "key", "C major")], form="AB"), "key")[2:] == ["C major"] * 2


def test_a_bar_takes_the_chord_of_the_bar_before() -> None:
    found = words(plan([("", "chord", "| Am | % | C G | % |")], form="AB"), "chord")
    assert found == ["Am", "Am", "C G", "C G"]


def test_a_prompt_keeps_its_own_facts() -> None:
    found = plan([("", "key", "C major")], prompt=3)
    assert words(found, "key") == [found.controls.made[3].values[0]] * 3 + ["C major"] * 8
    places = ["first", "opening", "opening", "opening", *["middle"] * 3]
    assert words(found, "place") == [*places, "closing", "closing", "closing", "last"]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (("", "colour", "red"), "no control 'colour'"),
        (("C", "key", "C"), "no section 'C'"),
        (("7-9", "key", "C"), "no bars 7-9"),
        (("", "chord", "Am || C"), "has an empty bar"),
        (("", "chord", "% | C"), "begins with %"),
    ],
)
def test_errors_name_what_there_is(chosen: tuple[str, str, str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        plan([chosen])
    assert message in str(error.value)
    assert error.value.hint


def test_an_unknown_value_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError):
        plan([("", "key", "H major")])


def test_a_model_without_controls_says_so() -> None:
    request = PieceRequest.read({"bars": 2, "controls": [["", "key", "C"]]})
    with pytest.raises(UsageError, match="no control 'key'"):
        compose(untrained("remi"), tokenizer("remi"), request)


@pytest.mark.parametrize("name", NAMES)
def test_a_range_holds_in_every_bar(name: str) -> None:
    controls = [["", "lowest", "C3"], ["", "highest", "C5"], ["B", "lowest", "C4"]]
    piece = write(name, controls, form="A B", bars=4)
    bars = bars_of(name, piece)
    pitch, bar = bars.pitched.pitch, bars.bar_of(bars.pitched.start)
    assert len(pitch) > 8
    assert pitch.min() >= 48
    assert pitch.max() <= 72
    assert pitch[(bar > 4) & (bar < 8)].min() >= 60  # a note may be held over the bar line


def test_the_first_bar_has_the_metre_of_the_piece() -> None:
    """Though the second has another."""
    for form in ({"bars": 4}, {"form": "ABA", "bars": 1}):
        where = "B" if "form" in form else "2"
        piece = write("remi", [[where, "metre", "3/4"]], sampling={"metre": "4/4"}, **form)
        signs = bars_of("remi", piece).score.time_signatures
        assert [(sign.numerator, sign.denominator) for sign in signs] == [(4, 4), (3, 4), (4, 4)]
    with pytest.raises(UsageError, match="the first bar, in 3/4, cannot be shorter"):
        write("remi", [["2", "metre", "4/4"]], sampling={"metre": "3/4"}, bars=3)


@pytest.mark.parametrize("name", ["remi", "events"])
def test_metres_are_those_chosen(name: str) -> None:
    controls = [["", "metre", "3/4"], ["3-4", "metre", "6/8"], ["5", "metre", "4/4"]]
    bars = bars_of(name, write(name, controls, bars=6))
    metre = Controls.available(tokenizer(name)).made
    (own,) = [each for each in metre if each.name == "metre"]
    found = [own.values[int(each) - 1] for each in own.measure(bars)[:, 0]]
    assert found == ["3/4", "3/4", "6/8", "6/8", "4/4", "3/4"]


@pytest.mark.parametrize("name", NAMES)
def test_a_control_changes_the_music_from_its_bar_on(name: str) -> None:
    plain, other = write(name, bars=4), write(name, [["3-4", "key", "F#"]], bars=4, guidance=1.0)
    same = write(name, bars=4, guidance=1.0)
    assert not np.array_equal(same.sequence, other.sequence)
    start = tokenizer(name).bar_starts(same.sequence)[2]
    assert np.array_equal(same.sequence[:start], other.sequence[:start])
    assert np.array_equal(plain.sequence, same.sequence)  # nothing was chosen, so nothing guides


@pytest.mark.parametrize("name", NAMES)
def test_guidance_of_controls_is_not_that_of_labels(name: str) -> None:
    made = tokenizer(name)
    without_effect = load_untrained(made, controls=Controls.available(made), control_std=0)

    def pieces(*controls: ChosenControl) -> list[Any]:
        asked: dict[str, Any] = {"bars": 2, "controls": controls, "conditions": BACH}
        scales = [Sampling(guidance=scale) for scale in (1.0, 4.0)]
        requests = [PieceRequest(sampling=sampling, **asked) for sampling in scales]
        return [compose(without_effect, made, each)[0].sequence for each in requests]

    assert np.array_equal(*pieces(ChosenControl("", "key", "F#")))
    assert not np.array_equal(*pieces())


@pytest.mark.parametrize("name", NAMES)
def test_a_request_with_controls_reads_back_to_the_same_piece(name: str) -> None:
    controls = (ChosenControl("B", "key", "E minor"), ChosenControl("", "density", "high"))
    request = PieceRequest(form="ABA", bars=2, seed=1, controls=controls)
    again = PieceRequest.read(request.plain())
    assert again == request
    made = [compose(controlled(name), tokenizer(name), each)[0] for each in (request, again)]
    assert np.array_equal(made[0].sequence, made[1].sequence)


@pytest.mark.parametrize("name", NAMES)
def test_contexts_that_are_cut_keep_the_controls_of_their_bars(name: str) -> None:
    """Pieces longer than the context, with a prompt and a returning theme."""
    prompt = tokenizer(name).encode(ScoreTick.from_file(sorted(MIDIS.rglob("*.mid"))[0]))
    cut = prompt[: tokenizer(name).bar_starts(prompt)[4]]
    controls = [["", "highest", "C6"], ["B", "density", "2"]]
    piece = write(name, controls, form="ABA", memory=64, prompt=to_prompt(cut), whole=True)
    assert np.array_equal(piece.sequence[: len(cut)], cut)
    assert bars_of(name, piece).pitched.pitch.max() <= 84


@pytest.mark.parametrize("memory", [0, 128])
@pytest.mark.parametrize("name", NAMES)
def test_bars_are_written_between_given_ones(name: str, memory: int) -> None:
    made = tokenizer(name)
    whole = made.encode(ScoreTick.from_file(sorted(MIDIS.rglob("*.mid"))[0]))
    lines = made.bar_starts(whole)
    before, after = whole[: lines[4]], whole[lines[6] : lines[7]]
    asked: dict[str, Any] = {"prompt": to_prompt(before), "whole": True, "memory": memory}
    free = write(name, **asked)
    tied = write(name, after=to_prompt(after), **asked)
    assert np.array_equal(tied.sequence[: len(before)], before)
    assert len(made.bar_starts(tied.sequence)) == 6
    assert not np.array_equal(free.sequence, tied.sequence)


def test_a_model_without_the_controls_cannot_write_between_bars() -> None:
    bar = to_prompt(tokenizer("remi").encode(ScoreTick.from_file(sorted(MIDIS.rglob("*.mid"))[0])))
    request = PieceRequest.read({"bars": 2, "after": bar, "prompt": bar, "whole": True})
    with pytest.raises(UsageError, match="between given bars"):
        compose(untrained("remi"), tokenizer("remi"), request)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("first", [0, 2])
def test_the_last_bar_is_predicted_in_the_key_of_the_end(name: str, first: int) -> None:
    """From its first position on: what two keys differ in begins with the last bar."""
    bars = 2
    one, two = (predictions(name, key, first, bars) for key in ("C major", "F# major"))
    made = tokenizer(name)
    starts = made.bar_starts(music_of(name, first + bars))
    last = int(starts[-1] - starts[first])
    # The token that begins a bar is in the bar before; a frame is predicted in its own.
    last += not isinstance(made.space, Frames)
    same = [np.array_equal(*each) for each in zip(one, two, strict=True)]
    assert same == [index < last for index in range(len(same))]


def music_of(name: str, bars: int) -> Any:
    made = tokenizer(name)
    whole = made.encode(ScoreTick.from_file(MIDIS / "Bach/petzold_menuet_anh114.mid"))
    return whole[: made.bar_starts(whole)[bars]]


def predictions(name: str, key: str, first: int, bars: int) -> list[Any]:
    """The logits of each position of some bars of a piece that ends in a key."""
    made, model, sampling = tokenizer(name), controlled(name), Sampling(guidance=1.0)
    music, prompt = music_of(name, first + bars), music_of(name, first)
    request = PieceRequest(bars=bars, sampling=sampling, ends_in=key, whole=True)
    known = model.manifest.controls
    facts, none = measure(made, prompt, known).ids, music[:0]
    planned = plan_bars(known, made, request, GivenFacts(facts, facts[:0]))
    opening = Opening(prompt, none, whole=first > 0)
    draft = Draft(made, request.plan(), planned, opening, sampling, Noise(0, 0))
    contexts = RowContexts(model, made, request, 512, [draft], planned)
    contexts.begin()
    found = []
    for position in music[len(prompt) :]:
        found.append(contexts.predict()[0])
        if draft.begins_bar(position):
            draft.begin_bar(position)
        draft.write(position, None)
        if not draft.done:
            contexts.advance([0], set())
    return found
