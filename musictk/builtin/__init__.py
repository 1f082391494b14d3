"""The built-in model: trained weights that come with musictk, for `sample` without a run.

    README.md                what it was trained on and how good it is: its model card
    run.json                 the settings and results of its run
    weights/                 its best checkpoint in half precision, a bundle to train from
    onnx/                    its export with int8 weights, a bundle to sample from
    training.safetensors     the sketches of its training pieces: they tell near-duplicates
    reference.safetensors    what `sample --original` compares with

`python -m benchmarks.builtin_model` writes all of it. Free of torch, and this module of numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from musictk.errors import MusictkError
from musictk.files import read_json, write_json

NAME = "built-in"  # no run can have this name
FOLDER = Path(__file__).parent
WEIGHTS, ONNX, CARD = FOLDER / "weights", FOLDER / "onnx", FOLDER / "README.md"
RUN = "run.json"
AGAIN = "install musictk again"


def read_run(folder: Path = FOLDER) -> Mapping[str, Any]:
    """`settings` and `metrics` of its run, as the catalog stores those of other runs.

    Raises MusictkError where the file is missing or damaged.
    """
    found = read_json(folder / RUN)
    if not all(isinstance(found.get(key), Mapping) for key in ("settings", "metrics")):
        raise MusictkError(f"{folder / RUN} has no settings or metrics", AGAIN)
    return found


def write_run(folder: Path, settings: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
    """Write what `read_run` reads."""
    write_json(folder / RUN, {"settings": dict(settings), "metrics": dict(metrics)})
