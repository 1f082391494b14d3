"""The MIDI reader: valid, unusual and damaged events, checked against mido and by hand."""

from __future__ import annotations

import struct
from collections import defaultdict
from io import BytesIO
from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from symusic.core import ScoreTick

from musictk.music import duration
from musictk.reading import Limits, Reason, RejectedError
from musictk.reading.events import SLACK, Events, read_events, variable_length
from musictk.reading.read import ParsedMidi, read_midi

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "data" / "cases"
EXAMPLES = sorted((ROOT / "examples" / "midis").rglob("*.mid"))
NOTE = b"\x90\x3c\x40"  # middle C, channel 1


def case(name: str) -> ParsedMidi:
    return read_midi((CASES / f"{name}.mid").read_bytes(), Limits())


def midi(*tracks: bytes, division: int = 96, form: int = 1) -> bytes:
    head = struct.pack(">4sIHHH", b"MThd", 6, form, len(tracks), division)
    return head + b"".join(b"MTrk" + struct.pack(">I", len(track)) + track for track in tracks)


def read(*tracks: bytes, form: int = 1) -> ParsedMidi:
    """Tracks of events, each ended properly."""
    return read_midi(midi(*(track + b"\0\xff\x2f\0" for track in tracks), form=form), Limits())


def rows(score: ScoreTick) -> list[tuple[int, int, int]]:
    return sorted((n.time, n.duration, n.pitch) for track in score.tracks for n in track.notes)


def test_a_data_byte_over_127_is_rejected_and_named() -> None:
    for name in ("pitch128_ch16", "pitch200", "velocity200", "program_224", "on_f_e0"):
        with pytest.raises(RejectedError, match=r"corrupt: data byte over 127 at byte \d+"):
            case(name)


def test_running_status_continues_after_a_system_exclusive_message() -> None:
    music = case("sysex_then_60")
    assert music.score.note_num() == 61
    assert music.repair == "running status after a system exclusive or meta event"


def test_notes_without_a_release_end_with_their_track() -> None:
    music = case("last_note_held")
    assert music.score.note_num() == 17
    assert duration(music.score) == pytest.approx(9.0)
    assert music.repair == "1 notes never end"


def test_of_two_strikes_with_one_release_both_sound() -> None:
    score = case("two_ons_one_off").score
    quarter = score.ticks_per_quarter
    onsets = [time for time, _, _ in rows(score)]
    assert len(onsets) == 16
    assert max(onsets) > score.end() / 2
    assert max(length for _, length, _ in rows(score)) <= quarter  # half a second at 120
    assert min(length for _, length, _ in rows(score)) > 0


def test_released_strikes_of_one_pitch_are_paired_first_in_first_out() -> None:
    score = read(b"\0" + NOTE + b"\x0a" + NOTE + b"\x0a\x80\x3c\0" + b"\x0a\x80\x3c\0").score
    assert rows(score) == [(0, 20, 60), (10, 20, 60)]


def test_a_release_of_a_silent_pitch_is_ignored() -> None:
    score = read(b"\0\x80\x3c\0" + b"\x05" + NOTE + b"\x05\x80\x3c\0" + b"\x05\x80\x3c\0").score
    assert rows(score) == [(5, 5, 60)]


def test_a_mode_byte_other_than_1_is_major() -> None:
    (signature,) = case("eb_major_mode255").score.key_signatures
    assert (signature.key, signature.tonality) == (-3, 0)


def test_a_program_set_in_another_track_counts() -> None:
    assert [track.program for track in case("setup_track").score.tracks] == [40, 42]


def test_a_track_keeps_its_own_program_on_a_shared_channel() -> None:
    setup = b"\0\xc0\x07"
    own = b"\0\xc0\x05" + b"\0" + NOTE + b"\x0a\x80\x3c\0"
    lone = b"\0" + NOTE + b"\x0a\x80\x3c\0"
    assert [track.program for track in read(own, setup, lone).score.tracks] == [5, 7]


def test_a_change_of_program_divides_a_track() -> None:
    track = b"\0\xc0\x05\0" + NOTE + b"\x0a\x80\x3c\0\0\xc0\x07\0" + NOTE + b"\x0a\x80\x3c\0"
    found = [(track.program, len(track.notes)) for track in read(track).score.tracks]
    assert found == [(5, 1), (7, 1)]


def test_many_changes_of_program_are_followed_as_a_few_are() -> None:
    change = [
        bytes((0, 0xC0, index % 100)) + b"\0" + NOTE + b"\x01\x80\x3c\0" for index in range(90)
    ]
    programs = {track.program: len(track.notes) for track in read(b"".join(change)).score.tracks}
    assert programs == dict.fromkeys(range(90), 1)


def test_the_sequences_of_format_2_follow_one_another() -> None:
    music = case("two_songs")
    assert duration(music.score) == pytest.approx(4 + 8)
    assert "format 2" in str(music.repair)


def test_of_several_tempos_at_one_tick_the_last_counts() -> None:
    tempos = {tempo.time: tempo.mspq for tempo in case("tempo").score.tempos}
    assert tempos[5760] == 250_000


def test_of_several_time_signatures_at_one_tick_the_last_counts() -> None:
    track = b"\0\xff\x58\4\3\2\x18\x08" + b"\0\xff\x58\4\6\3\x18\x08" + b"\0" + NOTE
    (metre,) = read(track).score.time_signatures
    assert (metre.numerator, metre.denominator) == (6, 8)


@pytest.mark.parametrize(
    ("metre", "note"),
    [(b"\4\x08\x18\x08", "time signature 04 08 18 08 is ignored"), (b"\0\2\x18\x08", "ignored")],
)
def test_an_impossible_time_signature_is_ignored(metre: bytes, note: str) -> None:
    music = read(b"\0\xff\x58\4" + metre + b"\0" + NOTE + b"\x0a\x80\x3c\0")
    assert len(music.score.time_signatures) == 0
    assert note in str(music.repair)
    assert len(case("timesig_den_2pow8").score.time_signatures) == 0


def drums(score: ScoreTick) -> list[bool]:
    return [track.is_drum for track in score.tracks]


GS_RESET = b"\0\xf0\x0a\x41\x10\x42\x12\x40\0\x7f\0\x41\xf7"
XG_RESET = b"\0\xf0\x08\x43\x10\x4c\0\0\x7e\0\xf7"
GM2_RESET = b"\0\xf0\x05\x7e\x7f\x09\x03\xf7"


def played(channel: int, before: bytes = b"") -> bytes:
    strike, release = bytes((0x90 | channel, 60, 64)), bytes((0x80 | channel, 60, 0))
    return before + b"\0" + strike + b"\x0a" + release


def test_a_gs_file_sets_the_drum_parts() -> None:
    assert sorted(drums(case("gs_part11").score)) == [False, True]
    melodic = b"\0\xf0\x0a\x41\x10\x42\x12\x40\x10\x15\0\x1b\xf7"  # the tenth part
    assert drums(read(played(9, GS_RESET + melodic)).score) == [False]
    assert drums(read(played(9, melodic)).score) == [True]  # it means nothing without the reset
    eleventh = b"\0\xf0\x0a\x41\x10\x42\x12\x40\x1a\x15\2\x0f\xf7"
    assert drums(read(GS_RESET + eleventh, played(10), played(11)).score) == [True, False]


def test_xg_and_gm2_banks_set_the_drum_channels() -> None:
    for reset, bank in ((XG_RESET, 127), (GM2_RESET, 120)):
        select = bytes((0, 0xB2, 0, bank))
        assert drums(read(played(2, reset + select)).score) == [True]
        assert drums(read(played(2, select)).score) == [False]
    part = b"\0\xf0\x08\x43\x10\x4c\x08\3\x07\2\xf7"
    assert drums(read(played(3, XG_RESET + part)).score) == [True]


def test_channels_of_two_ports_are_distinct() -> None:
    port = b"\0\xff\x21\1\1"
    first, second = played(0, b"\0\xc0\x05"), played(0, port)
    assert [track.program for track in read(first, second).score.tracks] == [5, 0]


def test_text_is_read_in_the_encoding_it_was_written_in() -> None:
    assert [marker.text for marker in case("marker_shift_jis").score.markers] == ["ピアノ"]
    for text, encoding in (
        ("Prélude à Mozart", "latin-1"),
        ("Dvořák", "utf-8"),
        ("Für Elise – “Bagatelle”", "cp1252"),
        ("月光の曲", "cp932"),
        ("Étude élégiaque", "latin-1"),
    ):
        name = text.encode(encoding)
        track = b"\0\xff\x03" + bytes((len(name),)) + name + b"\0" + NOTE + b"\x0a\x80\x3c\0"
        assert read(track).score.tracks[0].name == text


def test_controllers_keep_their_order_and_go_to_the_notes_they_shape() -> None:
    rpn = b"\0\xb0\x65\0\0\xb0\x64\0\0\xb0\x06\x0c\0\xb0\x65\x7f\0\xb0\x64\x7f"
    pedal = b"\0\xb0\x40\x7f\x20\xb0\x40\0\x20\xb0\x40\x7f"
    (track,) = read(rpn + pedal, b"\0" + NOTE + b"\x0a\x80\x3c\0").score.tracks
    numbers = [(control.number, control.value) for control in track.controls]
    assert numbers[:5] == [(101, 0), (100, 0), (6, 12), (101, 127), (100, 127)]
    assert [(held.time, held.duration) for held in track.pedals] == [(0, 32), (64, 0)]


def test_pitch_bends_are_centred_on_zero() -> None:
    (track,) = read(b"\0\xe0\0\x40\0\xe0\0\0\0\xe0\x7f\x7f\0" + NOTE).score.tracks
    assert [bend.value for bend in track.pitch_bends] == [0, -8192, 8191]


def by_mido(data: bytes) -> tuple[list[tuple[int, int, int, int]], list[tuple[int, int]]]:
    """(onset, length, pitch, velocity) of all notes and (tick, tempo), by another reader."""
    notes, tempos = [], {}
    for track in mido.MidiFile(file=BytesIO(data)).tracks:
        tick, sounding = 0, defaultdict(list)
        for message in track:
            tick += message.time
            if message.type == "set_tempo":
                tempos[tick] = message.tempo
            if message.type not in ("note_on", "note_off"):
                continue
            key = message.channel, message.note
            if message.type == "note_on" and message.velocity:
                sounding[key].append((tick, message.velocity))
            elif sounding[key]:
                start, velocity = sounding[key].pop(0)
                notes.append((start, tick - start, message.note, velocity))
    return sorted(notes), sorted(tempos.items())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_notes_and_tempos_are_those_that_mido_reads(path: Path) -> None:
    data = path.read_bytes()
    score = read_midi(data, Limits()).score
    notes, tempos = by_mido(data)
    ours = [(n.time, n.duration, n.pitch, n.velocity) for t in score.tracks for n in t.notes]
    assert sorted(ours) == notes
    assert [(tempo.time, tempo.mspq) for tempo in score.tempos] == tempos


def plain(data: bytes) -> list[tuple[int, bytes]]:
    """The events of one track read byte by byte, as slowly as can be."""
    found, place, tick, status = [], 0, 0, 0
    while place < len(data):
        delta = 0
        while True:
            delta, place = delta << 7 | data[place] & 0x7F, place + 1
            if data[place - 1] < 0x80:
                break
        tick += delta
        if data[place] == 0xFF:
            end = place + 3 + data[place + 2]
            found.append((tick, data[place:end]))
            place = end
            continue
        if data[place] >= 0x80:
            status, place = data[place], place + 1
        size = 1 if status >> 4 in (0xC, 0xD) else 2
        found.append((tick, bytes((status,)) + data[place : place + size]))
        place += size
    return found


MESSAGES = st.one_of(
    st.tuples(st.sampled_from([0x80, 0x90, 0xB0, 0xE0]), st.binary(min_size=2, max_size=2)),
    st.tuples(st.sampled_from([0xC0, 0xD0]), st.binary(min_size=1, max_size=1)),
    st.tuples(st.just(0xFF), st.binary(max_size=5)),
)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 2**21), MESSAGES, st.booleans()), max_size=60))
def test_the_walk_finds_every_event(
    drawn: list[tuple[int, tuple[int, bytes], bool]],
) -> None:
    track, running = b"", 0
    for delta, (status, data), runs in drawn:
        track += variable_length(delta)
        if status == 0xFF:
            track += b"\xff\x01" + bytes((len(data),)) + data
            continue
        body = bytes(byte & 0x7F for byte in data)
        track += body if runs and status == running else bytes((status,)) + body
        running = status
    events = read_events(midi(track + b"\0\xff\x2f\0", track), Limits())
    for index in (0, 1):  # with an end-of-track event and without
        assert events.raw(index) == plain(track)
        assert events.ends[index] == sum(delta for delta, _, _ in drawn)


def test_events_round_trip() -> None:
    for path in EXAMPLES[:6]:
        data = path.read_bytes()
        events = read_events(data, Limits())
        again = read_events(rewritten(events), Limits())
        for track in range(len(events.ends)):
            assert again.raw(track) == events.raw(track)
        assert np.array_equal(again.ends, events.ends)


def rewritten(events: Events) -> bytes:
    tracks = []
    for index, end in enumerate(events.ends.tolist()):
        body, before = b"", 0
        for tick, event in [*events.raw(index), (end, b"\xff\x2f\0")]:
            body += variable_length(tick - before) + event
            before = tick
        tracks.append(body)
    return midi(*tracks, division=events.chunks.division, form=events.chunks.format)


@pytest.mark.parametrize("size", range(1, 40))
def test_a_file_cut_off_anywhere_is_read_or_rejected(size: int) -> None:
    whole = midi(played(0) * 3 + b"\0\xc0\x05" + played(0) + b"\0\xff\x2f\0")
    if size > SLACK:
        with pytest.raises(RejectedError) as caught:
            read_midi(whole[:-size], Limits())
        assert caught.value.reason is Reason.TRUNCATED
        return
    music = read_midi(whole[:-size], Limits())
    assert 1 <= music.score.note_num() <= 4
    assert f"ends {size} bytes too early" in str(music.repair)


def test_tracks_without_an_end_do_not_run_into_the_next() -> None:
    events = read_events((CASES / "tracks_without_an_end.mid").read_bytes(), Limits())
    assert np.bincount(events.track).tolist() == [16, 3, 3, 3, 3, 3, 3, 23]
    assert case("tracks_without_an_end").score.note_num() > 0
