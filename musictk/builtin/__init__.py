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

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from musictk.errors import MusictkError
from musictk.files import read_json, write_json

NAME = "built-in"  # no run can have this name
FOLDER = Path(__file__).parent
WEIGHTS, ONNX, CARD = FOLDER / "weights", FOLDER / "onnx", FOLDER / "README.md"
RUN = "run.json"
_KEYS = ("settings", "metrics")
AGAIN = "install musictk again"


def read_run(folder: Path = FOLDER) -> Mapping[str, Any]:
    """`settings` and `metrics` of its run, as the catalog stores those of other runs.

    `earlier` has those of the runs before it, each of which it started from in turn. Raises
    MusictkError where the file is missing or damaged.
    """
    found = read_json(folder / RUN)
    runs = [found, *found.get("earlier", ())]
    if not all(isinstance(run.get(key), Mapping) for run in runs for key in _KEYS):
        raise MusictkError(f"{folder / RUN} has no settings or metrics", AGAIN)
    return found


def write_run(folder: Path, run: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> None:
    """Write what `read_run` reads. No `earlier` run has earlier ones itself."""
    runs = [{key: dict(each[key]) for key in _KEYS} for each in (run, *earlier)]
    write_json(folder / RUN, {**runs[0], "earlier": runs[1:]})
