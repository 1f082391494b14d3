"""What is enforced holds in every bar of every piece: measured in the decoded music."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from symusic.core import ScoreTick

from musictk.controls import Bars, Controls
from musictk.errors import UnknownNameError, UsageError
from musictk.generation.bar_plan import GivenFacts, plan_bars
from musictk.generation.chosen_controls import ChosenControl, approximations
from musictk.generation.compose import Composition, compose
from musictk.generation.control_text import parse_controls
from musictk.generation.ending import Ending, final_key, key_of_given
from musictk.generation.request import PieceRequest, to_prompt
from musictk.keys import KEYS, find_key, pitch_class, scale, tonic_chord
from musictk.music import tempo_at

from .pieces import MIDIS, controlled, tokenizer

NAMES = ("remi", "events", "pianoroll")
TOKENS = ("remi", "events", "remi with bpe", "remi with programs")
METRES = ("2/4", "3/4", "4/4", "6/8")
FORMS = ("A A", "A B A", "A B A'", "")
BARS = 3  # of a section


def write(name: str, controls: list[list[str]], cadence: bool = False, **asked: Any) -> Composition:
    asked["sampling"] = {"cadence": cadence, **asked.get("sampling", {})}
    request = PieceRequest.read({"bars": BARS, "controls": controls, **asked})
    return compose(controlled(name), tokenizer(name), request)[0]


def bars_of(name: str, piece: Composition) -> Bars:
    music = tokenizer(name).decode(piece.sequence)
    assert isinstance(music, ScoreTick)
    return Bars.of(music, len(tokenizer(name).bar_starts(piece.sequence)))


def words(bars: Bars, name: str, tokens: str) -> list[str]:
    """What a control measures in each bar."""
    layout = Controls.available(tokenizer(tokens))
    control = layout.named(name)
    return [control.values[each - 1] if each else "" for each in control.measure(bars)[:, 0]]


def bass_at(bars: Bars, tick: int) -> int:
    """The lowest pitch that sounds at a tick."""
    notes = bars.pitched
    return int(notes.pitch[(notes.start <= tick) & (notes.end > tick)].min())


def usual_bass(bars: Bars, count: int) -> float:
    """The median of the lowest pitch that begins in each of the first bars."""
    pitched = bars.pitched
    bar = bars.bar_of(pitched.start)
    lowest = [pitched.pitch[bar == each].min() for each in range(count) if (bar == each).any()]
    return float(np.median(lowest))


def limit_ignored(piece: Composition, form: str, bar: int) -> bool:
    """Whether it is said of a new bar, or of the one before, that nothing was left to write.

    As after two notes at the end of a bar, above which there is no pitch. Untrained networks write
    such bars.
    """
    named = {(each.section, each.bar) for each in piece.notices if each.kind == "limit-ignored"}
    sections = form.split() or ["A"]
    places = [(sections[each // BARS], each % BARS + 1) for each in {bar, max(bar - 1, 0)}]
    return not named.isdisjoint(places)


def prompt_of(name: str, bars: int) -> dict[str, Any]:
    made = tokenizer(name)
    whole = made.encode(ScoreTick.from_file(MIDIS / "Bach/petzold_menuet_anh114.mid"))
    cut = whole[: made.bar_starts(whole)[bars]]
    return {"prompt": to_prompt(cut), "whole": True} if bars else {}


seeds = st.integers(0, 1000)
pieces = st.fixed_dictionaries(
    {"form": st.sampled_from(FORMS), "seed": seeds, "bars": st.just(BARS)}
)


@settings(max_examples=6)
@given(asked=pieces, values=st.lists(st.sampled_from(METRES), min_size=2, max_size=4))
@pytest.mark.parametrize("name", TOKENS)
def test_metres(name: str, asked: dict[str, Any], values: list[str]) -> None:
    values = sorted(values, key=Fraction, reverse=True)[:2] + values[2:]  # no pickup
    piece = write(name, [["", "metre", " | ".join(values)]], **asked)
    found = words(bars_of(name, piece), "metre", name)
    assert found == [values[bar % len(values)] for bar in range(len(found))]
    assert not piece.notices


@settings(max_examples=6)
@given(asked=pieces, value=st.sampled_from(METRES), prompt=st.sampled_from([0, 2]))
@pytest.mark.parametrize("name", TOKENS)
def test_bars_without_a_metre_keep_one(
    name: str, asked: dict[str, Any], value: str, prompt: int
) -> None:
    given = prompt_of(name, prompt)
    piece = write(name, [["2-3", "metre", value]], **asked, **given)
    found = words(bars_of(name, piece), "metre", name)[prompt:]
    assert found[1:3] == [value] * 2
    assert len(set(found[3:])) <= 1


@settings(max_examples=6)
@given(
    asked=pieces,
    values=st.lists(st.sampled_from(["0.5", "1.5", "3", "6", "more"]), min_size=1, max_size=3),
    prompt=st.sampled_from([0, 2]),
)
@pytest.mark.parametrize("name", ["pianoroll", *TOKENS])
def test_densities(name: str, asked: dict[str, Any], values: list[str], prompt: int) -> None:
    metre = [] if name == "pianoroll" else [["", "metre", "3/4"]]  # there are bars of one 16th
    controls = [["", "density", " | ".join(values)], *metre]
    piece = write(name, controls, **asked, **prompt_of(name, prompt))
    found = words(bars_of(name, piece), "density", name)[prompt:]
    layout = Controls.available(tokenizer(name))
    known = list(layout.named("density").values)
    for bar, word in enumerate(found):
        near = abs(known.index(word) - known.index(values[bar % len(values)])) <= 1
        assert near or limit_ignored(piece, asked["form"], bar)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", TOKENS)
def test_a_density_that_one_number_of_notes_has(name: str, seed: int) -> None:
    """In a bar of two quarter notes only three are more than 1 and at most 1.5 for each."""
    controls = [["", "density", "low"], ["", "metre", "2/4"]]
    piece = write(name, controls, seed=seed, bars=4)
    bars = bars_of(name, piece)
    assert np.bincount(bars.bar_of(bars.notes.start), minlength=4).tolist() == [3] * 4
    assert not piece.notices


@settings(max_examples=6)
@given(
    asked=pieces,
    values=st.lists(st.sampled_from(["1", "2", "4", "6"]), min_size=1, max_size=3),
    prompt=st.sampled_from([0, 2]),
)
@pytest.mark.parametrize("name", ["pianoroll", *TOKENS])
def test_polyphonies(name: str, asked: dict[str, Any], values: list[str], prompt: int) -> None:
    piece = write(name, [["", "polyphony", " | ".join(values)]], **asked, **prompt_of(name, prompt))
    found = words(bars_of(name, piece), "polyphony", name)[prompt:]
    far = [
        bar
        for bar, word in enumerate(found)
        if word and abs(int(word) - int(values[bar % len(values)])) > 1
    ]
    assert all(limit_ignored(piece, asked["form"], bar) for bar in far)


@settings(max_examples=6)
@example({"form": "A A", "seed": 32, "bars": BARS}, "1", 0, True)  # frames: a bar after a theme's
@given(
    asked=pieces,
    values=st.sampled_from(["1", "1 | 3", "4 | 1"]),
    prompt=st.sampled_from([0, 2]),
    cadence=st.booleans(),
)
@pytest.mark.parametrize("name", ["pianoroll", *TOKENS])
def test_one_voice_is_one_note_at_a_time(
    name: str, asked: dict[str, Any], values: str, prompt: int, cadence: bool
) -> None:
    controls = [["", "polyphony", values]]
    piece = write(name, controls, cadence, **asked, **prompt_of(name, prompt))
    bars, each = bars_of(name, piece), values.split(" | ")
    found = bars.pitched
    begins = bars.bar_of(found.start)
    together = [
        int(((found.start <= start) & (found.end > start)).sum()) for start in found.start.tolist()
    ]
    for bar, count in zip(begins.tolist(), together, strict=True):
        if bar >= prompt and each[(bar - prompt) % len(each)] == "1":
            assert count == 1 or limit_ignored(piece, asked["form"], bar - prompt)


@settings(max_examples=6)
@example({"form": "A B A'", "seed": 0, "bars": BARS}, "Eb major", 0)  # events: only note-offs
@example({"form": "A A", "seed": 0, "bars": BARS}, "C major", 0)  # bpe: a bar line with notes
@example({"form": "A B A", "seed": 122, "bars": 3}, "G# minor", 0)  # the usual bass is the lowest
@given(asked=pieces, key=st.sampled_from(["", *KEYS]), prompt=st.sampled_from([0, 2]))
@pytest.mark.parametrize("name", ["pianoroll", *TOKENS])
def test_pieces_end_on_the_tonic(name: str, asked: dict[str, Any], key: str, prompt: int) -> None:
    controls = [["", "key", key]] if key else []
    piece = write(name, controls, cadence=True, **asked, **prompt_of(name, prompt))
    assert {notice.kind for notice in piece.notices} <= {"cadence-left-out"}
    if piece.notices:  # untrained networks write bars in which no tonic can follow
        return
    bars = bars_of(name, piece)
    found = KEYS.index(key) if key else final_key(Bars(bars.score, bars.lines[:-1]))
    assert found is not None
    notes = bars.pitched.where(bars.pitched.start >= bars.lines[-2])
    last = bass_at(bars, int(notes.start.max()))
    assert last % 12 == found % 12
    attribute = tokenizer(name).attributes()["pitch"]
    tonics = [int(each) for each in attribute.values if int(each) % 12 == found % 12]
    own = [attribute.values.index(str(pitch)) for pitch in tonics]
    least = tonics[int(attribute.states[:, own].any(axis=0).argmax())]
    assert last <= max(usual_bass(bars, len(bars) - 1) + 6, least)
    early = notes.where(notes.start < bars.lines[-1] - bars.score.ticks_per_quarter // 4)
    struck = zip(early.start.tolist(), early.pitch.tolist(), strict=True)
    basses = [pitch for start, pitch in struck if pitch == bass_at(bars, start)]
    assert len(basses) == len(set(basses)), "it sounds on and is not struck again"


@settings(max_examples=6)
@given(
    asked=pieces, chords=st.sampled_from(["Am | F | C | G", "E | Bdim", "D7"]), key=st.booleans()
)
@pytest.mark.parametrize("name", ["pianoroll", *TOKENS])
def test_pieces_end_on_the_chord_that_was_chosen(
    name: str, asked: dict[str, Any], chords: str, key: bool
) -> None:
    """Its root is in the bass, whatever the key."""
    controls = [["", "chord", chords], *([["", "key", "C major"]] if key else [])]
    piece = write(name, controls, cadence=True, **asked)
    if piece.notices:
        return
    bars = bars_of(name, piece)
    values = [value.strip() for value in chords.split("|")]
    last = values[(len(bars) - 1) % len(values)]
    notes = bars.pitched.where(bars.pitched.start >= bars.lines[-2])
    assert bass_at(bars, int(notes.start.max())) % 12 == pitch_class(last[0])


def test_the_bass_is_free_where_two_chords_were_chosen() -> None:
    layout = Controls.available(tokenizer("remi"))
    request = PieceRequest(bars=2, controls=(ChosenControl("", "chord", "Am | C G"),))
    none = np.zeros((0, layout.width), np.uint8)
    plan = plan_bars(layout, tokenizer("remi"), request, GivenFacts(none, none))
    ending = Ending(tokenizer("remi"), plan, True)
    piece = write("remi", [], bars=2)
    ending.begin_bar(1, piece.sequence)
    assert ending.key is not None
    assert ending.bass is None


def test_bars_have_their_instruments() -> None:
    name, asked = "remi with programs", "programs=piano, violin"
    layout = parse_controls([f"A: {asked}", "B: programs=drums | cello"])
    piece = compose(
        controlled(name),
        tokenizer(name),
        PieceRequest(form="A B A", bars=2, seed=1, controls=layout),
    )[0]
    bars = bars_of(name, piece)
    tracks = bars.score.tracks
    for bar, wanted in enumerate(["keys"] * 2 + ["drums", "cello"] + ["keys"] * 2):
        here = bars.notes.track[bars.bar_of(bars.notes.start) == bar]
        used = {-1 if tracks[i].is_drum else tracks[i].program for i in here.tolist()}
        assert used
        assert used <= {"keys": {*range(8), 40}, "drums": {-1}, "cello": {42}}[wanted]


def test_instruments_of_bars_that_do_not_exist() -> None:
    with pytest.raises(UsageError, match="writes no instruments"):
        write("remi", [["A", "programs", "piano"]], form="A B")
    with pytest.raises(UsageError, match="no section 'C'"):
        write("remi with programs", [["C", "programs", "piano"]], form="A B")


def test_a_piece_may_end_otherwise() -> None:
    free, cadence = (
        write("remi", [], seed=3, sampling={"cadence": cadence}) for cadence in (False, True)
    )
    last = tokenizer("remi").bar_starts(free.sequence)[-1]
    assert np.array_equal(free.sequence[:last], cadence.sequence[:last])
    assert not np.array_equal(free.sequence[last:], cadence.sequence[last:])


@settings(max_examples=6)
@given(
    asked=pieces,
    values=st.lists(st.integers(30, 240), min_size=1, max_size=3),
    prompt=st.sampled_from([0, 2]),
)
@pytest.mark.parametrize("name", ["remi", "remi with bpe", "remi with programs"])
def test_tempos(name: str, asked: dict[str, Any], values: list[int], prompt: int) -> None:
    layout = Controls.available(tokenizer(name))
    control = layout.named("tempo")
    piece = write(
        name, [["", "tempo", " | ".join(map(str, values))]], **asked, **prompt_of(name, prompt)
    )
    found = words(bars_of(name, piece), "tempo", name)[prompt:]
    wanted = [int(control.parse(str(each))[0]) for each in values]
    for bar, word in enumerate(found):
        step = wanted[bar % len(wanted)]
        assert abs(control.values.index(word) + 1 - step) <= 1  # the nearest in the vocabulary
    assert not piece.notices


@given(values=st.lists(st.integers(30, 240), min_size=1, max_size=2))
@settings(max_examples=6)
def test_a_tempo_is_the_nearest_in_the_vocabulary(values: list[int]) -> None:
    made = tokenizer("remi")
    layout = Controls.available(made)
    control = layout.named("tempo")
    said = ChosenControl("", "tempo", " | ".join(map(str, values)))
    piece = write("remi", [list(said)], form="A")
    bars = bars_of("remi", piece)
    found = {tempo.time: tempo.qpm for tempo in bars.score.tempos}
    known = [float(value) for value in made.attributes()["tempo"].values]
    told = approximations(layout, made, [said])
    for value in values:
        nearest = float(control.nearest(made, str(value)) or 0)
        (step,) = control.parse(str(value)).tolist()
        alike = [each for each in known if control.parse(str(each)).tolist() == [step]]
        assert nearest in (alike or known)
        assert abs(np.log(nearest / value)) <= min(abs(np.log(np.array(alike or known) / value)))
        assert (nearest == value) or f"tempo={value} as {nearest:g}" in told
        assert any(abs(qpm - nearest) < 0.01 for qpm in found.values())


@settings(max_examples=6)
@example({"form": "A B A", "seed": 42, "bars": BARS}, 30, 0, "A minor", False, 2)
@given(
    asked=pieces,
    low=st.integers(30, 80),
    size=st.integers(0, 20),
    key=st.sampled_from(KEYS),
    strict=st.booleans(),
    prompt=st.sampled_from([0, 2]),
)
@pytest.mark.parametrize("name", ["pianoroll", *TOKENS])
def test_ranges_and_scales(
    name: str,
    asked: dict[str, Any],
    low: int,
    size: int,
    key: str,
    strict: bool,
    prompt: int,
) -> None:
    controls = [["", "key", key], ["", "lowest", str(low)], ["", "highest", str(low + size)]]
    controls.append(["2-3", "highest", str(low + size // 2)])
    asked = {**asked, "sampling": {"strict": strict}, **prompt_of(name, prompt)}
    classes = scale(KEYS.index(key))
    fitting = [
        pitch for pitch in range(low, low + size // 2 + 1) if not strict or pitch % 12 in classes
    ]
    if not fitting:
        with pytest.raises(UsageError, match="leave no pitch"):
            write(name, controls, **asked)
        return
    piece = write(name, controls, **asked)
    bars = bars_of(name, piece)
    bar = bars.bar_of(bars.pitched.start)
    new = bar >= prompt
    pitch, bar = bars.pitched.pitch[new], bar[new] - prompt
    assert (pitch >= low).all()
    assert (pitch <= np.where((bar == 1) | (bar == 2), low + size // 2, low + size)).all()
    assert not strict or set((pitch % 12).tolist()) <= set(classes)
    assert not piece.notices


@settings(max_examples=6)
@example(asked={"form": "A A", "seed": 0, "bars": BARS}, metre="4/4", prompt=2)
@given(asked=pieces, metre=st.sampled_from(METRES), prompt=st.sampled_from([0, 2]))
@pytest.mark.parametrize("name", ["pianoroll", *TOKENS])
def test_endings(name: str, asked: dict[str, Any], metre: str, prompt: int) -> None:
    given = prompt_of(name, prompt)
    controls = [] if name == "pianoroll" else [["2-3", "metre", metre]]
    bars = bars_of(name, write(name, controls, **asked, **given))
    found = bars.notes
    assert found.end.max() <= bars.lines[-1]
    sounding = found.end > bars.lines[-2]
    assert sounding.any()
    if name != "pianoroll":
        assert (bars.bar_of(found.start) == len(bars) - 1).any()


def test_a_first_bar_shorter_than_the_second_is_an_error() -> None:
    with pytest.raises(UsageError, match="cannot be shorter than the second"):
        write("remi", [["1", "metre", "2/4"], ["2", "metre", "3/4"]])


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("Bach/french_suite_5_gavotte.mid", "G"),
        ("Bach/invention_02_c_minor.mid", "Cm"),
        ("Bach/invention_04_d_minor.mid", "Dm"),
        ("Bach/chorale_bwv347.mid", "A"),
        ("Bach/petzold_menuet_anh114.mid", "G"),
    ],
)
def test_music_that_modulates_ends_in_its_own_key(path: str, key: str) -> None:
    """The key that fits the whole best is another for four of these."""
    score = ScoreTick.from_file(MIDIS / path)
    number = find_key(key)
    assert number is not None
    assert key_of_given(score, whole=True) == KEYS[number]
    signs = score.key_signatures
    assert key_of_given(score, whole=False) == KEYS[number], list(signs)


@pytest.mark.parametrize("name", ["pianoroll", "remi", "events"])
def test_a_key_that_is_given_for_the_end_decides_it(name: str) -> None:
    for key in ("F# major", "B minor"):
        piece = write(name, [], cadence=True, bars=4, seed=3, ends_in=key)
        bars, found = bars_of(name, piece), find_key(key)
        assert found is not None
        if not piece.notices:
            notes = bars.pitched.where(bars.pitched.start >= bars.lines[-2])
            assert bass_at(bars, int(notes.start.max())) % 12 == found % 12
    with pytest.raises(UnknownNameError, match="no key 'H'"):
        write(name, [], bars=4, ends_in="H")


@pytest.mark.parametrize("name", ["pianoroll", "remi", "events"])
def test_no_more_notes_sound_than_hands_play(name: str) -> None:
    """Networks with random weights strike everything at once."""
    bars = bars_of(name, write(name, [], bars=6, seed=1))
    start, end = np.sort(bars.pitched.start), np.sort(bars.pitched.end)
    together = np.searchsorted(start, start, "right") - np.searchsorted(end, start, "right")
    assert together.max() <= 10


@pytest.mark.parametrize("name", NAMES)
def test_the_last_bar_is_the_tonic_chord(name: str) -> None:
    for seed, key in enumerate(("C minor", "E major", "F minor")):
        piece = write(name, [["", "key", key]], cadence=True, bars=3, seed=seed)
        bars = bars_of(name, piece)
        begun = bars.pitched.pitch[bars.pitched.start >= bars.lines[-2]]
        found = find_key(key)
        assert found is not None
        assert {int(pitch) % 12 for pitch in begun} <= set(tonic_chord(found))


@pytest.mark.parametrize("name", ["remi", "remi with programs"])
def test_the_tempo_from_before_returns_after_chosen_bars(name: str) -> None:
    chosen = [["1-2", "tempo", "60"], ["5-6", "tempo", "200"]]
    for seed in range(3):
        bars = bars_of(name, write(name, chosen, bars=10, seed=seed))
        before, within, after = (
            tempo_at(bars.score, int(bars.lines[bar]) - early)
            for bar, early in ((4, 1), (4, 0), (6, 0))
        )
        assert after == before != within
