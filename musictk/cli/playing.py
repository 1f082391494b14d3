"""Play audio behind a progress bar, for `--play`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musictk.cli.interruption import InterruptionError
from musictk.cli.output import Output
from musictk.rendering import speaker


def play_samples(output: Output, samples: NDArray[np.float32], rate: int) -> None:
    """Play (N, 2) samples on the audio device. Raises MusictkError without one, or on Ctrl-C."""
    whole = len(samples) / rate
    with output.progress("playing") as bar:
        try:
            speaker.play(samples, rate, lambda seconds: bar.update(seconds, whole))
        except KeyboardInterrupt as error:
            raise InterruptionError(error, "--play") from error
