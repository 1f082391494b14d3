"""Play audio on the machine's audio device, with the package miniaudio."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.errors import MusictkError, install_command

_NULL = "Null"  # the backend that plays nothing, chosen where a machine has no other
_PATIENCE = 5.0  # seconds for a device to take the next samples


def require_player() -> None:
    """Raise MusictkError without the package miniaudio."""
    _miniaudio()


def play(
    samples: NDArray[np.float32],
    rate: int,
    progress: Callable[[float], None] = lambda seconds: None,
    backends: Sequence[str] = (),
) -> None:
    """Play (N, 2) samples and return when they have ended; Ctrl-C stops them.

    `progress` is called with the seconds played. `backends` are names of `miniaudio.Backend`, such
    as "PULSEAUDIO" or "NULL", which plays nothing in the same time; without any, those that the
    system has. Raises MusictkError where there is no audio device.
    """
    miniaudio = _miniaudio()
    ended, played = threading.Event(), [0]
    stream = _stream(samples, played, ended)
    next(stream)
    done, since = 0, time.monotonic()
    device = _device(miniaudio, rate, [miniaudio.Backend[name] for name in backends])
    try:
        device.start(stream)
        while not ended.wait(_PATIENCE / 50):
            done, since = _stalled(played[0], done, since)
            progress(done / rate)
        progress(len(samples) / rate)
    finally:
        device.close()


def _stalled(played: int, before: int, since: float) -> tuple[int, float]:
    """What has been played, and since when; raises MusictkError after some seconds of nothing."""
    now = time.monotonic()
    if played > before:
        return played, now
    if now - since > _PATIENCE:
        raise MusictkError("the audio device has stopped", "connect it, then play the file")
    return before, since


def _stream(
    samples: NDArray[np.float32], played: list[int], ended: threading.Event
) -> Generator[NDArray[np.float32] | bytes, int, None]:
    """Yield as many samples as the device asks for, then silence until it has played them all."""
    wanted = yield b""
    while played[0] < len(samples):
        block = samples[played[0] : played[0] + wanted]
        played[0] += len(block)
        wanted = yield np.ascontiguousarray(block, np.float32)
    for _ in range(4):  # the device's own buffers
        wanted = yield np.zeros((wanted, samples.shape[1]), np.float32)
    ended.set()
    while True:
        wanted = yield np.zeros((wanted, samples.shape[1]), np.float32)


def _device(miniaudio: Any, rate: int, backends: list[Any]) -> Any:
    hint = "play the file on another machine, or connect a device"
    try:
        with _quiet():
            device = miniaudio.PlaybackDevice(
                output_format=miniaudio.SampleFormat.FLOAT32,
                nchannels=2,
                sample_rate=rate,
                backends=backends or None,
                app_name="musictk",
            )
    except miniaudio.MiniaudioError as error:
        raise MusictkError("this machine has no audio device that can be opened", hint) from error
    if device.backend == _NULL and not backends:
        device.close()
        raise MusictkError("this machine has no audio device", hint)
    return device


def _miniaudio() -> Any:
    try:
        import miniaudio
    except (ImportError, OSError) as error:
        hint = install_command("play")
        raise MusictkError("playing audio needs the package miniaudio", hint) from error
    return miniaudio


@contextmanager
def _quiet() -> Generator[None, None, None]:
    """Drop what C libraries print on stderr: ALSA prints a dozen lines where it has no device."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # the program was started without one
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
