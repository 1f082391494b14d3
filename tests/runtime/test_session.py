"""What every engine promises of its sessions."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from musictk.errors import MusictkError, UnknownNameError
from musictk.runtime import CapacityError, Runtime, load

RUNTIMES = ("torch", "torchscript", "onnx")


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest, bundles: Path) -> Runtime:
    name: str = request.param
    requested = name if name == "torchscript" else None  # a program runs only on request
    return load(bundles / name, requested, device="cpu")


def music(runtime: Runtime, rows: int, length: int) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """A random sequence (B, T) and the conditions of its rows (B, D)."""
    random = np.random.default_rng(length)
    sequence = random.integers(3, 300, (rows, length))
    labels = [[[(int(random.integers(3)), 1.0)]] for _ in range(rows)]
    return sequence, np.stack([runtime.condition(label) for label in labels])[:, None]


def test_the_runtime_is_chosen_by_the_files_of_the_bundle(runtime: Runtime) -> None:
    assert runtime.name in RUNTIMES
    assert load_name(runtime) == runtime.name


def load_name(runtime: Runtime) -> str:
    """The class that `load` chose, by another way than its own word."""
    return type(runtime).__module__.rpartition(".")[2]


def test_chunks_of_any_size_equal_one_pass(runtime: Runtime) -> None:
    sequence, condition = music(runtime, 3, 600)
    whole = runtime.begin(3, 600).step(sequence, condition)
    session = runtime.begin(3, 600)
    parts = [
        session.step(sequence[:, start:end], condition)
        for start, end in [(0, 1), (1, 2), (2, 40), (40, 41), (41, 420), (420, 421), (421, 600)]
    ]
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, atol=1e-5)
    assert session.lengths.tolist() == [600] * 3


def test_selected_rows_go_on_by_themselves(runtime: Runtime) -> None:
    sequence, condition = music(runtime, 3, 24)
    session = runtime.begin(3, 40)
    session.step(sequence[:, :20], condition)
    chosen = session.select([2, 0, 2])
    there = chosen.step(sequence[[2, 0, 2], 20:21], condition[[2, 0, 2]])
    here = session.step(sequence[:, 20:21], condition)
    np.testing.assert_allclose(there, here[[2, 0, 2]], atol=1e-6)
    assert chosen.lengths.tolist() == [21] * 3
    # What one session does later, the other does not see.
    before = chosen.select([0]).step(sequence[2:, 21:22], condition[2:])
    session.step(sequence[:, 21:22], condition)
    np.testing.assert_array_equal(
        before, chosen.select([0]).step(sequence[2:, 21:22], condition[2:])
    )


def test_joined_rows_keep_their_positions(runtime: Runtime) -> None:
    sequence, condition = music(runtime, 3, 30)
    alone = [runtime.begin(1, 64) for _ in range(3)]
    for row, length in enumerate((5, 0, 20)):
        if length:
            alone[row].step(sequence[row : row + 1, :length], condition[row : row + 1])
    joined = runtime.join(alone)
    assert joined.lengths.tolist() == [5, 0, 20]
    for chunk in (slice(20, 27), slice(27, 28), slice(28, 29)):
        together = joined.step(sequence[:, chunk], condition)
        apart = [
            session.step(sequence[row : row + 1, chunk], condition[row : row + 1])
            for row, session in enumerate(alone)
        ]
        np.testing.assert_allclose(together, np.concatenate(apart), atol=1e-5)


def test_logits_are_the_callers_to_keep(runtime: Runtime) -> None:
    sequence, condition = music(runtime, 1, 3)
    session = runtime.begin(1, 8)
    first = session.step(sequence[:, :1], condition)
    kept = first.copy()
    session.step(sequence[:, 1:2], condition)
    session.step(sequence[:, 2:], condition)
    np.testing.assert_array_equal(first, kept)


def test_a_condition_changes_the_logits(runtime: Runtime) -> None:
    sequence, _ = music(runtime, 1, 4)
    mixture = runtime.manifest.conditions.mixture
    bach = runtime.condition(mixture({"composer": [("Bach", 1.0)]}))
    nobody = runtime.condition(mixture({}))
    played = [runtime.begin(1, 4).step(sequence, each[None, None]) for each in (bach, nobody)]
    assert np.abs(played[0] - played[1]).max() > 1e-3


def test_a_full_session_raises_and_is_unchanged(runtime: Runtime) -> None:
    sequence, condition = music(runtime, 2, 12)
    session = runtime.begin(2, 10)
    session.step(sequence[:, :8], condition)
    with pytest.raises(CapacityError, match="8 positions and 3 more do not fit into the 10"):
        session.step(sequence[:, 8:11], condition)
    assert session.lengths.tolist() == [8, 8]
    session.step(sequence[:, 8:10], condition)
    with pytest.raises(CapacityError):
        session.step(sequence[:, 10:11], condition)
    with pytest.raises(CapacityError, match="1 to 640"):
        runtime.begin(1, 641)
    assert runtime.begin(1).capacity == 640


def test_shapes_that_do_not_fit_are_refused(runtime: Runtime) -> None:
    sequence, condition = music(runtime, 2, 3)
    with pytest.raises(ValueError, match="do not fit 2 rows of width 32"):
        runtime.begin(2, 8).step(sequence, condition[:1])
    with pytest.raises(ValueError, match="different capacity"):
        runtime.join([runtime.begin(1, 8), runtime.begin(1, 9)])


def test_a_bundle_that_cannot_be_loaded_gives_a_hint(bundles: Path, tmp_path: Path) -> None:
    with pytest.raises(
        MusictkError, match=r"contains torch, not onnx; .*run `musictk export --onnx`"
    ):
        load(bundles / "torch", "onnx")
    with pytest.raises(
        MusictkError, match=r"onnx, not torchscript.*`musictk export --torchscript`"
    ):
        load(bundles / "onnx", "torchscript")
    with pytest.raises(MusictkError, match="contains onnx, not torch"):
        load(bundles / "onnx", "torch")
    with pytest.raises(MusictkError, match="contains no model"):
        load(tmp_path)
    with pytest.raises(UnknownNameError, match="did you mean 'torch'"):
        load(bundles / "torch", "troch")


def test_torchscript_runs_only_if_named(bundles: Path, tmp_path: Path) -> None:
    with pytest.raises(MusictkError, match=r"which can run any code.*--runtime torchscript"):
        load(bundles / "torchscript")
    shutil.copytree(bundles / "torch", tmp_path / "both")
    shutil.copy(bundles / "torchscript" / "model.ts", tmp_path / "both")
    assert load(tmp_path / "both").name == "torch"
    assert load(tmp_path / "both", "torchscript").name == "torchscript"


@pytest.mark.parametrize(("engine", "file"), [("onnx", "model.onnx"), ("torchscript", "model.ts")])
def test_a_damaged_file_is_an_error(engine: str, file: str, bundles: Path, tmp_path: Path) -> None:
    for part in (bundles / engine).iterdir():
        data = part.read_bytes()
        (tmp_path / part.name).write_bytes(data[: len(data) // 2] if part.name == file else data)
    with pytest.raises(MusictkError, match=file):
        load(tmp_path, engine)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda manifest: manifest.update(max_length="x"), "max_length is 'x'"),
        (lambda manifest: manifest["architecture_config"].pop("dim"), "not a bundle's manifest"),
        (lambda manifest: manifest["architecture_config"].update(dim=48), r"needs \(3, 48\)"),
        (lambda manifest: manifest["space"].update(size="x"), "not a bundle's manifest"),
        (lambda manifest: manifest["slots"][0].update(dtype="x"), "not a bundle's manifest"),
        (lambda manifest: manifest["conditions"]["labels"]["composer"].append("X"), "needs"),
        (lambda manifest: manifest["conditions"]["labels"].update(period=["", "OTHER"]), "has no"),
    ],
)
def test_a_manifest_that_does_not_fit_is_an_error(
    change: Callable[[dict[str, Any]], object], says: str, bundles: Path, tmp_path: Path
) -> None:
    shutil.copytree(bundles / "onnx", tmp_path / "changed")
    path = tmp_path / "changed" / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(MusictkError, match=says) as caught:
        load(tmp_path / "changed")
    assert "\n" not in str(caught.value)


def test_an_onnx_bundle_runs_without_torch(bundles: Path) -> None:
    script = Path(__file__).with_name("without_torch.py")
    done = subprocess.run(
        [sys.executable, str(script), str(bundles / "onnx")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["engine"], said["lengths"]) == ("onnx", [31] * 3)
    assert said["score"] == "ScoreTick"
    assert "top-p" in said["samplers"]
    assert np.isfinite(said["last"]).all()
