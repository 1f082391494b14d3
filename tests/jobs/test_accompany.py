"""A part is added to the user's file, and everything else in it stays."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import mido
import pytest
from symusic.core import ScoreTick

from musictk.errors import MusictkError, UsageError
from musictk.generation.chosen_controls import ChosenControl
from musictk.instruments import pitch_range
from musictk.jobs.bundles import ModelSource
from musictk.jobs.sample import repeat_sample, sample
from musictk.jobs.samples import SampleFile, SampleRequest
from musictk.model.manifest import Manifest
from musictk.rendering import smf

from .conftest import BACH, Notices, Studio
from .given_music import QUARTER, Events, add, band, changing_guitar, note, two_hands

MENUET = BACH / "petzold_menuet_anh114.mid"
TOKENIZERS = ("remi", "events", "pianoroll", "programs")

TWO_VOICES = (ChosenControl("", "polyphony", "2"),)  # no note is left out


def added(given: Path, written: Path) -> list[tuple[smf.Event, ...]]:
    """The tracks after those of the given file, whose events are all in the written one."""
    before, after = smf.read(given.read_bytes()), smf.read(written.read_bytes())
    assert after.tracks[: len(before.tracks)] == before.tracks
    assert after.ends[: len(before.ends)] == before.ends
    assert after.division == before.division
    return list(after.tracks[len(before.tracks) :])


def channels(track: tuple[smf.Event, ...]) -> set[int]:
    return {message[0] & 15 for _, message in track if message[0] < 0xF0}


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize(("metre", "pickup"), [((4, 4), 0), ((3, 4), 0), ((3, 4), 1)])
def test_the_given_events_stay_and_a_part_is_added(
    studio: Studio, tmp_path: Path, name: str, metre: tuple[int, int], pickup: float
) -> None:
    given = two_hands(tmp_path / "mine.mid", metre, pickup=pickup)
    out, _ = studio.sample(name, accompany=given, track="right hand", program="Acoustic Bass")
    (track,) = added(given, out)
    assert [message for _, message in track[:2]] == [
        smf.text_event(3, "Acoustic Bass"),
        bytes((0xC0 | channel(track), 32)),
    ]
    assert channels(track).isdisjoint({0})
    assert any(message[0] >> 4 == 9 for _, message in track)
    end = (pickup + 4 * 4 * metre[0] / metre[1]) * QUARTER
    assert max(tick for tick, message in track if message[0] >> 4 == 9) < end
    assert mido.MidiFile(out).type == 1


def channel(track: tuple[smf.Event, ...]) -> int:
    (found,) = channels(track)
    return found


def test_controls_that_leave_nothing_name_the_bar_of_the_file(
    studio: Studio, tmp_path: Path
) -> None:
    given = two_hands(tmp_path / "mine.mid", (3, 4))  # the bars of the model are longer
    limits = tuple(ChosenControl("4", *each) for each in (("lowest", "C6"), ("highest", "C2")))
    with pytest.raises(UsageError, match="the controls of bar 4 leave no pitch to write"):
        studio.sample("pianoroll", accompany=given, track="right hand", controls=limits)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_it_is_repeated_bit_for_bit(studio: Studio, tmp_path: Path, name: str) -> None:
    given = two_hands(tmp_path / "mine.mid")
    _, batch = studio.sample(name, accompany=given, bars=2, count=2, program="violin")
    assert len(batch.made) == 2
    given.unlink()  # what is needed is kept in the workspace
    for made in batch.made:
        assert made.id is not None
        again = tmp_path / "again.mid"
        repeat_sample(studio.catalog, studio.workspace, made.id, again)
        assert again.read_bytes() == made.path.read_bytes()


def test_a_file_of_one_track_gets_another(studio: Studio, tmp_path: Path) -> None:
    given = band(tmp_path / "band.mid")
    with pytest.raises(UsageError, match="this model writes no drums"):
        studio.sample("events", accompany=given, track="2", program="drums")
    out, _ = studio.sample("programs", accompany=given, track="2", program="drums")
    (track,) = added(given, out)
    assert channels(track) == {9}
    assert not any(message[0] >> 4 == 0xC for _, message in track)  # the kit stays
    out, _ = studio.sample("events", accompany=given)
    (track,) = added(given, out)
    assert channels(track) == {0}


@pytest.mark.parametrize("name", ["remi", "events", "pianoroll", "programs"])
def test_a_part_stays_in_the_range_of_its_instrument(
    studio: Studio, tmp_path: Path, name: str
) -> None:
    given = band(tmp_path / "band.mid")
    for program, number in (("Acoustic Bass", 32), ("Flute", 73)):
        if name == "programs" and number == 73:
            continue  # it was trained without flutes
        low, high = pitch_range(number) or (0, 0)
        out, _ = studio.sample(name, accompany=given, track="2", program=program)
        pitches = [each[1] for _, each in added(given, out)[0] if each[0] >> 4 == 9 and each[2]]
        assert pitches
        assert low <= min(pitches) <= max(pitches) <= high
    own = (ChosenControl("", "lowest", "C5"),)
    out, _ = studio.sample("remi", accompany=given, track="2", program="tuba", controls=own)
    assert max(each[1] for _, each in added(given, out)[0] if each[0] >> 4 == 9) >= 72


@pytest.mark.parametrize(
    "asked",
    [
        {"controls": (ChosenControl("", "tempo", "90"),)},
        {"controls": (ChosenControl("2", "metre", "3/4"),)},
        {"options": {"metre": "3/4"}},
    ],
)
def test_the_file_has_the_metres_and_the_tempos(
    studio: Studio, tmp_path: Path, asked: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match="does not apply to --accompany"):
        studio.sample("remi", accompany=band(tmp_path / "band.mid"), **asked)


def test_without_a_free_channel_the_nearest_instrument_plays(
    studio: Studio, tmp_path: Path
) -> None:
    file = mido.MidiFile(type=1)
    for number in range(16):
        pitch = 0 if number == 5 else 60  # a pitch that no model writes
        track = file.add_track()
        track.append(mido.Message("program_change", channel=number, program=number * 8))
        track.append(mido.Message("note_on", channel=number, note=pitch, velocity=80))
        track.append(mido.Message("note_off", channel=number, note=pitch, time=1920))
    file.save(tmp_path / "full.mid")
    out, batch = studio.sample(
        "remi",
        accompany=tmp_path / "full.mid",
        track="1",
        program="Contrabass",
        controls=TWO_VOICES,
    )
    (track,) = added(tmp_path / "full.mid", out)
    assert channels(track) == {5}
    assert batch.notices == ("all channels are used: Contrabass is played as Violin",)


def test_no_note_meets_one_of_the_shared_channel(studio: Studio, tmp_path: Path) -> None:
    file, held = mido.MidiFile(type=1, ticks_per_beat=QUARTER), range(30, 100)
    for number in range(16):
        track = file.add_track()
        track.append(mido.Message("program_change", channel=number, program=number * 8))
        for bar in range(2):
            pitches = held if number == 5 else (60,)
            for kind, time in (("note_on", QUARTER * bar), ("note_off", 2 * QUARTER)):
                for index, pitch in enumerate(pitches):
                    delta = 0 if index else time
                    track.append(mido.Message(kind, channel=number, note=pitch, time=delta))
    file.save(tmp_path / "full.mid")
    asked: dict[str, Any] = {"accompany": tmp_path / "full.mid", "track": "1", "program": "Violin"}
    out, batch = studio.sample("remi", **asked, seed=5, controls=TWO_VOICES)
    (track,) = added(tmp_path / "full.mid", out)
    sounding = [(0, 2 * QUARTER), (3 * QUARTER, 5 * QUARTER)]
    ticks = [tick for tick, message in track if message[0] >> 4 in (8, 9)]
    assert channels(track) == {5}
    assert ticks
    assert not any(start <= tick < end for start, end in sounding for tick in ticks)
    (text,) = batch.notices  # the instrument is the same
    assert re.fullmatch(
        r"remi.mid: without \d+ notes? that another track of the same channel plays, too", text
    )


def test_a_channel_without_notes_is_free(studio: Studio, tmp_path: Path) -> None:
    file = mido.MidiFile(type=1)
    for number in range(16):
        track = file.add_track()
        track.append(mido.Message("control_change", channel=number, control=7, value=90))
        if number == 3:
            track.append(mido.Message("note_on", channel=number, note=60, velocity=80))
            track.append(mido.Message("note_off", channel=number, note=60, time=1920))
    file.save(tmp_path / "faders.mid")
    out, batch = studio.sample(
        "remi", accompany=tmp_path / "faders.mid", program="Contrabass", controls=TWO_VOICES
    )
    (track,) = added(tmp_path / "faders.mid", out)
    assert channels(track) == {0}
    assert [message[1] for _, message in track if message[0] >> 4 == 0xC] == [43]
    assert not batch.notices


def test_bars_limit_what_is_written(studio: Studio, tmp_path: Path) -> None:
    given = two_hands(tmp_path / "mine.mid")
    out, _ = studio.sample("remi", accompany=given, bars=1, program="cello")
    (track,) = added(given, out)
    assert max(tick for tick, message in track if message[0] >> 4 == 9) < 4 * QUARTER


@pytest.mark.parametrize(
    ("name", "metre"),
    [("remi", (7, 4)), ("events", (11, 8)), ("pianoroll", (7, 4)), ("pianoroll", (3, 4))],
)
def test_bars_are_those_of_the_file(
    studio: Studio, tmp_path: Path, name: str, metre: tuple[int, int]
) -> None:
    """The model has none of these metres."""
    given, bar = two_hands(tmp_path / "mine.mid", metre), 4 * QUARTER * metre[0] // metre[1]
    asked = {"accompany": given, "program": "organ", "controls": TWO_VOICES}
    out, batch = studio.sample(name, bars=3, **asked)
    (track,) = added(given, out)
    begun = [tick for tick, message in track if message[0] >> 4 == 9]
    assert 2 * bar <= max(begun) < 3 * bar
    number = batch.made[0].id
    assert number is not None
    repeat_sample(studio.catalog, studio.workspace, number, tmp_path / "again.mid")
    assert (tmp_path / "again.mid").read_bytes() == out.read_bytes()
    with pytest.raises(UsageError, match="the given part has 4 bars, not 5"):
        studio.sample(name, bars=5, **asked)
    beyond = (ChosenControl("5", "highest", "C4"),)
    with pytest.raises(UsageError, match="there is no bar 5; the piece has bars 1 to 4"):
        studio.sample(name, accompany=given, program="organ", controls=beyond)


@pytest.mark.parametrize("name", ["remi", "events"])
def test_controls_are_for_bars_of_the_file(studio: Studio, tmp_path: Path, name: str) -> None:
    given = two_hands(tmp_path / "mine.mid", (7, 4))
    low, high = ChosenControl("1", "highest", "C3"), ChosenControl("2", "lowest", "C6")
    others = ChosenControl("3-4", "highest", "C3 | C4"), ChosenControl("3-4", "lowest", "C2 | C4")
    out, _ = studio.sample(name, accompany=given, program="organ", controls=(low, high, *others))
    (track,) = added(given, out)
    pitches: dict[int, set[int]] = {0: set(), 1: set(), 2: set(), 3: set()}
    for tick, message in track:
        if message[0] >> 4 == 9:
            pitches[tick // (7 * QUARTER)].add(message[1])
    assert max(pitches[0]) <= 48
    assert min(pitches[1]) >= 84
    assert pitches[2] <= set(range(36, 49))
    assert pitches[3] <= {60}


@pytest.mark.parametrize(
    ("asked", "message", "hint"),
    [
        ({"track": "viola"}, "no track 'viola'", "1 'right hand', 2 'left hand'"),
        ({"track": "3"}, "no track '3'", "1 'right hand', 2 'left hand'"),
        ({"program": "Acustic Bass"}, "no instrument 'Acustic Bass'", "'Acoustic Bass'"),
        ({"bars": 9}, "the given part has 4 bars, not 9", "fewer --bars"),
        ({"form": "AABA"}, "cannot be combined with --form", "another part"),
        ({"prompt": Path("x.mid")}, "cannot be combined with --prompt", "another part"),
    ],
)
def test_errors_say_what_there_is(
    studio: Studio, tmp_path: Path, asked: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as error:
        studio.sample("remi", accompany=two_hands(tmp_path / "mine.mid"), **asked)
    assert message in error.value.message
    assert hint in error.value.hint


def test_a_model_that_cannot_says_so(studio: Studio, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not trained to write beside a given part"):
        studio.sample("without role", accompany=two_hands(tmp_path / "mine.mid"))


def test_a_file_without_notes_is_an_error(studio: Studio, tmp_path: Path) -> None:
    empty = mido.MidiFile(type=1)
    empty.add_track("nothing")
    empty.save(tmp_path / "empty.mid")
    with pytest.raises(MusictkError, match="note"):
        studio.sample("remi", accompany=tmp_path / "empty.mid")
    drums = mido.MidiFile(type=1)
    track = drums.add_track()
    track.append(mido.Message("note_on", channel=9, note=38, velocity=80))
    track.append(mido.Message("note_off", channel=9, note=38, time=480))
    drums.save(tmp_path / "drums.mid")
    with pytest.raises(UsageError, match="cannot read the given part"):
        studio.sample("events", accompany=tmp_path / "drums.mid")


@pytest.mark.parametrize("first", [{"channel": 9, "pitch": 38}, {"channel": 1, "pitch": 10}])
def test_a_first_track_that_the_model_does_not_see(
    studio: Studio, tmp_path: Path, first: dict[str, int]
) -> None:
    """As drums, or notes below its range, are for many models."""
    file = mido.MidiFile(type=1, ticks_per_beat=QUARTER)
    unseen, tune = Events(), Events()
    for beat in range(16):
        unseen += note(beat, 0.25, **first)
        tune += note(beat, 1, 72 + beat % 5)
    add(file.add_track("unseen"), *unseen)
    add(file.add_track("tune"), *tune)
    file.save(given := tmp_path / "mine.mid")
    out, _ = studio.sample("remi", accompany=given, program="Acoustic Bass")
    assert len(added(given, out)) == 1


def test_track_and_program_need_given_music(studio: Studio) -> None:
    for asked in ({"track": "1"}, {"program": "violin"}):
        request = SampleRequest(source=ModelSource(run=studio.runs["remi"]), **asked)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="needs music to write a part beside"):
            sample(studio.catalog, studio.workspace, request)


def decoded(studio: Studio, name: str, made: SampleFile) -> ScoreTick:
    """The part as the model wrote it."""
    tokenizer = Manifest.read(studio.workspace.runs / studio.runs[name] / "best").make_tokenizer()
    music = tokenizer.decode(made.composition.sequence)
    assert isinstance(music, ScoreTick)
    return music


def test_the_model_writes_only_the_chosen_instrument(studio: Studio, tmp_path: Path) -> None:
    given = two_hands(tmp_path / "mine.mid")
    out, batch = studio.sample("programs", accompany=given, program="Violin", bars=2)
    (made,) = batch.made
    music = decoded(studio, "programs", made)
    assert {(track.program, track.is_drum) for track in music.tracks} == {(40, False)}
    again = tmp_path / "again.mid"
    assert made.id is not None
    repeat_sample(studio.catalog, studio.workspace, made.id, again)
    assert again.read_bytes() == out.read_bytes()


def pitches(track: tuple[smf.Event, ...]) -> list[int]:
    return [message[1] for _, message in track if message[0] >> 4 == 9 and message[2]]


@pytest.mark.parametrize("name", TOKENIZERS[:3])  # the last writes drums, too
def test_a_left_hand_stays_below_the_right(studio: Studio, name: str) -> None:
    said = Notices()
    _, batch = studio.sample(name, said, accompany=MENUET, track="1", bars=4, count=2)
    tops = [max(pitches(track)) for made in batch.made for track in added(MENUET, made.path)]
    assert max(tops) <= 67  # G4: a tenth of the right hand's notes are at it or below
    (text,) = (text for text in said.texts if "stays at or below" in text)
    assert "at or below G4, near the lowest notes of the given one" in text
    assert "--control highest=" in text
    for asked in (
        {"controls": (ChosenControl("", "highest", "C6"),), "track": "1"},
        {"program": "Music Box", "track": "1"},
        {"track": "2"},  # a left hand
        {},  # both hands
    ):
        said = Notices()
        studio.sample(
            name if asked.get("program") is None else "remi",
            said,
            accompany=MENUET,
            bars=1,
            **asked,
        )
        assert not any("stays at or below" in text for text in said.texts)


def test_one_track_of_two_hands_is_no_top_voice(studio: Studio, tmp_path: Path) -> None:
    file, played = mido.MidiFile(type=1, ticks_per_beat=QUARTER), Events()
    for beat in range(16):
        played += note(beat, 1, 84) + note(beat, 1, 45)
    add(file.add_track("piano"), *played)
    file.save(given := tmp_path / "piano.mid")
    said = Notices()
    studio.sample("remi", said, accompany=given, bars=1)
    assert not any("stays at or below" in text for text in said.texts)


@pytest.mark.parametrize("program", ["Acoustic Bass", "Violin", "Trumpet", "Oboe"])
def test_an_instrument_of_one_note_gets_one_voice(
    studio: Studio, tmp_path: Path, program: str
) -> None:
    given, said = two_hands(tmp_path / "mine.mid"), Notices()
    _, batch = studio.sample("remi", said, accompany=given, program=program, bars=1)
    chosen = batch.made[0].composition.request.controls
    assert ChosenControl("", "polyphony", "1") in chosen
    assert any(f"polyphony=1, as {program} plays one note" in text for text in said.texts)
    out, _ = studio.sample("remi", said, accompany=given, program=program)
    line = sorted((note.time, note.end) for note in ScoreTick(out).tracks[-1].notes)
    assert line
    assert all(before[1] <= after[0] for before, after in pairwise(line))
    own = (ChosenControl("", "polyphony", "2"),)
    _, batch = studio.sample("remi", said, accompany=given, program=program, bars=1, controls=own)
    chosen = batch.made[0].composition.request.controls
    assert [one.value for one in chosen if one.name == "polyphony"] == ["2"]
    _, batch = studio.sample("remi", said, accompany=given, program="Church Organ", bars=1)
    chosen = batch.made[0].composition.request.controls
    assert not any(one.name == "polyphony" for one in chosen)


def test_the_tracks_that_are_not_given_are_named(studio: Studio) -> None:
    said = Notices()
    studio.sample("remi", said, accompany=MENUET, track="1", bars=1)
    wanted = "the model was given track 1 only; the others stay in the file"
    assert wanted in said.texts
    said = Notices()
    studio.sample("remi", said, accompany=MENUET, bars=1)
    assert not any("was given track" in text for text in said.texts)


@pytest.mark.parametrize(
    ("track", "number"), [("1", "1"), ("2", "2"), ("Distortion Guitar", "1 (Distortion Guitar)")]
)
def test_the_numbers_of_given_tracks_are_those_of_the_file(
    studio: Studio, tmp_path: Path, track: str, number: str
) -> None:
    given, said = changing_guitar(tmp_path / "mine.mid"), Notices()
    studio.sample("remi", said, accompany=given, track=track, bars=2)
    wanted = f"the model was given track {number} only; the others stay in the file"
    assert wanted in said.texts


def test_only_the_end_of_the_given_music_is_an_end(studio: Studio, tmp_path: Path) -> None:
    given = two_hands(tmp_path / "mine.mid")
    for bars, following in ((1, 3), (4, 0), (0, 0)):
        _, batch = studio.sample("remi", accompany=given, bars=bars)
        assert batch.made[0].composition.request.following == following


def sounding(path: Path, index: int) -> list[tuple[int, int, int]]:
    """(pitch, start, end) of a track with notes."""
    track = [each for each in ScoreTick(path).tracks if len(each.notes)][index]
    return [(note.pitch, note.time, note.end) for note in track.notes]


@pytest.mark.parametrize("program", ["", "Church Organ"])
def test_no_note_doubles_a_given_one(studio: Studio, tmp_path: Path, program: str) -> None:
    """One pitch is given, and the model may write this and one more."""
    file, played = mido.MidiFile(type=1, ticks_per_beat=QUARTER), Events()
    for beat in range(64):
        played += note(beat / 2, 0.25, 60)
    add(file.add_track("piano"), *played)
    file.save(given := tmp_path / "one.mid")
    narrow = (ChosenControl("", "lowest", "60"), ChosenControl("", "highest", "61"))
    _, batch = studio.sample("remi", accompany=given, controls=narrow, program=program, count=4)
    left_out = 0
    for made in batch.made:
        music = decoded(studio, "remi", made)
        whole = sum(len(track.notes) for track in music.tracks)
        old, new = sounding(given, 0), sounding(made.path, 1)
        assert new
        if whole > len(new):
            left_out += 1
            (text,) = (text for text in batch.notices if text.startswith(made.path.name))
            assert f"without {whole - len(new)} note" in text
        for pitch, start, _ in new:
            ends = {
                begin: end if not program else begin + 1
                for same, begin, end in old
                if same == pitch
            }
            assert not any(begin <= start < end for begin, end in ends.items())
        assert made.id is not None
        again = tmp_path / "again.mid"
        repeat_sample(studio.catalog, studio.workspace, made.id, again)
        assert again.read_bytes() == made.path.read_bytes()
    assert left_out


def test_one_instrument_is_chosen_in_one_place(studio: Studio, tmp_path: Path) -> None:
    given = two_hands(tmp_path / "mine.mid")
    with pytest.raises(UsageError, match="--program cannot be combined with --programs"):
        studio.sample("programs", accompany=given, program="Violin", options={"programs": "piano"})


def test_a_part_ends_in_the_key_of_the_given_one(studio: Studio) -> None:
    given = BACH / "petzold_menuet_anh114.mid"
    for bars, ends in (("32", True), ("16", False)):
        _, batch = studio.sample("remi", accompany=given, track="1", bars=bars)
        (made,) = batch.made
        assert made.composition.request.ends_in == "G major"
        assert (made.composition.request.following == 0) is ends
