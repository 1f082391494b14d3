"""The built-in bar controls: what they measure, and what they allow."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from symusic.core import ScoreTick

from musictk.controls import Bars, Bounds, Control, Controls, bar_table, measure
from musictk.errors import MusictkError, UnknownNameError, UsageError
from musictk.generation.bar_plan import BarPlan, GivenFacts, plan_bars
from musictk.generation.chosen_controls import ChosenControl
from musictk.generation.request import PieceRequest
from musictk.plugin import registry
from musictk.testing import controls as laws
from musictk.tokens import Tokenizer
from musictk.tokens.shards import open_shard, write_shard
from musictk_events.tokenizer import Events, EventsConfig
from musictk_pianoroll.tokenizer import PianoRoll, PianoRollConfig
from musictk_remi.config import RemiConfig
from musictk_remi.tokenizer import Remi
from tests.installed import available, write_plugin

from .scores import pieces, score

NAMES = [offer.name for offer in registry().offers("control")]
TOKENIZERS: dict[str, Tokenizer] = {
    "remi": Remi(RemiConfig()),
    "events": Events(EventsConfig()),
    "pianoroll": PianoRoll(PianoRollConfig()),
}


def control(name: str) -> Control:
    made: Control = registry().load("control", name)()
    return made


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_the_laws(name: str, tokenizer: str) -> None:
    if control(name).applies(TOKENIZERS[tokenizer]):
        laws.check(control(name), TOKENIZERS[tokenizer], pieces()[:4])


class Plain(Control):
    """A control whose methods a test replaces."""

    name = "plain"
    values = ("low", "high")

    def measure(self, bars: Bars) -> Any:
        return np.ones((len(bars), 1), np.uint8)


BREACHES: list[tuple[dict[str, Any], str]] = [
    ({"measure": lambda self, bars: np.ones((len(bars) - 1, 1), np.uint8)}, "gives ids of "),
    ({"measure": lambda self, bars: np.ones(len(bars), np.uint8)}, "not (bars, parts)"),
    ({"measure": lambda self, bars: np.full((len(bars), 1), 3, np.uint8)}, "an id without a value"),
    ({"bounds": lambda self, ids: None}, "the bounds of 'low' are no Bounds"),
    ({"parse": lambda self, text: Control.parse(self, text).astype(int)}, "does not give bytes"),
    ({"planned": lambda self, bars, known: np.zeros((bars, 2), np.uint8)}, "planned(1, False): a"),
    ({"planned": lambda self, bars, known: np.zeros((4, 1), np.uint8)}, "planned(1, False) gives"),
    ({"complete": lambda self, ids, given: ids[given:]}, "complete gives ids of 1 bars"),
    ({"name": "two words"}, "the name 'two words' is not a word"),
    ({"values": ("low", "a=b")}, "the value 'a=b' has one of =:,|"),
    ({"values": ("low", " high")}, "the value ' high' has blanks around it"),
    ({"values": ("low", "")}, "a value is empty"),
    ({"values": None}, "the control lacks values"),
    ({"values": (1, 2)}, "the control has wrong values: 1 is not a string"),
    ({"applies": lambda self, tokenizer: tokenizer.missing}, "applies fails: AttributeError"),
    ({"applies": lambda self, tokenizer: None}, "gives None in applies, not True or False"),
    ({"measure": lambda self, bars: bars.missing}, "a law ends with AttributeError"),
    ({"features": lambda self: np.ones((5, 2))}, "has features of shape (5, 2) where (2, F)"),
    ({"features": lambda self: np.full((2, 1), np.nan)}, "features that are not all finite"),
    (
        {"bounds": lambda self, ids: Bounds._make([1, 2, None])},
        "has bounds of notes 1: not from low to high",
    ),
    ({"closing": lambda self, key: np.full(1, 3)}, "closed with the id 3 where it has 2 values"),
    ({"allowed_strictly": lambda self, *_: np.ones(3, bool)}, "allowed_strictly of 'low' has the"),
    ({"transpose": lambda self, ids, semitones: ids[1:]}, "transposed shape"),
]


@pytest.mark.parametrize(("changes", "message"), BREACHES)
def test_the_laws_name_what_is_wrong(changes: dict[str, Any], message: str) -> None:
    remi = TOKENIZERS["remi"]
    laws.check(Plain(), remi, pieces()[:1])
    with pytest.raises(AssertionError, match=re.escape(message)):
        laws.check(type("Odd", (Plain,), changes)(), remi, pieces()[:1])


@pytest.mark.parametrize(
    ("measured", "message"),
    [
        (lambda bars: np.ones(len(bars), np.uint8), "measured shape (4,) where (4, 1) is needed"),
        (lambda bars: np.ones((1, 1), np.uint8), "measured shape (1, 1) where (4, 1) is needed"),
        (lambda bars: np.full((len(bars), 1), 259), "measured the id 259 where it has 2 values"),
        (lambda bars: np.full((len(bars), 1), -1), "measured the id -1 where it has 2 values"),
        (lambda bars: np.ones((len(bars), 1)), "measured float64 where uint8 is needed"),
    ],
)
def test_what_a_control_measures_is_checked(measured: Any, message: str) -> None:
    odd = type("Odd", (Plain,), {"measure": lambda self, bars: measured(bars)})()
    layout = Controls.of([odd])
    controls = type("Own", (Controls,), {"made": (odd,)})(layout.names, layout.sizes)
    remi = TOKENIZERS["remi"]
    sequence = remi.encode(score(*chord(0, 60), *chord(12, 60, length=4)))
    with pytest.raises(MusictkError, match=re.escape(f"control 'plain' {message}")):
        measure(remi, sequence, controls)


def of(**changes: Any) -> Controls:
    """The layout of a control with other methods."""
    odd = type("Odd", (Plain,), changes)()
    layout = Controls.of([odd])
    return type("Own", (Controls,), {"made": (odd,)})(layout.names, layout.sizes)


@pytest.mark.parametrize(
    ("method", "given", "fault"),
    [
        ("parse", 1, "parsed 'low' as shape () where (1,) is needed"),
        ("parse", np.array([9], np.uint8), "parsed 'low' as the id 9 where it has 2 values"),
        ("parse", np.array([258]), "parsed 'low' as the id 258 where it has 2 values"),
        ("parse", [[1], [1, 2]], "parsed 'low' as [[1], [1, 2]] where an array is needed"),
        ("allowed", np.ones(3, bool), "allowed shape (3,) where (444,) is needed, (tokens,)"),
        ("allowed", np.ones(444), "allowed float64 where bool is needed"),
        ("bounds", (0, 1), "has bounds (0, 1), which are no Bounds"),
        ("bounds", Bounds(notes=(2, 1)), "has bounds of notes (2, 1): not from low to high"),
        (
            "bounds",
            Bounds(voices=(0, np.nan)),
            "has bounds of voices (0, nan): not from low to high",
        ),
        ("complete", None, "completed None where an array is needed"),
        ("complete", np.ones((9, 1), np.uint8), "completed shape (9, 1) where (2, 1) is needed"),
        ("planned", np.ones((4, 1), np.uint8), "planned shape (4, 1) where (2, 1) is needed"),
        ("planned", np.full((2, 1), 3), "planned the id 3 where it has 2 values"),
        ("roots", (60,), "has roots (60,), which are no tuple of pitch classes"),
        ("nearest", "middle", "has the nearest value 'middle', which tokenizer remi lacks"),
    ],
)
def test_what_a_control_returns_in_sampling_is_checked(method: str, given: Any, fault: str) -> None:
    controls = of(**{method: lambda self, *_: given})
    request = PieceRequest(form="A2", controls=(ChosenControl("", "plain", "low"),))
    none = np.zeros((0, 1), np.uint8)
    message = re.escape(f"control 'plain' {fault}") + ".*; check its plugin with musictk.testing"
    with pytest.raises(MusictkError, match=message):
        ask_all(plan_bars(controls, TOKENIZERS["remi"], request, GivenFacts(none, none)))


def ask_all(plan: BarPlan) -> None:
    """What is asked for of a plan when a bar is written."""
    plan.bounds(0)
    plan.roots(0)


@pytest.mark.parametrize(
    ("method", "given", "fault"),
    [
        ("features", np.ones((5, 2)), "has features of shape (5, 2) where (2, F) is needed"),
        ("features", None, "has features that are None where an array is needed"),
    ],
)
def test_the_features_of_a_control_are_checked(method: str, given: Any, fault: str) -> None:
    with pytest.raises(MusictkError, match=re.escape(f"control 'plain' {fault}")):
        assert len(of(**{method: lambda self: given}).features)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (None, "transposed None where an array is needed"),
        (np.ones((2, 1), np.uint8), "transposed shape (2, 1) where (3, 1) is needed"),
        (np.full((3, 1), 260), "transposed the id 260 where it has 2 values"),
        (np.full((3, 1), -1), "transposed the id -1 where it has 2 values"),
    ],
)
def test_transposed_ids_are_checked(given: Any, fault: str) -> None:
    controls = of(transpose=lambda self, ids, semitones: given)
    with pytest.raises(MusictkError, match=re.escape(f"control 'plain' {fault}")):
        controls.transpose(np.ones((3, 1), np.uint8), 2)


class Band(Plain):
    """Bands of pitch: which of them transposed music is in does not follow from its own."""

    name = "band"

    def measure(self, bars: Bars) -> Any:
        lowest = np.full(len(bars), 128)
        np.minimum.at(lowest, bars.bar_of(bars.pitched.start), bars.pitched.pitch)
        return np.where(lowest < 128, 1 + (lowest >= 50), 0).astype(np.uint8)[:, None]


class OpenBand(Band):
    """The same, with ids of transposed music that are not known."""

    def transpose(self, ids: Any, semitones: int) -> Any:
        return np.zeros_like(ids)


def test_transposed_ids_may_be_unknown() -> None:
    """But not wrong, and training gives none for them."""
    remi = TOKENIZERS["remi"]
    laws.check(OpenBand(), remi, pieces()[:4])
    with pytest.raises(AssertionError, match="the music has other facts than its own, transposed"):
        laws.check(Band(), remi, pieces()[:4])
    wrong = type("Odd", (OpenBand,), {"transpose": lambda self, ids, _: np.full_like(ids, 2)})
    with pytest.raises(AssertionError, match="the music has other facts than its own, transposed"):
        laws.check(wrong(), remi, pieces()[:4])
    ids = np.array([[1], [2], [0]], np.uint8)
    controls = of(transpose=OpenBand.transpose)
    assert controls.transpose(ids, 1).tolist() == [[0], [0], [0]]
    assert controls.transpose(ids, 0).tolist() == ids.tolist()
    assert not controls.features[controls.offsets].any(), "id 0 adds nothing to a condition"


def values(name: str, music: ScoreTick, bars: int) -> list[Any]:
    """The words of each bar; of one with several parts, a tuple."""
    made = control(name)
    rows = made.measure(Bars.of(music, bars)).tolist()
    words = [tuple(made.values[each - 1] if each else None for each in row) for row in rows]
    return [row[0] if made.parts == 1 else row for row in words]


def chord(at: float, *pitches: int, length: float = 2.0) -> list[tuple[float, float, int]]:
    return [(at, length, pitch) for pitch in pitches]


def test_chords_are_those_of_each_half_bar() -> None:
    music = score(
        *chord(0, 48, 64, 67, 72), *chord(2, 45, 60, 64, 69),  # C, Am
        *chord(4, 43, 59, 62, 65), *chord(6, 47, 62, 65, 71),  # G7, Bdim
        *chord(8, 48, 52, 56, 60), *chord(10, 60, 61, 62, 63),  # Caug, none
    )  # fmt: skip
    assert values("chord", music, 4) == [("C", "Am"), ("G7", "Bdim"), ("Caug", "N"), (None, None)]


def test_the_bass_decides_between_chords_of_the_same_notes() -> None:
    on_c = score(*chord(0, 36, 57, 60, 64, 67, length=4))  # C E G A
    on_a = score(*chord(0, 33, 57, 60, 64, 67, length=4))
    assert values("chord", on_c, 1) == [("C", "C")]
    assert values("chord", on_a, 1) == [("Am", "Am")]


def test_a_key_is_that_of_the_music_around_a_bar() -> None:
    scale = [60, 62, 64, 65, 67, 69, 71, 72]
    flat = [pitch + 3 for pitch in scale]
    music = score(
        *[(index / 2, 0.5, pitch) for index, pitch in enumerate(scale * 6)],
        *[(24 + index / 2, 0.5, pitch) for index, pitch in enumerate(flat * 6)],
    )
    found = values("key", music, 12)
    assert found[:4] == ["C major"] * 4
    assert found[-4:] == ["Eb major"] * 4


def test_density_counts_the_onsets_of_a_quarter_note() -> None:
    music = score(*[(index / 4, 0.25, 60) for index in range(16)], (4, 4, 60), (12, 1, 60))
    assert values("density", music, 4) == ["4", "0.5", "0", "0.5"]


def test_polyphony_is_the_mean_while_anything_sounds() -> None:
    music = score(*chord(0, 60, 64, 67, length=1), (4, 4, 60), (8, 8, 60), (10, 6, 64))
    assert values("polyphony", music, 5) == ["3", "1", "2", "2", None]


def test_the_range_is_that_of_four_bars_around() -> None:
    music = score(*[(4 * bar, 1, 60 + bar) for bar in range(12)])
    assert values("highest", music, 12)[:3] == ["E4", "F4", "F#4"]
    assert values("lowest", music, 12)[-3:] == ["F4", "F#4", "G4"]


def test_the_last_bar_is_the_last_with_a_note() -> None:
    music = score(*[(4 * bar, 1, 60) for bar in range(10)])
    words = ["first", *["opening"] * 3, "middle", "middle", *["closing"] * 3, "last", "last"]
    assert values("place", music, 11) == words


def test_metres_and_tempos_are_those_of_each_bar() -> None:
    music = score((0, 12, 60), metres=((0, 4, 4), (4, 3, 4), (7, 6, 8)))
    assert values("metre", music, 3) == ["4/4", "3/4", "6/8"]
    assert values("tempo", music, 1) == ["120"]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("key", "e minor", "E minor"),
        ("key", "Em", "E minor"),
        ("key", "D# major", "Eb major"),
        ("key", "Bb", "Bb major"),
        ("key", "E-flat major", "Eb major"),
        ("key", "F Sharp minor", "F# minor"),
        ("chord", "Am7", "Am"),
        ("chord", "Gb", "F#"),
        ("chord", "C/E", "C"),
        ("chord", "Fmaj7", "F"),
        ("density", "high", "6"),
        ("density", "2.7", "3"),
        ("lowest", "Cb4", "B3"),
        ("highest", "72", "C5"),
        ("tempo", "100", "101"),
    ],
)
def test_what_users_write(name: str, text: str, value: str) -> None:
    made = control(name)
    assert made.values[made.parse(text)[0] - 1] == value


@pytest.mark.parametrize(
    ("texts", "value"),
    [
        ("C Cmaj CM", "C"),
        ("Cmaj7 CM7 CΔ CΔ9 C6 C6/9 C5 Csus4 Cadd9 C(add9) Cmaj7#11 C/E", "C"),
        ("Cm Cmin C-", "Cm"),
        ("Cm7 C-7 Cmi7 Cm9 Cm(maj7) CmM7 Cm7/G", "Cm"),
        ("C7", "C7"),
        ("C9 C13 C7sus4 C7b9 C7(b9,#11) C7alt C7/E", "C7"),
        ("Cdim Co C°", "Cdim"),
        ("Cdim7 Cø Cm7b5 Cm7(♭5)", "Cdim"),
        ("Caug C+", "Caug"),
        ("C+7 C7#5", "Caug"),
        ("N NC N.C.", "N"),
    ],
)
def test_chord_symbols(texts: str, value: str) -> None:
    chord = control("chord")
    for text in texts.split():
        assert [chord.values[one - 1] for one in chord.parse(text)] == [value, value]
    simplified = {chord.simplified(text) for text in texts.split()}
    assert simplified in ({""}, {value})


@pytest.mark.parametrize(
    ("name", "text"),
    [("key", "H major"), ("chord", "H7"), ("chord", "C7th"), ("chord", "C D E")],
)
def test_what_has_no_value_names_those_there_are(name: str, text: str) -> None:
    with pytest.raises(UnknownNameError) as error:
        control(name).parse(text)
    assert name in str(error.value)


@pytest.mark.parametrize("text", ["1000", "29", "fast", "nan"])
def test_what_is_no_tempo_names_the_range(text: str) -> None:
    with pytest.raises(UsageError, match=f"tempo={text} is not a tempo; write 30 to 240"):
        control("tempo").parse(text)


def test_two_chords_are_those_of_the_halves() -> None:
    made = control("chord")
    assert [made.values[each - 1] for each in made.parse("C G")] == ["C", "G"]


def test_the_limits_allow_what_lies_within() -> None:
    roll, allowed = TOKENIZERS["pianoroll"], []
    for name, text in (("lowest", "C3"), ("highest", "C5")):
        mask = control(name).allowed(roll, control(name).parse(text))
        assert mask is not None
        allowed.append(mask)
    assert np.flatnonzero(allowed[0] & allowed[1]).tolist() == list(range(48, 73))


def test_ids_of_a_piece_have_a_row_for_each_bar() -> None:
    for tokenizer in TOKENIZERS.values():
        controls = Controls.available(tokenizer)
        sequence = tokenizer.encode(pieces()[0])
        facts = measure(tokenizer, sequence, controls)
        assert facts.ids.shape == (len(tokenizer.bar_starts(sequence)), controls.width)
        assert Controls.read(controls.plain()) == controls


def test_values_that_are_alike_share_features() -> None:
    def likeness(name: str, one: str, other: str) -> float:
        features = control(name).features()
        rows = [features[int(control(name).parse(value)[0]) - 1] for value in (one, other)]
        lengths = np.linalg.norm(rows[0]) * np.linalg.norm(rows[1])
        return float(rows[0] @ rows[1] / lengths)

    assert likeness("chord", "C", "Am") > likeness("chord", "C", "F#") > 0
    assert likeness("chord", "C", "N") == 0
    assert likeness("key", "C major", "G major") > likeness("key", "C major", "F# major")
    assert likeness("lowest", "C3", "C#3") > likeness("lowest", "C3", "E3") > 0
    assert likeness("tempo", "60", "64") > likeness("tempo", "60", "120") == 0


PLUGIN = """
import numpy as np

from musictk.controls import Control
from musictk.plugin import hookimpl


class Mine(Control):
    name = "mine"
    values = ("a", "b")
    help = "a or b"

    def measure(self, bars):
        return np.full((len(bars), 1), VALUE, np.uint8)


@hookimpl
def register_controls(register):
    register("mine", "plugin_mine:Mine", "a or b")
"""


def test_bars_are_measured_again_after_a_plugin_was_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_plugin(tmp_path, "mine", PLUGIN)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # an edit within the same second
    events = TOKENIZERS["events"]
    write_shard(tmp_path / "shard.safetensors", events, [(1, events.encode(pieces()[0]))])
    with available(tmp_path, "mine"):
        for value in (1, 2, 1):
            (tmp_path / "plugin_mine.py").write_text(PLUGIN.replace("VALUE", str(value)))
            sys.modules.pop("plugin_mine", None)
            registry.cache_clear()
            controls = Controls.available(events, ["mine"])
            table = bar_table(events, open_shard(tmp_path / "shard.safetensors"), controls)
            assert set(table.ids.ravel().tolist()) == {value}
