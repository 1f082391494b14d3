from __future__ import annotations

import time

import numpy as np
import pytest

from musictk.errors import MusictkError
from musictk.rendering import speaker


def tone(seconds: float, rate: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    wave = np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
    return np.stack([wave, wave], axis=1).astype(np.float32)


def test_samples_are_played_to_their_end_in_real_time() -> None:
    heard: list[float] = []
    start = time.monotonic()
    speaker.play(tone(1.2, 22_050), 22_050, heard.append, ("NULL",))
    assert 1.0 < time.monotonic() - start < 10
    assert heard == sorted(heard)
    assert heard[-1] == pytest.approx(1.2)


def test_a_machine_without_a_device_says_so_in_one_line(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(MusictkError, match="no audio device"):
        speaker.play(tone(0.1, 22_050), 22_050, backends=("OPENSL",))  # of Android only
    assert capfd.readouterr() == ("", "")


def test_an_interruption_stops_the_device() -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        speaker.play(tone(60, 22_050), 22_050, interrupt, ("NULL",))
    assert time.monotonic() - start < 10
