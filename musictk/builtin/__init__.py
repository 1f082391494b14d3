"""The built-in models: trained weights that come with musictk, for `sample` without a run.

    README.md                what they were trained on and how good they are: their model card
    training.safetensors     the sketches of their training pieces: they tell near-duplicates
    reference.safetensors    what `sample --original` compares with
    gpt/, conformer/         one model each:
        run.json             the settings and results of its run
        weights/             its best checkpoint in half precision, a bundle to train from
        onnx/                its export with int8 weights, a bundle to sample from

All were trained on the same pieces. `python -m benchmarks.builtin_model` writes all of it. Free of
torch, and this module of numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musictk.errors import MusictkError
from musictk.files import read_json, write_json

FOLDER = Path(__file__).parent
CARD = FOLDER / "README.md"
AGAIN = "install musictk again"
_RUN = "run.json"
_KEYS = ("settings", "metrics")


@dataclass(frozen=True)
class BuiltinModel:
    """One built-in model: `name` is its name wherever a run can be named."""

    name: str
    folder: Path

    @property
    def weights(self) -> Path:
        """The bundle to train from."""
        return self.folder / "weights"

    @property
    def onnx(self) -> Path:
        """The bundle to sample from."""
        return self.folder / "onnx"

    def read_run(self) -> Mapping[str, Any]:
        """`settings` and `metrics` of its run, as the catalog stores those of other runs.

        `earlier` has those of the runs before it, each of which it started from in turn. Raises
        MusictkError where the file is missing or damaged.
        """
        path = self.folder / _RUN
        found = read_json(path)
        runs = [found, *found.get("earlier", ())]
        if not all(isinstance(run.get(key), Mapping) for run in runs for key in _KEYS):
            raise MusictkError(f"{path} has no settings or metrics", AGAIN)
        return found

    def write_run(self, run: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> None:
        """Write what `read_run` reads. No `earlier` run has earlier ones itself."""
        runs = [{key: dict(each[key]) for key in _KEYS} for each in (run, *earlier)]
        write_json(self.folder / _RUN, {**runs[0], "earlier": runs[1:]})


DEFAULT = BuiltinModel("built-in", FOLDER / "gpt")  # what `sample` uses without a run
CONFORMER = BuiltinModel("built-in-conformer", FOLDER / "conformer")
# By name. `train` starts from the one of its architecture; no run can have these names.
MODELS = {model.name: model for model in (DEFAULT, CONFORMER)}
