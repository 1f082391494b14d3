"""The built-in bar controls: what they measure, and what they allow."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from symusic.core import ScoreTick

from musictk.controls import Bars, Control, Controls, bar_table, measure
from musictk.errors import MusictkError, UnknownNameError, UsageError
from musictk.plugin import registry
from musictk.testing import controls as laws
from musictk.tokens import Tokenizer
from musictk.tokens.shards import open_shard, write_shard
from musictk_events.tokenizer import Events, EventsConfig
from musictk_pianoroll.tokenizer import PianoRoll, PianoRollConfig
from musictk_remi.config import RemiConfig
from musictk_remi.tokenizer import Remi

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
    ("name", "text"),
    [("key", "H major"), ("chord", "Csus4"), ("chord", "C D E")],
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
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[musictk]\nmine = plugin_mine\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # an edit within the same second
    events = TOKENIZERS["events"]
    write_shard(tmp_path / "shard.safetensors", events, [(1, events.encode(pieces()[0]))])
    try:
        for value in (1, 2, 1):
            (tmp_path / "plugin_mine.py").write_text(PLUGIN.replace("VALUE", str(value)))
            sys.modules.pop("plugin_mine", None)
            registry.cache_clear()
            controls = Controls.available(events, ["mine"])
            table = bar_table(events, open_shard(tmp_path / "shard.safetensors"), controls)
            assert set(table.ids.ravel().tolist()) == {value}
    finally:
        sys.modules.pop("plugin_mine", None)
        registry.cache_clear()
