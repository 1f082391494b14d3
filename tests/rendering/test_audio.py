from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick

from musictk.errors import MusictkError, UsageError
from musictk.rendering import audio
from musictk.rendering.loudness import decibels, integrated_loudness, true_peak
from musictk.rendering.soundfonts import BUILT_IN


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def tiny_soundfont(
    path: Path,
    end: int = 108,
    loop: tuple[int, int] = (0, 100),
    generators: tuple[tuple[int, int], ...] = ((54, 1),),
) -> Path:
    """The smallest SoundFont 2: one looped sine of 100 samples, middle C, on program 0."""
    sine = (np.sin(2 * np.pi * np.arange(100) / 100) * 20000).astype("<i2")
    data = np.concatenate([sine, np.zeros(46, "<i2")]).tobytes()
    zone = b"".join(struct.pack("<Hh", *pair) for pair in (*generators, (53, 0), (0, 0)))
    sample = struct.pack("<20sIIIIIBbHH", b"sine", 0, end, *loop, 26163, 60, 0, 0, 1)
    preset = struct.pack("<20sHHHIII", b"sine", 0, 0, 0, 0, 0, 0)
    lists = {
        b"phdr": preset + struct.pack("<20sHHHIII", b"EOP", 0, 0, 1, 0, 0, 0),
        b"pbag": struct.pack("<HHHH", 0, 0, 1, 0),
        b"pmod": bytes(10),
        b"pgen": struct.pack("<Hh", 41, 0) + bytes(4),
        b"inst": struct.pack("<20sH", b"sine", 0) + struct.pack("<20sH", b"EOI", 1),
        b"ibag": struct.pack("<HHHH", 0, 0, len(generators) + 1, 0),
        b"imod": bytes(10),
        b"igen": zone,
        b"shdr": sample + struct.pack("<20sIIIIIBbHH", b"EOS", *[0] * 9),
    }
    hydra = b"".join(chunk(name, content) for name, content in lists.items())
    info = chunk(b"ifil", struct.pack("<HH", 2, 1)) + chunk(b"INAM", b"tiny\0\0")
    body = chunk(b"LIST", b"INFO" + info) + chunk(b"LIST", b"sdta" + chunk(b"smpl", data))
    path.write_bytes(chunk(b"RIFF", b"sfbk" + body + chunk(b"LIST", b"pdta" + hydra)))
    return path


def four_quarters() -> ScoreTick:
    score = ScoreTick(480)
    score.tempos.append(TempoTick(0, 120))
    track = TrackTick()
    for index in range(4):
        track.notes.append(NoteTick(index * 480, 480, 60 + index, 90))
    score.tracks.append(track)
    return score


@pytest.fixture
def soundfont(tmp_path: Path) -> Path:
    return tiny_soundfont(tmp_path / "tiny.sf2")


def test_wav_lasts_as_long_as_the_piece_and_its_tail(tmp_path: Path, soundfont: Path) -> None:
    seconds = audio.render(four_quarters(), tmp_path / "out.wav", soundfont)
    with wave.open(str(tmp_path / "out.wav")) as file:
        assert file.getnchannels() == 2
        assert file.getnframes() == round(seconds * 44_100)
    assert seconds == pytest.approx(4.0, abs=1e-4)


@pytest.mark.parametrize("qpm", [20.0, 400.0])
def test_a_tempo_after_the_last_note_does_not_change_the_length(
    tmp_path: Path, soundfont: Path, qpm: float
) -> None:
    score = four_quarters()
    score.tempos.append(TempoTick(9 * 480, qpm))
    assert audio.render(score, tmp_path / "out.wav", soundfont) == pytest.approx(4.0, abs=1e-4)


def test_the_last_note_fades_and_nothing_sounds_after_it(tmp_path: Path) -> None:
    """The synthesizer needs a note after the end, and plays even one of velocity 0."""
    settings = audio.AudioSettings(tail=4.0)
    audio.render(four_quarters(), tmp_path / "out.wav", BUILT_IN, settings)
    loudest = np.abs(read_wav(tmp_path / "out.wav")).max(1)
    assert loudest[2 * settings.rate : 5 * settings.rate // 2].max() > 0.01
    assert loudest[-settings.rate :].max() == 0


@pytest.mark.parametrize("program", [19, 46, 97])  # organ, harp, a slow synthesizer
def test_instruments_that_ring_on_fade_out(tmp_path: Path, program: int) -> None:
    score = four_quarters()
    score.tracks[0].program = program
    audio.render(score, tmp_path / "out.wav", BUILT_IN)
    loudest = np.abs(read_wav(tmp_path / "out.wav")).max(1)
    assert loudest[-441:].max() < 0.02 * loudest.max()  # the last 10 ms


def read_wav(path: Path) -> NDArray[np.float64]:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return samples.reshape(-1, 2) / 32767


def test_a_file_has_the_loudness_that_was_asked_for(tmp_path: Path, soundfont: Path) -> None:
    for lufs in (-18.0, -23.0):
        settings = audio.AudioSettings(loudness=lufs)
        audio.render(four_quarters(), tmp_path / "out.wav", soundfont, settings)
        samples = read_wav(tmp_path / "out.wav")
        assert integrated_loudness(samples, settings.rate) == pytest.approx(lufs, abs=0.05)
        assert decibels(true_peak(samples)) < settings.true_peak


def test_the_true_peak_comes_before_the_loudness(tmp_path: Path) -> None:
    settings = audio.AudioSettings(loudness=-3.0)
    audio.render(four_quarters(), tmp_path / "out.wav", BUILT_IN, settings)
    samples = read_wav(tmp_path / "out.wav")
    assert decibels(true_peak(samples)) == pytest.approx(settings.true_peak, abs=0.01)
    assert integrated_loudness(samples, settings.rate) < -6


@pytest.mark.parametrize("suffix", [".flac", ".mp3", ".ogg"])
def test_compressed_formats(tmp_path: Path, soundfont: Path, suffix: str) -> None:
    import soundfile

    audio.render(four_quarters(), tmp_path / f"out{suffix}", soundfont)
    assert soundfile.info(str(tmp_path / f"out{suffix}")).duration == pytest.approx(4.0, abs=0.2)


def test_unknown_formats_are_refused(tmp_path: Path, soundfont: Path) -> None:
    with pytest.raises(UsageError, match=r"\.aiff.*\.flac"):
        audio.render(four_quarters(), tmp_path / "out.aiff", soundfont)


def test_an_endless_piece_is_refused(tmp_path: Path, soundfont: Path) -> None:
    score = four_quarters()
    score.tracks[0].notes.append(NoteTick(2**30, 480, 60, 90))
    with pytest.raises(MusictkError, match="hours"):
        audio.render(score, tmp_path / "out.wav", soundfont)
