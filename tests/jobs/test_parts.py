"""Some notes of bars are written again beside the others of these bars, which are kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mido import Message, MetaMessage, MidiFile
from symusic.core import ScoreTick

from musictk.errors import MusictkError, UsageError
from musictk.generation.control_text import parse_controls
from musictk.generation.request import from_prompt
from musictk.jobs.sample import repeat_sample
from musictk.music import bars
from musictk.plugin import registry
from musictk.rendering import smf
from musictk.tokens.infill import GIVEN

from .conftest import BACH, Notices, Studio
from .given_music import QUARTER, add, band, changing_guitar, note, two_hands

TOKENIZERS = ("remi", "events", "pianoroll")
MUSETTE = BACH / "musette_anh126.mid"
FUGUE = BACH / "art_of_fugue_contrapunctus_1.mid"
PIECES = sorted(BACH.parent.rglob("*.mid"))[::12]


Found = tuple[int, int, int, int]  # start, end, pitch, velocity


def notes_of(path: Path) -> list[list[Found]]:
    """The notes of each track, by an independent reader of files."""
    return [
        sorted((note.time, note.end, note.pitch, note.velocity) for note in track.notes)
        for track in ScoreTick(path).tracks
    ]


def inside(path: Path, *ranges: tuple[int, int]) -> list[range]:
    """The ticks of ranges of bars."""
    lines = [int(line) for line in bars(ScoreTick(path))]
    return [range(lines[first - 1], lines[last]) for first, last in ranges]


def melody_of(path: Path) -> set[tuple[int, int]]:
    """(start, pitch) of the highest note of each onset, where no higher note is held."""
    found = sorted(each for track in notes_of(path) for each in track)
    return {
        (start, pitch)
        for start, end, pitch, _ in found
        if not any(
            other[2] > pitch
            and (
                other[0] == start
                or (other[0] < start < other[1] and 2 * other[1] > start + _end(found, start))
            )
            for other in found
        )
    }


def _end(found: list[Found], start: int) -> int:
    """The end of the highest note of an onset."""
    return max((pitch, end) for at, end, pitch, _ in found if at == start)[1]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_later_bars_of_the_track_are_given_too(studio: Studio, name: str) -> None:
    _, batch = studio.sample(name, infill=MUSETTE, bars="2-3", track="2")
    request = batch.made[0].composition.request
    assert request.beside
    kind = registry().load("tokenizer", name)
    own = kind(kind.Config())
    later = from_prompt(request.after, own.space)
    assert 1 <= len(own.bar_starts(later)) <= GIVEN


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("path", PIECES, ids=lambda path: path.stem)
def test_only_one_track_changes(studio: Studio, name: str, path: Path) -> None:
    before = smf.read(path.read_bytes())
    ranges = [(2, 3), (6, 6)]
    out, batch = studio.sample(name, infill=path, bars="6,2-3", track="2")
    after = smf.read(out.read_bytes())
    played = [
        number
        for number, track in enumerate(before.tracks)
        if any(message[0] >> 4 == 9 for _, message in track)
    ]
    for number, (given, written) in enumerate(zip(before.tracks, after.tracks, strict=True)):
        assert number == played[1] or given == written
    places = inside(path, *ranges)
    for given_notes, new_notes in zip(notes_of(path), notes_of(out), strict=False):
        kept = [each for each in given_notes if not any(each[0] in place for place in places)]
        assert kept == [each for each in new_notes if not any(each[0] in place for place in places)]
    assert batch.made[0].rewritten is not None
    assert batch.made[0].rewritten.bars == tuple(ranges)


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("path", PIECES, ids=lambda path: path.stem)
def test_the_melody_stays(studio: Studio, name: str, path: Path) -> None:
    out, batch = studio.sample(name, infill=path, bars="2-4", keep="melody")
    (place,) = inside(path, (2, 4))
    melody = melody_of(path)
    before, after = (
        Counter(each for track in notes_of(one) for each in track) for one in (path, out)
    )
    kept = Counter(
        each for each in before.elements() if each[0] not in place or each[::2][:2] in melody
    )
    assert kept <= after
    rewritten = batch.made[0].rewritten
    assert rewritten is not None
    assert (before - kept).total() == rewritten.removed
    assert (after - kept).total() == rewritten.written
    for track in notes_of(out):  # nothing is struck while it sounds
        struck = [each for each in track if each in kept]
        for start, end, pitch, _ in (each for each in track if each not in kept):
            assert not any(
                each[2] == pitch and each[0] < end and start < each[1] for each in struck
            )


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("path", [FUGUE, MUSETTE], ids=lambda path: path.stem)
def test_new_notes_stay_below_the_melody(studio: Studio, name: str, path: Path) -> None:
    """Of the upper track; and on the tracks that lost notes for them."""
    ear = Notices()
    _, batch = studio.sample(name, ear, infill=path, bars="5-8", keep="melody", count=2)
    assert any("stay below the melody" in text for text in ear.texts)
    (place,) = inside(path, (5, 8))
    melody, before = melody_of(path), notes_of(path)
    lost = [
        any(each[0] in place and each[::2][:2] not in melody for each in track) for track in before
    ]
    sung = [each for each in before[0] if each[::2][:2] in melody]
    written = 0
    for made in batch.made:
        for loses, track, after in zip(lost, before, notes_of(made.path), strict=True):
            new = [each for each in after if each not in track]
            assert loses or not new
            written += len(new)
            for start, end, pitch, _ in new:
                heard = [each[2] for each in sung if each[0] < end and start < each[1]]
                assert not heard or pitch < max(heard)
    assert written


def test_a_highest_pitch_that_is_chosen_may_be_above_the_melody(studio: Studio) -> None:
    ear, chosen = Notices(), parse_controls(["highest=C8", "lowest=C6"])
    out, _ = studio.sample("remi", ear, infill=FUGUE, bars="5-8", keep="melody", controls=chosen)
    assert not any("melody" in text for text in ear.texts)
    given = {each for track in notes_of(FUGUE) for each in track}
    new = {each for track in notes_of(out) for each in track} - given
    assert min(pitch for _, _, pitch, _ in new) >= 84


def test_drums_beside_a_melody_stay_or_are_written(studio: Studio, tmp_path: Path) -> None:
    given = band(tmp_path / "mine.mid")
    before = smf.read(given.read_bytes()).tracks[0]
    for name, stays in (("remi", {2, 9}), ("programs", {2})):
        ear = Notices()
        out, _ = studio.sample(name, ear, infill=given, bars="2", keep="melody")
        after = smf.read(out.read_bytes()).tracks[0]
        for channel in range(16):
            old, new = ([e for e in at if e[1][0] & 15 == channel] for at in (before, after))
            assert old == new if channel in stays else channel in (5, 9) or not new
        assert any("writes no drums" in text for text in ear.texts) == (name == "remi")


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("asked", [{"track": "left hand"}, {"keep": "melody"}])
@pytest.mark.parametrize(("metre", "pickup"), [((3, 4), 0), ((7, 8), 0), ((4, 4), 0.5)])
@pytest.mark.parametrize("place", ["1-2", "3-4", "5-6"])
def test_metres_and_pickups(
    studio: Studio,
    tmp_path: Path,
    name: str,
    asked: dict[str, str],
    metre: tuple[int, int],
    pickup: float,
    place: str,
) -> None:
    given = two_hands(tmp_path / "mine.mid", metre, bars=6, pickup=pickup)
    out, batch = studio.sample(name, infill=given, bars=place, **asked)
    before, after = smf.read(given.read_bytes()), smf.read(out.read_bytes())
    if "track" in asked:
        assert before.tracks[:2] == after.tracks[:2]
    assert batch.made[0].rewritten is not None
    assert batch.made[0].rewritten.removed > 0


@pytest.mark.parametrize("asked", [{"track": "2"}, {"keep": "melody"}])
@pytest.mark.parametrize("name", TOKENIZERS)
def test_candidates_are_ranked_and_repeated(
    studio: Studio, tmp_path: Path, name: str, asked: dict[str, str]
) -> None:
    _, batch = studio.sample(name, infill=MUSETTE, bars="2-3,5", count=3, **asked)
    likely = [made.rewritten.nats for made in batch.made if made.rewritten is not None]
    assert likely == sorted(likely)
    assert len(likely) == 3
    again = tmp_path / "again.mid"
    for made in batch.made:
        assert made.id is not None
        repeated = repeat_sample(studio.catalog, studio.workspace, made.id, again)
        assert again.read_bytes() == made.path.read_bytes()
        assert repeated.made[0].rewritten == made.rewritten


@pytest.mark.parametrize("name", ["remi", "events"])
def test_the_other_track_is_given(studio: Studio, tmp_path: Path, name: str) -> None:
    """Other notes of the other track in these bars, and the part is another."""
    first, _ = studio.sample(name, infill=MUSETTE, bars="5-8", track="2")
    first = first.rename(tmp_path / "first.mid")
    file = MidiFile(MUSETTE)
    for message in file.tracks[1]:
        if message.type in ("note_on", "note_off"):
            message.note += 7
    file.save(tmp_path / "moved.mid")
    second, _ = studio.sample(name, infill=tmp_path / "moved.mid", bars="5-8", track="2")
    assert notes_of(first)[1] != notes_of(second)[1]


def test_a_channel_of_a_file_with_one_track(studio: Studio, tmp_path: Path) -> None:
    given = band(tmp_path / "mine.mid")
    for track, channel in (("violin", 2), ("Cello", 5)):
        out, _ = studio.sample("programs", infill=given, bars="2", track=track)
        before, after = (
            [each for each in smf.read(path.read_bytes()).tracks[0] if each[1][0] & 15 != channel]
            for path in (given, out)
        )
        assert before == after


def test_tracks_of_one_name_are_told_apart_by_instrument(studio: Studio, tmp_path: Path) -> None:
    """As in files of format 0, all tracks of which have the name of the song."""
    file = MidiFile(band(tmp_path / "mine.mid"))
    file.tracks[0].insert(0, MetaMessage("track_name", name="Song"))
    file.save(tmp_path / "song.mid")
    asked: dict[str, Any] = {"infill": tmp_path / "song.mid", "bars": "2", "seed": 1}
    by_name, by_number = (
        studio.sample("programs", **asked, track=track)[0].read_bytes() for track in ("cello", "2")
    )
    assert by_name == by_number
    with pytest.raises(UsageError, match=r"1 'Song' \(Violin\), 2 'Song' \(Cello\), 3 'Song' \(D"):
        studio.sample("programs", **asked, track="viola")


def test_a_number_counts_the_tracks_of_the_file(studio: Studio, tmp_path: Path) -> None:
    """Also where a track changes its program, and where the first has words only."""
    given = changing_guitar(tmp_path / "mine.mid")
    before = smf.read(given.read_bytes()).tracks
    changed = (("1", 1), ("guitar", 1), ("Distortion Guitar", 1), ("2", 2), ("Organ", 2))
    for track, index in changed:
        out, batch = studio.sample("remi", infill=given, bars="3", track=track)
        after = smf.read(out.read_bytes()).tracks
        assert [each for each in range(3) if before[each] != after[each]] == [index]
        assert batch.made[0].rewritten is not None
        assert batch.made[0].rewritten.removed == 4
    with pytest.raises(UsageError, match=r"no track '3'; it has: 1 'guitar', 2 'organ'$"):
        studio.sample("remi", infill=given, bars="3", track="3")


def test_the_rhythm_of_one_track_is_kept(studio: Studio) -> None:
    out, _ = studio.sample("remi", infill=MUSETTE, bars="5-6", track="2", keep="rhythm")
    before, after = notes_of(MUSETTE), notes_of(out)
    assert before[0] == after[0]
    assert [each[:2] for each in before[1]] == [each[:2] for each in after[1]]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_each_hand_keeps_its_rhythm(studio: Studio, tmp_path: Path, name: str) -> None:
    _, batch = studio.sample(name, infill=MUSETTE, bars="5-12", keep="rhythm", count=3)
    before = [[each[:2] + each[3:] for each in track] for track in notes_of(MUSETTE)]
    for made in batch.made:
        after = [[each[:2] + each[3:] for each in track] for track in notes_of(made.path)]
        if name == "remi":  # the others measure in seconds or frames, on a grid of their own
            assert before == after
        assert [len(track) for track in before] == [len(track) for track in after]
    number = batch.made[0].id
    assert number is not None
    again = repeat_sample(studio.catalog, studio.workspace, number, tmp_path / "again.mid")
    assert again.made[0].path.read_bytes() == batch.made[0].path.read_bytes()


def test_the_only_track_is_the_whole(studio: Studio, tmp_path: Path) -> None:
    file = MidiFile(type=1, ticks_per_beat=QUARTER)
    played = [each for beat in range(16) for each in note(beat, 1, 60 + beat % 5)]
    add(file.add_track("tune"), (0, Message("program_change", program=6)), *played)
    file.save(given := tmp_path / "mine.mid")
    whole, _ = studio.sample("remi", infill=given, bars="2")
    whole = whole.rename(tmp_path / "whole.mid")
    alone, _ = studio.sample("remi", infill=given, bars="2", track="tune")
    assert whole.read_bytes() == alone.read_bytes()
    with pytest.raises(MusictkError, match="all notes are of the melody"):
        studio.sample("remi", infill=given, bars="2", keep="melody")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"track": "viola"}, "has no track 'viola'"),
        ({"track": "7"}, "has no track '7'"),
        ({"track": "2", "bars": "90"}, "outside the piece"),
        ({"keep": "tune"}, "no part of music to keep 'tune'"),
        ({"accompany": MUSETTE}, "--infill cannot be combined with --accompany"),
        ({"program": "Violin"}, "--infill cannot be combined with --program"),
    ],
)
def test_bad_requests_are_refused(studio: Studio, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(MusictkError) as error:
        studio.sample("remi", **{"infill": MUSETTE, "bars": "3", **asked})
    assert says in str(error.value)
    assert error.value.hint


def test_a_model_trained_before_says_so(studio: Studio) -> None:
    for asked in ({"track": "2"}, {"keep": "melody"}):
        with pytest.raises(MusictkError, match="not trained to write beside a given part"):
            studio.sample("old", infill=MUSETTE, bars="5-8", **asked)
