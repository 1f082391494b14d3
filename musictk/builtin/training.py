"""The sketches of the pieces that the built-in models were trained on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from musictk.builtin import AGAIN, FOLDER
from musictk.errors import MusictkError
from musictk.files import atomic

TRAINING = "training.safetensors"


def training_sketches(folder: Path = FOLDER) -> list[bytes]:
    """The sketches of the training pieces (`musictk.sketches`), in no order of interest.

    Raises MusictkError where the file is missing or damaged.
    """
    try:
        arrays = load_file(folder / TRAINING)
        words, lengths = arrays["words"].astype("<u4"), arrays["lengths"]
        if int(lengths.sum()) != len(words):
            raise ValueError("the lengths do not match")
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise MusictkError(f"cannot read {folder / TRAINING}: {error}", AGAIN) from error
    return [each.tobytes() for each in np.split(words, np.cumsum(lengths)[:-1])]


def write_training_sketches(folder: Path, sketches: Iterable[bytes]) -> None:
    """Write what `training_sketches` reads: words (W,) uint32 and lengths (P,) uint32."""
    words = [np.frombuffer(each, "<u4").astype(np.uint32) for each in sketches]
    lengths = np.array([len(each) for each in words], np.uint32)
    with atomic(folder / TRAINING, SafetensorError) as temporary:
        save_file({"words": np.concatenate(words), "lengths": lengths}, str(temporary))
