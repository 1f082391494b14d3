"""A prompt is written unchanged, and new bars after it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mido
import pytest
from mido import MetaMessage
from symusic.core import ScoreTick

from musictk.errors import MusictkError, UsageError
from musictk.generation.chosen_controls import ChosenControl
from musictk.generation.control_text import parse_controls
from musictk.generation.request import PieceRequest
from musictk.jobs.sample import repeat_sample
from musictk.jobs.samples import SampleBatch
from musictk.music import bars, notes, tempo_at
from musictk.reading import Limits, read_midi
from musictk.rendering import midi, smf

from .conftest import BACH, Studio
from .given_music import QUARTER, add, band, note, two_hands

TOKENIZERS = ("remi", "events", "pianoroll")


class Ear:
    """Keeps the notices before composing."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.composed = False

    def composing(self, done: int, of: int, section: str, positions: int) -> None:
        self.composed = True

    def notice(self, text: str) -> None:
        assert not self.composed
        self.said.append(text)


def assert_verbatim(given: Path, written: Path) -> None:
    """Each track's events are the first of the written track, and the header is the same.

    Read by an independent reader, which keeps every message.
    """
    before, after = mido.MidiFile(given), mido.MidiFile(written)
    assert (before.type, before.ticks_per_beat) == (after.type, after.ticks_per_beat)
    assert len(before.tracks) == len(after.tracks)
    for track, longer in zip(before.tracks, after.tracks, strict=True):
        events = [message for message in track if message.type != "end_of_track"]
        assert longer[: len(events)] == events


def new_notes(written: Path, start: int) -> list[tuple[int, int]]:
    found = notes(ScoreTick(written))
    return [(t, p) for t, p in zip(found.start, found.pitch, strict=True) if t >= start]


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize(
    ("metre", "pickup"), [((4, 4), 0), ((3, 4), 0), ((7, 8), 0), ((4, 4), 0.5), ((3, 4), 1)]
)
def test_the_given_part_is_kept(
    studio: Studio, tmp_path: Path, name: str, metre: tuple[int, int], pickup: float
) -> None:
    given = two_hands(tmp_path / "mine.mid", metre, pickup=pickup)
    ear = Ear()
    out, batch = studio.sample(name, ear, prompt=given, bars=2)
    assert_verbatim(given, out)
    score, written = ScoreTick(given), ScoreTick(out)
    start = int(bars(score)[-1])
    assert start == round((pickup + 4 * 4 * metre[0] / metre[1]) * QUARTER)
    added = [event for track in smf.read(out.read_bytes()).tracks for event in track]
    given_count = sum(len(track) for track in smf.read(given.read_bytes()).tracks)
    assert sum(tick < start for tick, _ in added) == given_count, "no event inside the given bars"
    assert len(new_notes(out, start)) > 0
    assert [tempo.mspq for tempo in written.tempos] == [tempo.mspq for tempo in score.tempos]
    assert [(s.label, s.start) for s in midi.sections(written)][-1] == ("A", start)
    assert any("pedal" in said and "key sign" in said and "lyrics" in said for said in ear.said)
    assert batch.notices == ()


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("metre", [(4, 4), (3, 4)])
def test_new_bars_have_the_metre_and_number_asked_for(
    studio: Studio, tmp_path: Path, name: str, metre: tuple[int, int]
) -> None:
    given = two_hands(tmp_path / "mine.mid", metre)
    out, _ = studio.sample(name, prompt=given, bars=3)
    file = smf.read(out.read_bytes())
    bar = 4 * QUARTER * metre[0] // metre[1]
    metres = ScoreTick(out).time_signatures
    assert len(metres) == 1
    assert file.ends[0] == (4 + 3) * bar


def slowing(path: Path, *tempos: tuple[float, float]) -> Path:
    """Four bars of 4/4 in C, with a tempo in bpm at each quarter note that is given."""
    file = mido.MidiFile(type=1, ticks_per_beat=QUARTER)
    head, track = file.add_track(), file.add_track("piano")
    add(head, *((at, MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm))) for at, bpm in tempos))
    add(track, *(event for at in range(16) for event in note(at, 1, (60, 64, 67, 72)[at % 4])))
    file.save(path)
    return path


@pytest.mark.parametrize("option", ["prompt", "theme", "new_only"])
@pytest.mark.parametrize(
    ("tempos", "expected"),
    [
        ([(0, 140), (14, 90), (15, 40)], 140),  # a ritardando
        ([(0, 140), (8, 60)], 60),  # another tempo, for two bars
        ([(0, 140), (15, 40), (16, 100)], 100),  # one that begins with the new bars
        ([(0, 140)], 140),
        ([], 120),
    ],
)
def test_new_bars_do_not_go_on_in_a_ritardando(
    studio: Studio, tmp_path: Path, option: str, tempos: list[tuple[float, float]], expected: float
) -> None:
    given, start = slowing(tmp_path / "mine.mid", *tempos), 16 * QUARTER
    asked: dict[str, Any] = {"prompt": given, "bars": 2}
    if option == "theme":
        asked = {"theme": given, "form": "ABA"}
    elif option == "new_only":
        asked, start = {**asked, "new_only": True}, 0
    out, batch = studio.sample("remi", **asked)
    written = ScoreTick(out)
    assert tempo_at(written, start) == mido.bpm2tempo(expected)
    assert batch.made[0].composition.request.ends_in == "C major"
    if option == "prompt":  # a theme has a marker at its beginning
        assert_verbatim(given, out)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_hands_keep_their_tracks(studio: Studio, tmp_path: Path, name: str) -> None:
    given = two_hands(tmp_path / "mine.mid")
    out, _ = studio.sample(name, prompt=given, bars=4)
    start = int(bars(ScoreTick(given))[-1])
    file = smf.read(out.read_bytes())
    hands = [
        [message[1] for tick, message in track if tick >= start and message[0] == 0x90]
        for track in file.tracks
    ]
    assert hands[0] == []
    assert hands[1]
    assert hands[2], "both hands play"
    assert min(hands[1]) >= max(hands[2])
    released = [m for tick, m in file.tracks[1] if tick == start and m[:2] == bytes((0xB0, 64))]
    assert released == [bytes((0xB0, 64, 0))], "a pedal that was down goes up"
    assert (start, bytes((0xE0, 0, 64))) in file.tracks[1], "a bend goes back"


@pytest.mark.parametrize("name", ["remi", "programs"])
def test_a_band_keeps_its_instruments(studio: Studio, tmp_path: Path, name: str) -> None:
    given = band(tmp_path / "mine.mid")
    ear = Ear()
    out, _ = studio.sample(name, ear, prompt=given, bars=2)
    file, start = mido.MidiFile(out), 8 * QUARTER
    assert file.type == 0
    assert len(file.tracks) == 1
    messages, tick = [], 0
    for message in file.tracks[0]:
        tick += message.time
        messages.append((tick, message))
    given_messages = [m for m in mido.MidiFile(given).tracks[0] if m.type != "end_of_track"]
    assert [m for _, m in messages][: len(given_messages)] == given_messages
    new = [m for at, m in messages if at >= start and m.type == "note_on"]
    assert new
    if name == "remi":  # it knows one instrument: its notes go to the nearest part
        assert {m.channel for m in new} <= {2, 5}
        assert any("drums (8 notes)" in said and "instruments" in said for said in ear.said)
    known: dict[int, int] = {}
    for _, message in messages:
        if message.type == "program_change":
            assert known.setdefault(message.channel, message.program) == message.program


@pytest.mark.parametrize("name", TOKENIZERS)
def test_new_bars_alone(studio: Studio, tmp_path: Path, name: str) -> None:
    given = two_hands(tmp_path / "mine.mid", (4, 4), pickup=0.5)
    whole, _ = studio.sample(name, prompt=given, bars=2)
    start = int(bars(ScoreTick(given))[-1])
    expected = [((t - start) * 480 // QUARTER, p) for t, p in new_notes(whole, start)]
    out, _ = studio.sample(name, prompt=given, bars=2, new_only=True)
    written = ScoreTick(out)
    assert written.ticks_per_quarter == 480
    assert sorted(new_notes(out, 0)) == sorted(expected)
    assert [(t.time, t.mspq) for t in written.tempos] == [(0, 500_000)]
    assert [(s.time, s.numerator, s.denominator) for s in written.time_signatures] == [(0, 4, 4)]
    assert [(k.time, k.key, k.tonality) for k in written.key_signatures] == [(0, -6, 1)]
    assert [(s.label, s.start) for s in midi.sections(written)] == [("A", 0)]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_theme_is_the_first_section(studio: Studio, name: str) -> None:
    given = BACH / "petzold_menuet_anh114.mid"
    options = {"variation": 0.0}
    out, batch = studio.sample(name, theme=given, form="ABA", bars=4, options=options)
    score, written = ScoreTick(given), ScoreTick(out)
    start = int(bars(score)[-1])
    first, second, third = midi.sections(written)[:3]
    assert (first.label, second.label, third.label) == ("A", "B", "A")
    assert (first.start, first.end) == (0, start)
    before, after = (smf.read(path.read_bytes()) for path in (given, out))
    for track, longer in zip(before.tracks, after.tracks, strict=True):
        same = [event for event in longer if event in set(track)]
        assert same[: len(track)] == list(track)
    theme = [pitch for t, pitch in new_notes(given, 0)]
    back = [pitch for t, pitch in new_notes(out, third.start)]
    assert len(back) == pytest.approx(len(theme), abs=3)
    composed = batch.made[0].composition
    assert composed.written == composed.positions  # without the theme


def test_a_theme_is_not_called_a_prompt(studio: Studio) -> None:
    ear = Ear()
    asked = {"form": "AB", "bars": 1, "options": {"memory": 64, "metre": "3/8"}}
    studio.sample("remi", ear, theme=BACH / "invention_08_f_major.mid", **asked)
    assert "the theme is in 3/4, the new bars are in 3/8" in ear.said
    assert not any("prompt" in said for said in ear.said)


def stored(batch: SampleBatch) -> int:
    """The id of the first piece in the catalog."""
    number = batch.made[0].id
    assert number is not None
    return number


def test_a_sample_with_a_prompt_is_repeated(studio: Studio, tmp_path: Path) -> None:
    given = two_hands(tmp_path / "mine.mid")
    for asked in ({"prompt": given}, {"prompt": given, "new_only": True}):
        out, batch = studio.sample("remi", bars=2, **asked)
        first = out.read_bytes()
        given_copy = given.read_bytes()
        given.unlink()  # the workspace has a copy
        repeat_sample(studio.catalog, studio.workspace, stored(batch), tmp_path / "again.mid")
        given.write_bytes(given_copy)
        assert (tmp_path / "again.mid").read_bytes() == first
    out, batch = studio.sample("remi", theme=given, form="ABA", bars=2)
    repeat_sample(studio.catalog, studio.workspace, stored(batch), tmp_path / "again.mid")
    assert (tmp_path / "again.mid").read_bytes() == out.read_bytes()


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_a_changed_prompt_is_refused(studio: Studio, tmp_path: Path, harm: str) -> None:
    given = two_hands(tmp_path / f"{harm}.mid", bars=5 + len(harm))
    _, batch = studio.sample("remi", prompt=given, bars=1)
    kept = studio.catalog.sample(stored(batch)).request["given"]
    copy = studio.workspace.resolve(kept["path"])
    copy.write_bytes(b"MThd") if harm == "changed" else copy.unlink()
    with pytest.raises(MusictkError, match=copy.name):
        repeat_sample(studio.catalog, studio.workspace, stored(batch), tmp_path / "again.mid")


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_end_of_a_long_prompt_begins_at_a_bar_line(studio: Studio, name: str) -> None:
    given = BACH / "petzold_menuet_anh114.mid"
    ear = Ear()
    out, batch = studio.sample(name, ear, prompt=given, bars=1, options={"prompt_tokens": 90})
    assert_verbatim(given, out)
    used = batch.made[0].composition.request.prompt
    assert 0 < len(used) <= 90
    assert any(f"the last {len(used)} of" in said for said in ear.said)
    whole = studio.sample(name, prompt=given, bars=1)[1].made[0].composition.request.prompt
    assert whole[-len(used) :] == used
    few = studio.sample(name, prompt=given, bars=1, options={"prompt_tokens": 3})
    assert_verbatim(given, few[0])


def test_a_metre_is_chosen(studio: Studio, tmp_path: Path) -> None:
    out, _ = studio.sample("remi", bars=3, options={"metre": "3/4"})
    found = ScoreTick(out).time_signatures
    assert [(sign.time, sign.numerator, sign.denominator) for sign in found] == [(0, 3, 4)]
    ear = Ear()
    given = two_hands(tmp_path / "mine.mid")
    out, _ = studio.sample("remi", ear, prompt=given, bars=3, options={"metre": "3/4"})
    assert_verbatim(given, out)
    found = ScoreTick(out).time_signatures
    assert [(sign.time, sign.numerator) for sign in found] == [(0, 4), (16 * QUARTER, 3)]
    assert "the prompt is in 4/4, the new bars are in 3/4" in ear.said


@pytest.mark.parametrize("new_only", [False, True])
@pytest.mark.parametrize("name", ["remi", "events"])
def test_a_metre_of_the_same_length_is_written(
    studio: Studio, tmp_path: Path, name: str, new_only: bool
) -> None:
    given = two_hands(tmp_path / "mine.mid", (6, 8))
    asked: dict[str, Any] = {"bars": 2, "new_only": new_only, "options": {"metre": "3/4"}}
    found = ScoreTick(studio.sample(name, prompt=given, **asked)[0]).time_signatures
    signs = [(sign.time, sign.numerator, sign.denominator) for sign in found]
    assert signs == ([(0, 3, 4)] if new_only else [(0, 6, 8), (12 * QUARTER, 3, 4)])


def test_a_metre_that_the_model_spells_otherwise_is_kept(studio: Studio, tmp_path: Path) -> None:
    given = two_hands(tmp_path / "mine.mid", (12, 16))
    found = ScoreTick(studio.sample("remi", prompt=given, bars=2)[0]).time_signatures
    assert [(sign.numerator, sign.denominator) for sign in found] == [(12, 16)]


@pytest.mark.parametrize("name", ["remi", "events"])
def test_a_metre_that_the_model_lacks_is_noticed(studio: Studio, tmp_path: Path, name: str) -> None:
    odd, ear = two_hands(tmp_path / "mine.mid", (7, 4)), Ear()
    studio.sample(name, ear, prompt=odd, bars=2)
    assert "the prompt is in 7/4, the new bars are in 3/4" in ear.said
    known, quiet = two_hands(tmp_path / "other.mid", (10, 8)), Ear()  # as long as 5/4
    studio.sample(name, quiet, prompt=known, bars=2)
    assert not any("the new bars are in" in text for text in quiet.said)


def rhythm_part(path: Path, channel: int, system: str, played: bool = True) -> Path:
    """Four bars of a piano, and of drums on another channel than 10, as GS and XG files say."""
    file = mido.MidiFile(type=1, ticks_per_beat=QUARTER)
    head, piano, kit = (file.add_track() for _ in range(3))
    gs, xg = [0x41, 16, 0x42, 18, 0x40], [0x43, 16, 0x4C]
    block = channel + (channel < 9)  # as GS counts parts: the tenth is block 0
    messages = {
        "GS": [[*gs, 0, 0x7F, 0, 0x41], [*gs, 16 | block, 0x15, 2, 0]],
        "XG": [[*xg, 0, 0, 126, 0], [*xg, 8, channel, 7, 2]],
    }
    add(head, *((0, mido.Message("sysex", data=each)) for each in messages[system]))
    add(piano, *(event for beat in range(16) for event in note(beat, 1, 72 + beat % 5)))
    if played:
        add(kit, *(event for beat in range(16) for event in note(beat, 1, 38 + beat % 5, channel)))
    file.save(path)
    return path


@pytest.mark.parametrize("system", ["GS", "XG"])
def test_a_rhythm_part_on_another_channel_gets_no_other_notes(
    studio: Studio, tmp_path: Path, system: str
) -> None:
    given = rhythm_part(tmp_path / "mine.mid", 10 if system == "GS" else 3, system)
    kinds, uses = [], list[dict[str, Any]]()
    uses += [{"prompt": given}, {"infill": given}, {"accompany": given, "track": "1"}]
    for asked in uses:
        out, _ = studio.sample("remi", **{"bars": 3, **asked})
        score = read_midi(out.read_bytes(), Limits()).score
        kinds.append([track.is_drum for track in score.tracks])
        assert sum(len(track.notes) for track in score.tracks if track.is_drum) == 16
    assert kinds == [[False, True], [False, True], [False, True, False]]
    silent = rhythm_part(tmp_path / "silent.mid", 1, system, played=False)
    out, _ = studio.sample("remi", accompany=silent, bars=2)
    added = read_midi(out.read_bytes(), Limits()).score.tracks[-1]
    assert len(added.notes)
    assert not added.is_drum


def test_bars_in_errors_are_counted_as_the_user_does(studio: Studio, tmp_path: Path) -> None:
    """New bars from 1 after a prompt, and all bars where a theme is the first section."""
    given = two_hands(tmp_path / "mine.mid")  # four bars
    with pytest.raises(UsageError, match="there is no bar 9; the new bars are 1 to 3"):
        studio.sample("remi", prompt=given, bars=3, controls=parse_controls("9: density=high"))
    none = parse_controls("6: lowest=126, highest=127")
    with pytest.raises(UsageError, match="the controls of bar 6 leave no pitch"):
        studio.sample("remi", prompt=given, bars=6, controls=none)
    with pytest.raises(UsageError, match="the controls of bar 6 leave no pitch"):
        studio.sample("remi", theme=given, form="ABA", bars=4, controls=none)


@pytest.mark.parametrize("name", ["remi", "events", "pianoroll"])
def test_a_theme_that_changes_its_metre_returns(studio: Studio, tmp_path: Path, name: str) -> None:
    file = mido.MidiFile(type=1, ticks_per_beat=QUARTER)
    head, tune = file.add_track(), file.add_track()
    metres = [(0, 4), (4, 3), (7, 4)]
    add(head, *((at, mido.MetaMessage("time_signature", numerator=n)) for at, n in metres))
    add(tune, *(event for beat in range(11) for event in note(beat, 1, 60 + beat)))
    file.save(tmp_path / "theme.mid")
    ear = Ear()
    asked = {"theme": tmp_path / "theme.mid", "form": "AA", "options": {"variation": 0.0}}
    out, _ = studio.sample(name, ear, **asked)
    score = ScoreTick(out)
    pitches = [each.pitch for each in sorted(score.tracks[0].notes, key=lambda each: each.time)]
    assert pitches == [60 + beat for beat in range(11)] * 2
    if name != "pianoroll":  # it has no metres
        assert [sign.numerator for sign in score.time_signatures][-3:] == [4, 3, 4]
        assert any("the theme changes its metre" in text for text in ear.said)
        ear = Ear()
        studio.sample(name, ear, **{**asked, "options": {"variation": 0.0, "metre": "4/4"}})
        assert not any("the theme changes" in text for text in ear.said)


def test_a_tempo_is_chosen(studio: Studio, tmp_path: Path) -> None:
    given = two_hands(tmp_path / "mine.mid")
    before = [(tempo.time, tempo.mspq) for tempo in ScoreTick(given).tempos]
    join = 16 * QUARTER
    tempos = (ChosenControl("A", "tempo", "60"), ChosenControl("B", "tempo", "120"))
    asked = {"form": "AB", "bars": 2, "controls": tempos}
    out, _ = studio.sample("remi", prompt=given, **asked)
    assert_verbatim(given, out)
    found = [(tempo.time, round(tempo.qpm)) for tempo in ScoreTick(out).tempos][len(before) :]
    assert found == [(join, 60), (join + 8 * QUARTER, 120)]
    out, _ = studio.sample("remi", prompt=given, new_only=True, **asked)
    quarter = ScoreTick(out).ticks_per_quarter
    found = [(tempo.time, round(tempo.qpm)) for tempo in ScoreTick(out).tempos]
    assert found == [(0, 60), (8 * quarter, 120)]
    out, _ = studio.sample("remi", prompt=given, bars=2)
    assert [(tempo.time, tempo.mspq) for tempo in ScoreTick(out).tempos] == before


def test_a_note_that_never_ends_does_not_sound_on(studio: Studio, tmp_path: Path) -> None:
    given = two_hands(tmp_path / "mine.mid")
    file = mido.MidiFile(given)
    file.tracks[2][-2] = mido.Message("note_on", note=30, velocity=70, time=QUARTER)
    file.save(given)
    out, _ = studio.sample("remi", prompt=given, bars=2)
    assert_verbatim(given, out)
    start = int(bars(ScoreTick(given))[-1])
    held = [note for track in ScoreTick(out).tracks for note in track.notes if note.pitch == 30]
    assert held[0].end <= start


def test_a_prompt_beyond_the_context_is_noticed(studio: Studio) -> None:
    ear = Ear()
    given = BACH / "invention_08_f_major.mid"
    out, batch = studio.sample("remi", ear, prompt=given, bars=1, options={"memory": 64})
    assert_verbatim(given, out)
    assert any("the model's context 64:" in said for said in ear.said)
    assert len(batch.made[0].composition.request.prompt) > 64


@pytest.mark.parametrize(
    ("name", "asked", "says"),
    [
        ("pianoroll", {"options": {"metre": "3/4"}}, "pianoroll encodes no metre"),
        ("remi", {"options": {"metre": "17/32"}}, "choose from: .*3/4"),
        ("remi", {"options": {"metre": "waltz"}}, "steady, free or a metre"),
        ("remi", {"new_only": True}, "add --prompt"),
        ("remi", {"theme": BACH / "musette_anh126.mid"}, "add --form ABA"),
        ("remi", {"theme": BACH / "musette_anh126.mid", "form": "BAB"}, "begin the form with A"),
        ("remi", {"theme": BACH / "musette_anh126.mid", "form": "A"}, "only the theme"),
        ("remi", {"theme": BACH / "musette_anh126.mid", "form": "A3BA"}, "without a number"),
        (
            "remi",
            {"theme": BACH / "musette_anh126.mid", "prompt": BACH / "musette_anh126.mid"},
            "cannot be combined with",
        ),
    ],
)
def test_conflicting_options_are_refused(
    studio: Studio, name: str, asked: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        studio.sample(name, **asked)


def test_rows_of_older_versions_are_read() -> None:
    row = {"bars": 2, "prompt": [4, 5, 6], "sampling": {"prompt_tokens": 3, "metre": "free"}}
    request = PieceRequest.read(json.loads(json.dumps(row)))
    assert request.used_prompt == (4, 5, 6)
    assert not request.whole
