from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick

from musictk.errors import MusictkError
from musictk.rendering import audio, soundfonts
from tests.rendering.test_audio import chunk, four_quarters, tiny_soundfont


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home without soundfonts."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def phrase(program: int, drums: bool, pitches: range) -> ScoreTick:
    score, track = ScoreTick(480), TrackTick("", program, drums)
    score.tempos.append(TempoTick(0, 120))
    for index, pitch in enumerate(pitches):
        track.notes.append(NoteTick(index * 480, 480, pitch, 100))
    score.tracks.append(track)
    return score


def loudest_each_second(score: ScoreTick, soundfont: Path) -> list[float]:
    settings = audio.AudioSettings(rate=16_000)
    samples = np.abs(audio.synthesize(score, soundfont, settings)).max(axis=1)
    beats = int(score.end()) // 480
    return [float(part.max()) for part in np.split(samples[: beats * 8_000], beats)]


def test_the_built_in_soundfont_plays_every_program_and_the_drums() -> None:
    for program in range(128):
        heard = loudest_each_second(phrase(program, False, range(60, 61)), soundfonts.BUILT_IN)
        assert min(heard) > 1e-3, program
    assert min(loudest_each_second(phrase(0, True, range(35, 82)), soundfonts.BUILT_IN)) > 1e-3


def test_the_drums_are_no_piano() -> None:
    settings = audio.AudioSettings(rate=16_000)
    drums, piano = (
        audio.synthesize(phrase(0, drums, range(35, 50)), soundfonts.BUILT_IN, settings)[:, 0]
        for drums in (True, False)
    )
    size = min(len(drums), len(piano))
    assert abs(np.corrcoef(drums[:size], piano[:size])[0, 1]) < 0.5


def test_it_ships_with_its_licence_and_in_one_file_of_at_most_16_mb() -> None:
    licence = soundfonts.BUILT_IN.with_name("LICENSE.md").read_text("utf-8")
    for name in ("Frank Wen", "Michael Cowgill", "Ethan Winer", "Michael Schorsch"):
        assert name in licence
    assert "Permission is hereby granted, free of charge" in licence
    assert soundfonts.BUILT_IN.stat().st_size <= 16e6


def test_without_other_soundfonts_the_built_in_one_is_used(home: Path) -> None:
    assert soundfonts.find_soundfont() == soundfonts.BUILT_IN
    assert audio.render(four_quarters(), home / "out.wav") > 3.9


def test_one_in_the_user_s_folder_comes_first(home: Path) -> None:
    folder = home / ".local/share/soundfonts"
    folder.mkdir(parents=True)
    mine = tiny_soundfont(folder / "mine.sf2")
    assert soundfonts.find_soundfont() == mine


def test_a_missing_soundfont_has_a_hint(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfonts, "BUILT_IN", home / "none.sf3")
    with pytest.raises(MusictkError, match="--soundfont"):
        soundfonts.find_soundfont()


def test_a_file_that_is_no_soundfont_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "fake.sf2").write_bytes(b"RIFF    WAVE" * 9)
    with pytest.raises(MusictkError, match="not a soundfont"):
        audio.render(four_quarters(), tmp_path / "out.wav", tmp_path / "fake.sf2")
    with pytest.raises(MusictkError, match="cannot be read"):
        audio.render(four_quarters(), tmp_path / "out.wav", tmp_path / "missing.sf2")
    assert not (tmp_path / "out.wav").exists()


def altered(path: Path, name: bytes, at: int, value: bytes) -> Path:
    """The soundfont with bytes of a list replaced."""
    data = bytearray(path.read_bytes())
    start = data.index(name, data.rindex(b"pdta")) + 8 + at
    data[start : start + len(value)] = value
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        (b"phdr", 24, b"\x09\x00"),  # a zone that does not exist
        (b"pgen", 2, b"\x07\x00"),  # an instrument that does not exist
        (b"igen", 0, b"\x00\x80"),  # an unknown generator
        (b"igen", 2, b"\x01\x01"),  # an unknown way to loop
        (b"igen", 6, b"\x05\x00"),  # a sample that does not exist
        (b"shdr", 24, b"\xff\xff\xff\x00"),  # a sample that ends after the data
        (b"shdr", 20, b"\x10\x00\x00\x00"),  # a loop before its sample
        (b"shdr", 36, b"\x00\x00\x00\x00"),  # no sample rate
        (b"shdr", 36, b"\x33\x66\x00\x04"),  # 67 million samples per second
        (b"shdr", 40, b"\xbc"),  # no key of MIDI
    ],
)
def test_damage_that_would_crash_the_synthesizer_is_found(
    tmp_path: Path, name: bytes, at: int, value: bytes
) -> None:
    path = altered(tiny_soundfont(tmp_path / "tiny.sf2"), name, at, value)
    with pytest.raises(MusictkError, match="damaged"):
        soundfonts.check_soundfont(path)


@pytest.mark.parametrize(
    ("mode", "moves"),
    [
        (1, [(1, -9)]),  # the sample ends before its loop
        (1, [(12, -1)]),  # it ends before it starts
        (0, [(12, -1)]),
        (0, [(4, 1)]),  # it starts after its end
        (3, [(0, 20)]),  # it starts after its loop does
        (3, [(2, 101)]),  # the loop starts after its end
        (3, [(3, -101)]),  # the loop ends before its start
    ],
)
def test_an_instrument_that_plays_outside_of_its_sample_is_found(
    tmp_path: Path, mode: int, moves: list[tuple[int, int]]
) -> None:
    """The synthesizer reads what is in memory, or crashes."""
    generators = (*moves, (54, mode))
    path = tiny_soundfont(tmp_path / "tiny.sf2", generators=generators)
    with pytest.raises(MusictkError, match="damaged"):
        soundfonts.check_soundfont(path)
    tiny_soundfont(path, generators=((1, -7), (54, mode)))
    soundfonts.check_soundfont(path)


def test_chunks_with_the_same_name_are_damage(tmp_path: Path) -> None:
    data = tiny_soundfont(tmp_path / "tiny.sf2").read_bytes()
    body = data[data.index(b"LIST", 13) :]
    path = tmp_path / "twice.sf2"
    path.write_bytes(chunk(b"RIFF", data[8:] + body))
    with pytest.raises(MusictkError, match="damaged"):
        soundfonts.check_soundfont(path)


def rendered(path: Path) -> NDArray[np.float32]:
    settings = audio.AudioSettings(rate=16_000)
    return audio.synthesize(phrase(0, False, range(48, 84, 5)), path, settings)


@pytest.mark.parametrize("end", [100, 60])
def test_a_loop_that_ends_with_its_sample_or_after_it_sounds_right(
    tmp_path: Path, end: int
) -> None:
    """The synthesizer does not compute the last point, and plays what is in memory instead."""
    right = rendered(tiny_soundfont(tmp_path / "right.sf2"))
    assert np.array_equal(rendered(tiny_soundfont(tmp_path / "tiny.sf2", end)), right)


def test_a_loop_that_ends_with_the_data_starts_earlier(tmp_path: Path) -> None:
    path = tiny_soundfont(tmp_path / "tiny.sf2", end=146, loop=(46, 146))
    with soundfonts.playable(path, 16_000, 60) as corrected:
        data = corrected.read_bytes()
    start = data.index(b"sine", data.index(b"shdr"))
    assert struct.unpack_from("<IIII", data, start + 20) == (0, 146, 45, 145)


@pytest.mark.parametrize("mode", [1, 3])
@pytest.mark.parametrize("loop", [(0, 0), (40, 40)])
def test_a_loop_without_length_does_not_hang_the_synthesizer(
    tmp_path: Path, mode: int, loop: tuple[int, int]
) -> None:
    path = tiny_soundfont(tmp_path / "tiny.sf2", loop=loop, generators=((54, mode),))
    assert rendered(path).any()


@pytest.mark.parametrize("rate", [48_000, 65_535, 88_200, 96_000, 192_000])
def test_samples_of_every_rate_sound_at_their_pitch(tmp_path: Path, rate: int) -> None:
    """The synthesizer keeps 16 bits of it: those of 88,200 and more were silent."""
    path = tiny_soundfont(tmp_path / "tiny.sf2")
    altered(path, b"shdr", 36, struct.pack("<I", rate))
    samples = audio.synthesize(phrase(0, False, range(60, 61)), path, audio.AudioSettings())
    heard = samples[2_000:20_000, 0] * np.hanning(18_000)
    found = np.abs(np.fft.rfft(heard, 1 << 18)).argmax() * 44_100 / (1 << 18)
    cents = 1200 * np.log2(found / (rate / 100))
    assert abs(cents) < 80  # the loop, of 46 frames at 96 kHz, has a whole number of them


def test_a_loop_too_short_for_a_high_note_starts_earlier(tmp_path: Path) -> None:
    """At two octaves above its key nothing is left of a loop of two points: it would hang."""
    path = tiny_soundfont(tmp_path / "tiny.sf2", loop=(50, 52))
    assert rendered(path).any()
    tiny_soundfont(path, loop=(0, 2))
    with pytest.raises(MusictkError, match="damaged"):
        rendered(path)
    soundfonts.check_soundfont(path)  # lower notes are fine


def test_a_soundfont_with_right_loops_is_played_as_it_is(tmp_path: Path) -> None:
    path = tiny_soundfont(tmp_path / "tiny.sf2")
    with soundfonts.playable(path, 16_000, 127) as same:
        assert same == path


def test_of_the_built_in_soundfont_loops_that_end_with_their_samples_are_corrected() -> None:
    """Those of church organ, slap bass and three others, which played what was in memory."""
    with soundfonts.playable(soundfonts.BUILT_IN, 44_100, 108) as corrected:
        assert corrected != soundfonts.BUILT_IN
        with soundfonts.playable(corrected, 44_100, 108) as again:
            assert again == corrected


@pytest.mark.parametrize("kept", [13, 30, 200, 400, 700])
def test_a_cut_file_is_damaged(tmp_path: Path, kept: int) -> None:
    path = tiny_soundfont(tmp_path / "tiny.sf2")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(MusictkError, match="damaged"):
        soundfonts.check_soundfont(path)


def test_chunks_of_odd_length_may_lack_their_padding(tmp_path: Path) -> None:
    body = tiny_soundfont(tmp_path / "tiny.sf2").read_bytes()[12:]
    for odd in (chunk(b"LIST", b"more" + b"x"), chunk(b"LIST", b"more" + b"x")[:-1]):
        path = tmp_path / "odd.sf2"
        path.write_bytes(chunk(b"RIFF", b"sfbk" + odd + body))
        soundfonts.check_soundfont(path)


def test_samples_that_cannot_be_decoded_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "damaged.sf3"
    path.write_bytes(soundfonts.BUILT_IN.read_bytes().replace(b"\x01vorbis", b"\x01VORBIS"))
    with pytest.raises(MusictkError, match="cannot be read"):
        audio.render(four_quarters(), tmp_path / "out.wav", path)
