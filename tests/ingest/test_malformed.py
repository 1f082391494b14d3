"""Damaged and unusual files: each is accepted with its repairs, or rejected with a reason."""

from __future__ import annotations

import struct
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from symusic.core import ScoreTick

from musictk.catalog import Catalog
from musictk.ingest import IngestReport
from musictk.reading import Limits, Reason, RejectedError
from musictk.reading.read import read_midi

Run = Callable[..., IngestReport]
DATA = Path(__file__).parents[1] / "data" / "malformed"
SOUND = (DATA / "crafted" / "00_valid_baseline.mid").read_bytes()
REJECTED = {
    "02_one_byte": "not_midi",
    "04_header_only_zero_tracks": "no_notes",
    "08_header_length_short": "bad_header",
    "10_division_zero": "bad_division",
    "28_truncated_between_tracks": "no_notes",
    "40_vlq_all_continuation": "corrupt",
    "42_delta_max_many": "too_long",
    "44_running_status_from_nothing": "corrupt",
    "48_note_offs_only": "no_notes",
    "52_data_byte_over_127": "corrupt",
    "62_meta_length_giant": "truncated",
    "64_sysex_unterminated": "truncated",
    "76_html_named_mid": "not_midi",
    "78_png_named_mid": "not_midi",
    "82_lowercase_magic": "not_midi",
    "84_valid_header_random_body": "corrupt",
    "test-c-major-scale-m2-g0": "midi2",
    "test-control-7e-mono-mode-on": "no_notes",
    "test-empty": "no_notes midi2",
    "test-empty-file": "empty",
    "test-no-header": "midi2",
    "test-out-of-order-data": "midi2",
    "test-silence-all-notes-off": "no_notes",
    "test-silence-end-of-track": "no_notes",
    "test-silence-text-metaevent": "no_notes",
    "test-sysex-7e-09-01-gm1-enable": "no_notes",
}
REPAIRED = {
    "12_division_smpte_2997x80": "SMPTE division",
    "18_format_3": "format 3 read as 1",
    "20_track_length_giant": "track length 2147483647 is wrong",
    "26_truncated_one_byte_short": "ends 1 bytes too early",
    "34_utf8_bom_before_mthd": "3 bytes before the header",
    "36_rmid_wrong_size": "20 bytes before the header",
    "38_alien_chunk_giant_length": "chunk length 4294967280 is wrong",
    "test-illegal-message-f4": "system message f4",
}


def test_every_file_ends_accepted_or_with_its_reason(
    run: Run, catalog: Catalog, malformed: Path
) -> None:
    report = run(malformed / "crafted", malformed / "jazz-soft")
    found: dict[str, set[str]] = {}
    for row in catalog.rejected():
        found.setdefault(Path(row["path"]).stem, set()).add(row["code"])
    assert {name: set(codes.split()) for name, codes in REJECTED.items()} == found
    assert report.accepted + report.rejected.total() == sum(
        path.suffix in (".mid", ".midi2") for path in malformed.glob("*/*")
    )
    repairs = {Path(row["path"]).stem: row["repair"] or "" for row in catalog.files()}
    for name, note in REPAIRED.items():
        assert note in repairs[name], name
    assert repairs["00_valid_baseline"] == ""


def test_difficult_names_are_kept_and_come_back(
    run: Run, catalog: Catalog, malformed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "names"
    folder.mkdir()
    with tarfile.open(malformed / "names.tar.xz") as archive:
        for number, member in enumerate(item for item in archive if item.isfile()):
            stream = archive.extractfile(member)
            assert stream is not None
            # Each gets other bytes, so that each is a file of its own.
            data = stream.read() + bytes(number)
            (folder / Path(member.name).name).write_bytes(data)
    report = run(folder)
    assert report.accepted == 13
    assert not report.rejected
    assert catalog.check() == []  # each was found again under its stored name
    names = {Path(row["path"]).name for row in catalog.files()}
    assert {"invalid\\xff\\xfeutf8.mid", "new\nline.mid", "-rf.mid"} <= names
    assert run(folder).unchanged == report.accepted
    inside = run(malformed / "names.tar.xz")
    assert inside.accepted > 10


def midi(*events: bytes, division: int = 96) -> bytes:
    track = b"".join(events) + b"\0\xff\x2f\0"
    head = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, division)
    return head + b"MTrk" + struct.pack(">I", len(track)) + track


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (midi(b"\0\x90\x3c\x40", b"\xff\xff\xff\x7f\x80\x3c\0", division=8), Reason.TOO_MANY_BARS),
        (midi(b"\0\x90\x3c\x40", *[b"\x01\x3c\0\x01\x3c\x40"] * 150_000), Reason.TOO_MANY_TOKENS),
        (SOUND + bytes(16 << 20), Reason.TOO_LARGE),
        (SOUND[:-2000], Reason.TRUNCATED),
        (SOUND[:-17], Reason.TRUNCATED),
        (midi(*[b"\xff\xff\xff\x7f\xc0\0"] * 9, b"\0\x90\x3c\x40"), Reason.TOO_LONG),
    ],
)
def test_small_files_that_would_cost_much_are_refused(data: bytes, reason: Reason) -> None:
    with pytest.raises(RejectedError) as caught:
        _measured(data)
    assert caught.value.reason == reason


def test_events_are_counted_without_the_parser() -> None:
    data = midi(b"\0\x90\x3c\x40", *[b"\0\x3c\0"] * 200)
    with pytest.raises(RejectedError) as caught:
        read_midi(data, Limits(events=100))
    assert caught.value.reason == Reason.TOO_MANY_EVENTS


def _measured(data: bytes) -> None:
    from musictk.music import Clock, notes
    from musictk.reading.facts import piece_facts

    score = read_midi(data, Limits()).score
    piece_facts(score, notes(score), Clock(score), Limits())


def test_a_legal_long_header_changes_no_note() -> None:
    longer = SOUND[:4] + struct.pack(">I", 10) + SOUND[8:14] + b"\1\2\3\4" + SOUND[14:]
    music = read_midi(longer, Limits())
    assert music.repair == "header of 10 bytes"
    assert _notes(music.score) == _notes(read_midi(SOUND, Limits()).score)


def test_smpte_time_is_real_time() -> None:
    # 25 frames of 40 parts: 1,000 ticks a second. A tempo event means nothing there.
    data = midi(
        b"\0\xff\x51\3\x01\0\0",
        b"\0\x90\x3c\x40",
        b"\x87\x68\x80\x3c\0",  # 1,000 ticks
        division=(256 - 25) << 8 | 40,
    )
    score = read_midi(data, Limits()).score
    assert score.to("second").tracks[0].notes[0].duration == pytest.approx(1.0)  # type: ignore[attr-defined]


def test_notes_that_never_end_last_to_the_end_of_their_track() -> None:
    data = midi(b"\0\x90\x3c\x40", b"\x60\xb0\x40\x7f")
    music = read_midi(data, Limits())
    assert music.repair == "1 notes never end"
    assert [(note.pitch, note.duration) for note in music.score.tracks[0].notes] == [(60, 96)]


def _notes(score: ScoreTick) -> list[tuple[int, int, int]]:
    return sorted(
        (note.time, note.duration, note.pitch) for track in score.tracks for note in track.notes
    )


@settings(max_examples=300)
@given(st.data())
def test_no_damage_raises_anything_but_a_reason(data: st.DataObject) -> None:
    damaged = bytearray(SOUND)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        if data.draw(st.booleans()):
            damaged[place] = data.draw(st.integers(0, 255))
        else:
            del damaged[place : place + data.draw(st.integers(1, 40))]
    with suppress(RejectedError):  # anything else fails the test
        _measured(bytes(damaged))
