"""The built-in model: trained weights that come with musictk, for `sample` without a run.

    README.md                what it was trained on and how good it is: its model card
    run.json                 the settings and results of its run
    weights/                 its best checkpoint in half precision, a bundle to train from
    onnx/                    its export with int8 weights, a bundle to sample from
    training.safetensors     the sketches of its training pieces: they tell near-duplicates
    reference.safetensors    what `sample --original` compares with

`python -m benchmarks.builtin_model` writes all of it. Free of torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from musictk.errors import MusictkError
from musictk.files import atomic, read_json, write_json

NAME = "built-in"  # no run can have this name
FOLDER = Path(__file__).parent
WEIGHTS, ONNX, CARD = FOLDER / "weights", FOLDER / "onnx", FOLDER / "README.md"
RUN, TRAINING = "run.json", "training.safetensors"
_AGAIN = "install musictk again"


def read_run(folder: Path = FOLDER) -> Mapping[str, Any]:
    """`settings` and `metrics` of its run, as the catalog stores those of other runs.

    Raises MusictkError where the file is missing or damaged.
    """
    found = read_json(folder / RUN)
    if not all(isinstance(found.get(key), Mapping) for key in ("settings", "metrics")):
        raise MusictkError(f"{folder / RUN} has no settings or metrics", _AGAIN)
    return found


def write_run(folder: Path, settings: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
    """Write what `read_run` reads."""
    write_json(folder / RUN, {"settings": dict(settings), "metrics": dict(metrics)})


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
        raise MusictkError(f"cannot read {folder / TRAINING}: {error}", _AGAIN) from error
    return [each.tobytes() for each in np.split(words, np.cumsum(lengths)[:-1])]


def write_training_sketches(folder: Path, sketches: Iterable[bytes]) -> None:
    """Write what `training_sketches` reads: words (W,) uint32 and lengths (P,) uint32."""
    words = [np.frombuffer(each, "<u4").astype(np.uint32) for each in sketches]
    lengths = np.array([len(each) for each in words], np.uint32)
    with atomic(folder / TRAINING, SafetensorError) as temporary:
        save_file({"words": np.concatenate(words), "lengths": lengths}, str(temporary))
