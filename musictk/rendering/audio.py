"""Render a Score to audio with a soundfont: WAV; FLAC, MP3 and OGG with the package soundfile."""

from __future__ import annotations

import io
import math
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic import Synthesizer
from symusic.core import NoteTick, ScoreTick, TempoTickList

from musictk.errors import MusictkError, UsageError, install_command
from musictk.files import atomic, cause, write_bytes
from musictk.music import duration, last_tick, notes, tempo_at
from musictk.rendering.loudness import decibels, integrated_loudness, true_peak
from musictk.rendering.soundfonts import find_soundfont, playable

COMPRESSED = {".flac": "FLAC", ".mp3": "MP3", ".ogg": "OGG"}
LONGEST = 2 * 3600  # seconds; two hours of stereo are 2.5 GB in memory
_MARGIN = 0.5  # seconds between the end of the audio and the note after it


@dataclass(frozen=True)
class AudioSettings:
    """Settings of audio rendering."""

    rate: int = 44_100  # samples per second
    loudness: float = -18.0  # LUFS, integrated over the piece (EBU R 128)
    true_peak: float = -1.0  # dBTP; a piece that would exceed it is made softer
    tail: float = 2.0  # seconds after the last note; in its second half the sound fades out


def render(
    score: ScoreTick,
    path: Path,
    soundfont: Path | None = None,
    settings: AudioSettings | None = None,
) -> float:
    """Write `path` (.wav, .flac, .mp3 or .ogg by its suffix); return its duration in seconds.

    Raises UsageError for another suffix; MusictkError where there is no soundfont, or the piece is
    empty, silent or longer than two hours.
    """
    settings = settings or AudioSettings()
    require_format(path)
    samples = synthesize(score, soundfont or find_soundfont(), settings)
    write(samples, path, settings.rate)
    return len(samples) / settings.rate


def write(samples: NDArray[np.float32], path: Path, rate: int) -> None:
    """Write (N, 2) samples in the format of the suffix; raises as `render` does for a suffix."""
    require_format(path)
    suffix = path.suffix.lower()
    if suffix == ".wav":
        with atomic(path) as temporary:
            _write_wav(temporary, samples, rate)
    else:
        write_bytes(path, _compressed(samples, rate, COMPRESSED[suffix]))


def require_format(path: Path) -> None:
    """Raise UsageError for a suffix that is no audio format, MusictkError without its encoder."""
    suffix = path.suffix.lower()
    if suffix != ".wav" and suffix not in COMPRESSED:
        known = ", ".join([".wav", *COMPRESSED])
        raise UsageError(f"unknown audio format {suffix!r} of {path}", f"choose from: {known}")
    if suffix in COMPRESSED:
        _encoder(COMPRESSED[suffix])


def synthesize(score: ScoreTick, soundfont: Path, settings: AudioSettings) -> NDArray[np.float32]:
    """(N, 2) float32 samples at the loudness of `settings`, below its true peak."""
    seconds = duration(score)
    if not 0 < seconds <= LONGEST:
        said = "is empty" if seconds <= 0 else f"lasts {seconds / 3600:.1f} hours"
        raise MusictkError(f"the piece {said}", "render one that lasts up to two hours")
    samples = _synthesized(score, soundfont, settings)
    if not samples.any():  # so it is where the synthesizer cannot open the file, which it hides
        samples = _synthesized(score, soundfont, settings)
    if not samples.any() or not np.isfinite(samples).all():
        raise MusictkError(f"{soundfont} gives no sound for this piece", "choose another soundfont")
    return samples * np.float32(_gain(samples, settings))


def _synthesized(score: ScoreTick, soundfont: Path, settings: AudioSettings) -> NDArray[np.float32]:
    """(N, 2) samples as the synthesizer gives them. Raises MusictkError for a damaged soundfont."""
    with playable(soundfont, settings.rate, int(notes(score).pitch.max())) as file:
        try:
            synthesizer = Synthesizer(str(file), settings.rate)
            rendered = synthesizer.render(_let_ring(score, settings), True)
        except RuntimeError as error:
            message = f"the soundfont {soundfont} cannot be read: {cause(error)}"
            raise MusictkError(message, "choose another .sf2 or .sf3 file") from error
    kept = round((duration(score) + settings.tail) * settings.rate)
    samples = np.ascontiguousarray(rendered.T[:kept])
    fading = round(settings.tail / 2 * settings.rate)  # harps and bells ring longer than the tail
    samples[len(samples) - fading :] *= np.linspace(1, 0, fading, dtype=np.float32)[:, None]
    return samples


def _gain(samples: NDArray[np.float32], settings: AudioSettings) -> float:
    """The factor to the loudness of `settings`; smaller where the true peak allows no more."""
    lufs = integrated_loudness(samples, settings.rate)
    room = settings.true_peak - decibels(true_peak(samples))
    return float(10 ** (min(settings.loudness - lufs, room) / 20))


def _let_ring(score: ScoreTick, settings: AudioSettings) -> ScoreTick:
    """A copy with a note after the `tail`: the synthesizer stops where the last note ends.

    Even a note of velocity 0 sounds, so it lies past the samples that are kept.
    """
    longer, end = score.copy(), last_tick(score)
    tempos = [tempo for tempo in score.tempos if tempo.time <= end]
    longer.tempos = TempoTickList(sorted(tempos, key=lambda tempo: tempo.time))
    quarters = (settings.tail + _MARGIN) * 1e6 / tempo_at(score, end)
    time = end + math.ceil(quarters * longer.ticks_per_quarter)
    longer.tracks[0].notes.append(NoteTick(time, 0, 0, 1))
    return longer


def _write_wav(path: Path, samples: NDArray[np.float32], rate: int) -> None:
    with path.open("wb") as stream, wave.open(stream, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        for block in _blocks(samples):
            file.writeframes(np.round(block * 32767).astype("<i2").tobytes())


def _compressed(samples: NDArray[np.float32], rate: int, kind: str) -> bytes:
    """Compress in memory, because libsndfile does not report why writing to a disk fails."""
    soundfile = _encoder(kind)
    options: dict[str, Any] = {"format": kind, "samplerate": rate, "channels": samples.shape[1]}
    stream = io.BytesIO()
    with soundfile.SoundFile(stream, "w", **options) as file:
        for block in _blocks(samples):  # OGG written in one call crashes libsndfile
            file.write(block)
    return stream.getvalue()


def _encoder(kind: str) -> Any:
    """The package soundfile; raises MusictkError without it, or without that format."""
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: without libsndfile
        hint = f"{install_command('audio')}, or write a .wav"
        raise MusictkError(f"{kind} needs the package soundfile", hint) from error
    if kind not in soundfile.available_formats():
        message = f"the installed libsndfile cannot write {kind}"
        raise MusictkError(message, "upgrade the package soundfile, or write a .wav")
    return soundfile


def _blocks(samples: NDArray[np.float32], size: int = 4096) -> Iterator[NDArray[np.float32]]:
    return (samples[start : start + size] for start in range(0, len(samples), size))
