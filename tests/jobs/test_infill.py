"""Some bars of a user's file are written again, and all else in it is kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import mido
import pytest
from mido import Message, MetaMessage, MidiFile
from symusic.core import ScoreTick

from musictk.errors import MusictkError, UsageError
from musictk.generation.chosen_controls import ChosenControl
from musictk.generation.control_text import parse_controls
from musictk.generation.opening import described
from musictk.jobs.recompose import recompose
from musictk.jobs.sample import repeat_sample
from musictk.music import bars, metres, notes
from musictk.rendering import midi, smf

from .conftest import BACH, Notices, Room, Studio
from .given_music import QUARTER, add, band, note, two_hands

TOKENIZERS = ("remi", "events", "pianoroll")
MUSETTE = BACH / "musette_anh126.mid"


def notes_of(path: Path) -> Counter[tuple[Any, ...]]:
    """(drums, start, end, pitch, velocity) of every note, by an independent reader of files."""
    score = ScoreTick(path)
    return Counter(
        (track.is_drum, note.time, note.end, note.pitch, note.velocity)
        for track in score.tracks
        for note in track.notes
    )


def without(found: Counter[tuple[Any, ...]], *places: tuple[int, int]) -> Counter[tuple[Any, ...]]:
    return Counter(
        {
            note: count
            for note, count in found.items()
            if not any(start <= note[1] < stop for start, stop in places)
        }
    )


def others_of(path: Path) -> list[list[Any]]:
    """All messages but note-ons and note-offs, with their ticks, by track."""
    found = []
    for track in mido.MidiFile(path).tracks:
        tick, kept = 0, []
        for message in track:
            tick += message.time
            if message.type not in ("note_on", "note_off", "end_of_track"):
                kept.append((tick, message.copy(time=0)))
        found.append(kept)
    return found


def assert_rewritten(given: Path, written: Path, *ranges: tuple[int, int]) -> int:
    """Nothing changed but the notes that begin in these bars; the number of new ones."""
    lines = [int(line) for line in bars(ScoreTick(given))]
    places = [(lines[first - 1], lines[last]) for first, last in ranges]
    before, after = notes_of(given), notes_of(written)
    assert without(after, *places) == without(before, *places)
    assert others_of(written) == others_of(given)
    new = after - without(before, *places)
    held = without(before, *places)
    for _, start, end, pitch, _ in new:  # a kept note is not struck again while it sounds
        assert not any(key[3] == pitch and key[1] < end and start < key[2] for key in held)
    return new.total()


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize(
    ("metre", "pickup"), [((4, 4), 0), ((3, 4), 0), ((7, 8), 0), ((4, 4), 0.5), ((3, 4), 1)]
)
@pytest.mark.parametrize("place", [(3, 4), (1, 2), (5, 6)])
def test_only_notes_of_the_bars_change(
    studio: Studio,
    tmp_path: Path,
    name: str,
    metre: tuple[int, int],
    pickup: float,
    place: tuple[int, int],
) -> None:
    given = two_hands(tmp_path / "mine.mid", metre, bars=6, pickup=pickup)
    out, batch = studio.sample(name, infill=given, bars=f"{place[0]}-{place[1]}")
    new = assert_rewritten(given, out, place)
    (made,) = batch.made
    assert made.rewritten is not None
    assert (made.rewritten.bars, made.rewritten.written) == ((place,), new)
    removed = notes_of(given).total() + new - notes_of(out).total()
    assert made.rewritten.removed == removed > 0
    assert str(made.rewritten) == (
        f"bars {place[0]}-{place[1]} rewritten, {removed} notes removed, {new} written"
    )


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("path", sorted(BACH.glob("*.mid"))[::4], ids=lambda path: path.stem)
def test_bars_of_real_music(studio: Studio, name: str, path: Path) -> None:
    count = len(bars(ScoreTick(path))) - 1
    ranges = [(2, 3), (6, 6), (count - 1, count)]
    out, batch = studio.sample(name, infill=path, bars=f"{count - 1}-{count}, 6,2-3")
    assert assert_rewritten(path, out, *ranges) > 0
    assert batch.made[0].rewritten is not None
    assert batch.made[0].rewritten.bars == tuple(ranges)


@pytest.mark.parametrize(
    ("arch", "tokenizer"), [("conformer", "remi"), ("relative", "events"), ("roll", "pianoroll")]
)
def test_every_architecture_writes_between_bars(studio: Studio, arch: str, tokenizer: str) -> None:
    groups: dict[str, dict[str, Any]] = {
        "model": {"dim": 32, "depth": 1, "heads": 2, "max_length": 256}
    }
    if arch == "conformer":
        groups["model"]["windows"] = [16, 64]
    room = Room(studio.catalog, studio.workspace)
    name = f"{arch} over {tokenizer}"
    studio.runs[name] = room.train(arch=arch, tokenizer=tokenizer, groups=groups).run
    _, batch = studio.sample(name, infill=MUSETTE, bars="5-8,11", count=2)
    for made in batch.made:
        assert assert_rewritten(MUSETTE, made.path, (5, 8), (11, 11)) > 0
        assert made.rewritten is not None


@pytest.mark.parametrize("name", TOKENIZERS)
def test_later_ranges_are_given_what_was_written(studio: Studio, name: str) -> None:
    """The first range is written in the same way whatever follows; the second is not."""
    both, _ = studio.sample(name, infill=MUSETTE, bars="3-4,7")
    first = both.rename(both.with_stem("both"))
    again, _ = studio.sample(name, infill=first, bars="7", seed=3)
    assert without(notes_of(first), (0, 1)) != without(notes_of(again), (0, 1))
    touching, batch = studio.sample(name, infill=MUSETTE, bars="3,4-5")
    assert batch.made[0].rewritten is not None
    assert batch.made[0].rewritten.bars == ((3, 5),)
    assert_rewritten(MUSETTE, touching, (3, 5))


@pytest.mark.parametrize("name", TOKENIZERS)
def test_candidates_are_ranked_and_repeated(studio: Studio, tmp_path: Path, name: str) -> None:
    given = two_hands(tmp_path / "mine.mid", bars=6)
    _, batch = studio.sample(name, infill=given, bars="2-3,5", count=3)
    likely = [made.rewritten.nats for made in batch.made if made.rewritten is not None]
    assert len(likely) == 3
    assert likely == sorted(likely)
    assert [made.path.stem[-2:] for made in batch.made] == ["-1", "-2", "-3"]
    given.unlink()  # the workspace has a copy
    again = tmp_path / "again.mid"
    for made in batch.made:
        assert made.id is not None
        repeated = repeat_sample(studio.catalog, studio.workspace, made.id, again)
        assert again.read_bytes() == made.path.read_bytes()
        assert repeated.made[0].rewritten == made.rewritten


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_whole_piece_may_be_written(studio: Studio, name: str) -> None:
    count = len(bars(ScoreTick(MUSETTE))) - 1
    out, _ = studio.sample(name, infill=MUSETTE, bars=f"1-{count}")
    assert assert_rewritten(MUSETTE, out, (1, count)) > 0


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_long_range_is_written_and_repeated(studio: Studio, tmp_path: Path, name: str) -> None:
    """Of more bars than any that are moved in training: the last ones are given what follows."""
    given = two_hands(tmp_path / "mine.mid", (4, 4), bars=28)
    out, batch = studio.sample(name, infill=given, bars="5-24")
    assert assert_rewritten(given, out, (5, 24)) > 0
    number = batch.made[0].id
    assert number is not None
    again = repeat_sample(studio.catalog, studio.workspace, number, tmp_path / "again.mid")
    assert again.made[0].path.read_bytes() == out.read_bytes()


def changing(path: Path) -> Path:
    """4/4, and a bar of 3/4 and two of 6/8 within."""
    file = MidiFile(type=1, ticks_per_beat=QUARTER)
    head, tune = file.add_track("head"), file.add_track("tune")
    signs = [(0, 4, 4), (8, 3, 4), (11, 6, 8), (17, 4, 4)]
    add(
        head,
        *((at, MetaMessage("time_signature", numerator=n, denominator=d)) for at, n, d in signs),
    )
    played = [each for beat in range(29) for each in note(beat, 1, 60 + beat % 12)]
    add(tune, (0, Message("program_change", program=6)), *played)
    file.save(path)
    return path


@pytest.mark.parametrize("name", TOKENIZERS)
def test_new_bars_have_the_metres_of_the_file(studio: Studio, tmp_path: Path, name: str) -> None:
    given = changing(tmp_path / "mine.mid")
    out, batch = studio.sample(name, infill=given, bars="2-6")
    assert_rewritten(given, out, (2, 6))
    if name == "pianoroll":
        return  # it encodes no metre
    made = batch.made[0].composition
    manifest_run = studio.catalog.checkpoint(studio.runs[name]).path
    from musictk.model.manifest import Manifest

    tokenizer = Manifest.read(studio.workspace.resolve(manifest_run)).make_tokenizer()
    music = tokenizer.decode(made.sequence)
    assert isinstance(music, ScoreTick)
    found = metres(music)
    names = list(zip(found.numerator.tolist(), found.denominator.tolist(), strict=True))
    assert names == [(4, 4), (3, 4), (6, 8), (4, 4)]


def tune(path: Path, held: float) -> Path:
    """Two bars of eighths, a note of `held` quarters in the third, then the same pitch again."""
    file = MidiFile(type=1, ticks_per_beat=QUARTER)
    played = [each for number in range(16) for each in note(number / 2, 0.5, 60 + number % 5)]
    played += note(8, held, 67) + note(16, 4, 67)
    if held <= 4:
        played += note(12, 1, 67) + note(14, 1, 67)
    add(file.add_track(), *played)
    file.save(path)
    return path


def test_a_note_held_over_the_bar_line_is_not_written_again(studio: Studio, tmp_path: Path) -> None:
    given = tune(tmp_path / "held.mid", 8)
    out, batch = studio.sample("pianoroll", infill=given, bars="4", keep="rhythm")
    assert str(batch.made[0].rewritten) == "bar 4 rewritten, 0 notes removed, 0 written"
    assert notes_of(out) == notes_of(given)


def test_a_note_that_ends_at_the_bar_line_is_played_again(studio: Studio, tmp_path: Path) -> None:
    given = tune(tmp_path / "again.mid", 4)
    one = (ChosenControl("", "lowest", "G4"), ChosenControl("", "highest", "G4"))
    asked: dict[str, Any] = {"infill": given, "bars": "4", "keep": "rhythm", "controls": one}
    out, batch = studio.sample("pianoroll", **asked)
    assert str(batch.made[0].rewritten) == "bar 4 rewritten, 2 notes removed, 2 written"
    lengths = [(start, end, pitch) for _, start, end, pitch, _ in notes_of(out)]
    assert (12 * QUARTER, 13 * QUARTER, 67) in lengths


def test_a_band_keeps_its_instruments(studio: Studio, tmp_path: Path) -> None:
    given = band(tmp_path / "mine.mid")
    out, _ = studio.sample("programs", infill=given, bars="1")
    messages = [message for _, message in smf.read(out.read_bytes()).tracks[0]]
    known: dict[int, int] = {}
    for message in messages:
        if message[0] >> 4 == 0xC:
            assert known.setdefault(message[0] & 15, message[1]) == message[1]
    start = 4 * QUARTER
    kept = [note for note in notes_of(given).elements() if note[1] >= start]
    assert Counter(kept) == without(notes_of(out), (0, start))


def test_instruments_that_are_added_are_named(studio: Studio, tmp_path: Path) -> None:
    given = two_hands(tmp_path / "mine.mid")
    out, batch = studio.sample("programs", infill=given, bars="2", options={"programs": "flute"})
    (notice,) = [text for text in batch.notices if "add" in text]
    assert notice == "the new bars add Flute; to choose the instruments: --programs"
    assert "Flute" in [track.name for track in mido.MidiFile(out).tracks]


def test_drums_stay_where_the_model_writes_none(studio: Studio, tmp_path: Path) -> None:
    given, listener = band(tmp_path / "mine.mid"), Notices()
    out, batch = studio.sample("remi", listener, infill=given, bars="1")
    before, after = notes_of(given), notes_of(out)
    drums = Counter({note: count for note, count in before.items() if note[0]})
    assert drums.total() == 8
    assert after >= drums
    assert "the model writes no drums: those of the bars stay unchanged" in listener.texts
    assert not any("drums (" in text for text in listener.texts)
    rewritten = batch.made[0].rewritten
    assert rewritten is not None
    assert rewritten.removed == 8  # of the violin and the cello
    with pytest.raises(UsageError, match="this model writes no drums; choose another track"):
        studio.sample("remi", infill=given, bars="1", track="3")
    studio.sample("programs", listener, infill=given, bars="1", track="3")


@pytest.mark.parametrize("track", ["", "1,3", "1,2"])
def test_drums_of_the_chosen_tracks_stay(studio: Studio, tmp_path: Path, track: str) -> None:
    """With the cello where it was not chosen; what was not chosen is not announced."""
    given, ear = band(tmp_path / "mine.mid"), Notices()
    out, batch = studio.sample("remi", ear, infill=given, bars="1", track=track)
    made, stays = batch.made[0], "the model writes no drums: those of the bars stay unchanged"
    assert (stays in ear.texts) == (track != "1,2")
    assert made.rewritten is not None
    assert made.rewritten.removed == (4 if track == "1,3" else 8)
    assert bool(made.composition.request.beside) == (track != "")
    assert made.id is not None
    again = repeat_sample(studio.catalog, studio.workspace, made.id, tmp_path / "again.mid")
    assert not again.notices
    assert (tmp_path / "again.mid").read_bytes() == out.read_bytes()


def test_hands_keep_their_tracks(studio: Studio, tmp_path: Path) -> None:
    given = two_hands(tmp_path / "mine.mid", bars=6)
    out, _ = studio.sample("remi", infill=given, bars="3-4")
    lines = bars(ScoreTick(given))
    hands = [
        [
            message[1]
            for tick, message in track
            if lines[2] <= tick < lines[4] and message[0] == 0x90 and message[2]
        ]
        for track in smf.read(out.read_bytes()).tracks
    ]
    assert hands[0] == []
    assert hands[1]
    assert hands[2]
    assert min(hands[1]) >= max(hands[2])


def test_several_tracks_are_written_again(studio: Studio, tmp_path: Path) -> None:
    given = two_hands(tmp_path / "mine.mid", bars=6)
    file, drone = MidiFile(given), []
    for bar in range(6):
        drone += note(4 * bar, 4, 36)
    add(file.add_track("drone, low"), *drone)
    file.save(given)

    def onsets(path: Path) -> list[list[int]]:
        tracks = [track.notes.numpy()["time"].tolist() for track in ScoreTick(path).tracks]
        return [times for times in tracks if times]

    before = onsets(given)
    for asked, kept in (("1, left hand", [2]), ("drone, low", [0, 1]), ("3", [0, 1])):
        out, _ = studio.sample("remi", infill=given, bars="3-4", track=asked)
        after = onsets(out)
        assert [index for index in range(3) if before[index] == after[index]] == kept
    with pytest.raises(UsageError, match="no track 'viola'; it has: 1 "):
        studio.sample("remi", infill=given, bars="3", track="1, viola")


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_track_stays_near_its_own_pitches(studio: Studio, tmp_path: Path, name: str) -> None:
    given = two_hands(tmp_path / "mine.mid", bars=6)
    out, _ = studio.sample(name, infill=given, bars="2-5", track="left hand")
    place = bars(ScoreTick(given))[[1, 5]].tolist()
    own, new = (
        {
            note.pitch
            for note in ScoreTick(path).tracks[-1].notes
            if place[0] <= note.time < place[1]
        }
        for path in (given, out)
    )
    assert min(own) - 4 <= min(new)
    assert max(new) <= max(own) + 4
    high = (ChosenControl("", "lowest", "C6"),)
    out, _ = studio.sample(name, infill=given, bars="2-5", track="left hand", controls=high)
    assert max(note.pitch for note in ScoreTick(out).tracks[-1].notes) >= 84


def test_notes_that_last_beyond_the_bars_are_announced(studio: Studio, tmp_path: Path) -> None:
    file = MidiFile(type=1, ticks_per_beat=QUARTER)
    add(file.add_track(), *note(4, 10, 48), *(each for at in range(24) for each in note(at, 1, 72)))
    file.save(tmp_path / "pedal.mid")
    asked: dict[str, Any] = {"infill": tmp_path / "pedal.mid", "bars": "2"}
    said = Notices()
    studio.sample("remi", said, **asked)
    assert any(
        "written again last into bars 3-4, and end before them" in each for each in said.texts
    )
    said = Notices()
    out, _ = studio.sample("remi", said, **asked, keep="rhythm")
    assert not any("last into" in each for each in said.texts)
    assert 10 * QUARTER in {
        each.duration for track in ScoreTick(out).tracks for each in track.notes
    }


def test_equal_candidates_are_named(studio: Studio) -> None:
    asked: dict[str, Any] = {"infill": MUSETTE, "bars": "3", "count": 2}
    _, batch = studio.sample("remi", **asked, options={"temperature": 0.0})
    first, second = (made.path for made in batch.made)
    assert first.read_bytes() == second.read_bytes()
    assert f"{second.name} is equal to {first.name}" in batch.notices
    assert not any("is equal" in text for text in studio.sample("remi", **asked)[1].notices)


def test_controls_are_for_bars_of_the_file(studio: Studio) -> None:
    asked = {"infill": MUSETTE, "bars": "5-8"}
    low = (ChosenControl("7-8", "highest", "C3"), ChosenControl("", "lowest", "C2"))
    out, _ = studio.sample("remi", controls=low, **asked)
    lines, found = bars(ScoreTick(MUSETTE)), notes(ScoreTick(out))
    written = found.where((found.start >= lines[6]) & (found.start < lines[8]))
    assert len(written)
    assert written.pitch.max() <= 48
    with pytest.raises(UsageError, match="bars 9-10 are not written"):
        studio.sample("remi", controls=(ChosenControl("9-10", "highest", "C3"),), **asked)
    with pytest.raises(UsageError, match="bar 9 is not written; bars 5-8 are"):
        studio.sample("remi", controls=(ChosenControl("9", "highest", "C3"),), **asked)


@pytest.mark.parametrize("name", ["remi", "events"])
def test_controls_in_a_metre_that_the_model_lacks(
    studio: Studio, tmp_path: Path, name: str
) -> None:
    given, ear = two_hands(tmp_path / "mine.mid", (7, 4)), Notices()
    lines, low = bars(ScoreTick(given)), ChosenControl("2", "highest", "C3")
    others = ChosenControl("3-4", "lowest", "C6 | C2"), ChosenControl("3-4", "highest", "C8 | C3")
    out, _ = studio.sample(name, ear, infill=given, bars="2-4", controls=(low, *others))
    assert not any("in turn" in text for text in ear.texts)
    found = notes(ScoreTick(out))
    for first, pitches in ((2, range(49)), (3, range(84, 128)), (4, range(36, 49))):
        here = found.where((found.start >= lines[first - 1]) & (found.start < lines[first]))
        assert set(here.pitch.tolist()) <= set(pitches)
    studio.sample(name, ear, infill=two_hands(given, (11, 8)), bars="2-4")
    assert any("does not write 6/8 and 5/8 in turn" in text for text in ear.texts)


def test_a_bar_that_the_model_lacks_follows_no_control(studio: Studio, tmp_path: Path) -> None:
    """Four bars of 3/4 are three of 4/4, the second of which is for the most part in bar 3."""
    given = two_hands(tmp_path / "mine.mid", (3, 4))
    asked: dict[str, Any] = {"infill": given, "bars": "1-4"}
    for where, lost in (("2", True), ("1-2", True), ("1-3", False), ("", False)):
        low = (ChosenControl(where, "highest", "C3"),)
        _, batch = studio.sample("pianoroll", controls=low, **asked)
        said = described(batch.made[0].composition.notices)
        text = "bar 2: the model writes no bar for this one alone, so the controls (highest)"
        assert any(one.startswith(text) for one in said) == lost


@pytest.mark.parametrize("name", TOKENIZERS)
def test_errors_are_of_bars_of_the_file(studio: Studio, name: str) -> None:
    """Before any range is written: no model is needed to see them."""
    none, ear = parse_controls("7: lowest=61, highest=61, key=C"), Notices()
    strict = {"strict": True}
    places: list[dict[str, Any]] = [{"bars": "5-8"}, {"bars": "2,5-8"}, {"bars": "7", "track": "1"}]
    for asked in places:
        with pytest.raises(UsageError, match="the controls of bar 7 leave no pitch to write"):
            studio.sample(name, ear, infill=MUSETTE, controls=none, options=strict, **asked)
    assert not ear.texts


def test_notices_are_of_bars_of_the_file(studio: Studio) -> None:
    one = (ChosenControl("", "lowest", "C5"), ChosenControl("", "highest", "C5"))
    asked: dict[str, Any] = {"infill": MUSETTE, "bars": "3,5-6", "keep": "rhythm"}
    _, batch = studio.sample("remi", controls=one, **asked)
    (text,) = described(batch.made[0].composition.notices)
    assert text.startswith("bars 3, 5, 6: ")
    with pytest.raises(UsageError, match="density=low does not apply to --keep rhythm"):
        studio.sample("remi", controls=(ChosenControl("", "density", "low"),), **asked)


def highest(path: Path, bar: int) -> int:
    """The highest pitch of the notes that begin in a bar, from 1."""
    score = ScoreTick(path)
    lines, found = bars(score), notes(score)
    here = found.where((found.start >= lines[bar - 1]) & (found.start < lines[bar]))
    assert len(here)
    return int(here.pitch.max())


@pytest.mark.parametrize(
    "chosen",
    [
        [("", "lowest", "C5 | C2"), ("", "highest", "C6 | C3")],
        [("3-6", "lowest", "C5 | C5 | C2 | C2"), ("3-6", "highest", "C6 | C6 | C6 | C3")],
        [("2-6", "highest", "C6 | C6 | C6 | C6 | C3"), ("2-3", "lowest", "C2 | C5")],
        [("6", "highest", "C2"), ("", "highest", "C6 | C3"), ("", "lowest", "C5 | C2")],
    ],
)
def test_values_of_successive_bars_are_those_of_their_bars(studio: Studio, chosen: Any) -> None:
    controls = tuple(ChosenControl(*each) for each in chosen)
    out, _ = studio.sample("remi", infill=MUSETTE, bars="3,6", controls=controls)
    assert highest(out, 3) >= 72
    assert highest(out, 6) <= 48


def test_what_a_model_cannot_represent_is_noticed(studio: Studio, tmp_path: Path) -> None:
    given, listener = two_hands(tmp_path / "mine.mid", bars=6), Notices()
    studio.sample("remi", listener, infill=given, bars="3", options={"memory": 64})
    assert any("key signatures" in text for text in listener.texts)
    assert any("the model's context 64" in text for text in listener.texts)


def test_a_model_trained_before_can_only_continue(studio: Studio) -> None:
    with pytest.raises(UsageError, match="not trained to write between given bars"):
        studio.sample("old", infill=MUSETTE, bars="5-8")
    count = len(bars(ScoreTick(MUSETTE))) - 1
    out, _ = studio.sample("old", infill=MUSETTE, bars=f"{count - 1}-{count}")
    assert assert_rewritten(MUSETTE, out, (count - 1, count)) > 0


def one_note_a_bar(path: Path, beats: int, bars: int) -> Path:
    file = MidiFile(type=1, ticks_per_beat=QUARTER)
    metre = MetaMessage("time_signature", numerator=beats, denominator=4)
    held = [event for bar in range(bars) for event in note(bar * beats, beats, 60 + bar % 5)]
    add(file.add_track(), (0, metre), *held)
    file.save(path)
    return path


def test_more_bars_than_are_written_at_once(studio: Studio, tmp_path: Path) -> None:
    long = one_note_a_bar(tmp_path / "long.mid", 4, 1100)
    wide = one_note_a_bar(tmp_path / "wide.mid", 7, 700)  # as long as 1,225 bars of the model
    asked = (long, "1-1100", 1100), (long, "3,9-1099", 1091), (wide, "1-700", 1225)
    for given, place, count in asked:
        with pytest.raises(UsageError) as error:
            studio.sample("pianoroll", infill=given, bars=place)
        assert str(error.value) == f"{count} bars are more than 1024; give fewer --bars"
    with pytest.raises(UsageError, match="1100 bars are more than 1024; give fewer --bars"):
        studio.sample("pianoroll", accompany=long, bars=1100)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"bars": "90-95"}, "outside the piece; it has bars 1 to 20"),
        ({"bars": "20-21"}, "outside the piece"),
        ({"bars": "0"}, "bar 0 is outside the piece"),
        ({"bars": "8-5"}, "write 5-8"),
        ({"bars": "x"}, "such as 9-12"),
        ({"bars": "3,,4"}, "such as 9-12"),
        ({"bars": ""}, "add --bars"),
        ({"bars": 0}, "add --bars"),
        ({"bars": "3", "prompt": MUSETTE}, "combined with --prompt"),
        ({"bars": "3", "theme": MUSETTE}, "combined with --theme"),
        ({"bars": "3", "form": "ABA"}, "combined with --form"),
        ({"bars": "3", "new_only": True}, "combined with --new-only"),
        ({"bars": "3", "options": {"metre": "3/4"}}, "--metre does not apply"),
        ({"bars": "3", "options": {"max_tokens": 40}}, "--max-tokens does not apply"),
        ({"bars": "3", "infill": "nowhere.mid"}, "nowhere.mid"),
        ({"bars": "3", "controls": (ChosenControl("", "tempo", "90"),)}, "tempo=90 does not apply"),
        ({"bars": "3", "controls": (ChosenControl("3", "metre", "4/4"),)}, "metre=4/4 does not"),
        ({"bars": "3", "controls": (ChosenControl("A", "key", "C"),)}, "no section 'A' without a"),
        ({"bars": "3", "controls": (ChosenControl("4-3", "key", "C"),)}, "write 3-4"),
        (
            {"bars": "3-4", "controls": (ChosenControl("", "key", "C|F|G"),)},
            "for 3 bars, and there",
        ),
        ({"bars": "3-4", "controls": (ChosenControl("3", "key", "C|F"),)}, "and there is one"),
        ({"bars": "3", "infill": None}, None),
        ({"bars": "9-12", "infill": None}, "for bars of a file: --infill FILE"),
        ({"bars": "many", "infill": None}, "write such as --bars 8"),
    ],
)
def test_bad_requests_are_refused(studio: Studio, asked: dict[str, Any], says: str | None) -> None:
    if says is None:
        studio.sample("remi", **asked)  # a number as text is a number
        return
    with pytest.raises(MusictkError) as error:
        studio.sample("remi", **{"infill": MUSETTE, **asked})
    assert says in str(error.value)
    assert error.value.hint


@pytest.mark.parametrize(
    "chosen",
    [
        [("", "highest", "C6 | C6 | C3 | C3")],
        [("3-4", "highest", "C3")],
        [("B", "highest", "C3"), ("A", "lowest", "C5")],
        [("2-4", "highest", "C6 | C3")],
    ],
)
def test_a_section_keeps_the_controls_of_its_bars(
    studio: Studio, tmp_path: Path, chosen: Any
) -> None:
    controls = tuple(ChosenControl(*each) for each in chosen)
    _, batch = studio.sample("remi", form="AB", bars=2, controls=controls)
    number = batch.made[0].id
    for seed in range(2):  # the second time a section that was rewritten
        assert number is not None
        out = tmp_path / f"{seed}.mid"
        done = recompose(studio.catalog, studio.workspace, number, "B", out, seed=seed)
        assert highest(out, 3) <= 48
        number = done.made[0].id


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_section_of_a_sample_is_written_again(studio: Studio, tmp_path: Path, name: str) -> None:
    given, batch = studio.sample(name, form="ABA", bars=2)
    number = batch.made[0].id
    assert number is not None
    given = given.rename(tmp_path / "given.mid")  # so the sample is made again
    out = tmp_path / "out.mid"
    args = (studio.catalog, studio.workspace, number)
    done = recompose(*args, "B", out, seed=5)
    assert_rewritten(given, out, (3, 4))
    assert midi.sections(ScoreTick(out)) == midi.sections(ScoreTick(given))
    first = out.read_bytes()
    recompose(*args, "B", out, seed=5)
    assert out.read_bytes() == first
    assert done.made[0].id is not None
    repeat_sample(studio.catalog, studio.workspace, done.made[0].id, tmp_path / "again.mid")
    assert (tmp_path / "again.mid").read_bytes() == first
    later = recompose(*args, "A2", tmp_path / "a2.mid", seed=5)
    assert later.made[0].rewritten is not None
    assert later.made[0].rewritten.bars == ((5, 6),)
    said = Notices()
    every = recompose(*args, "A", tmp_path / "a.mid", count=2, listener=said)
    assert any("to keep the others: --section A1" in text for text in said.texts)
    assert [made.rewritten.bars for made in every.made if made.rewritten] == [((1, 2), (5, 6))] * 2
    with pytest.raises(UsageError, match=r"no section 'C'; its sections are A B A"):
        recompose(*args, "C", out)
    with pytest.raises(UsageError, match=r"no section 'B2'"):
        recompose(*args, "B2", out)
