"""`sample --bundle` and `--runtime`: the requested runtime is used."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.shell import Shell

ONE_BAR = ("sample", "--bars", "1", "--seed", "3")


@pytest.fixture
def planted(shell: Shell) -> Path:
    """A bundle's directory with nothing to run but a TorchScript file, which is a broken one."""
    directory = shell.directory / "planted"
    directory.mkdir()
    shutil.copy(shell.directory / "runs" / "conformer-1" / "best" / "manifest.json", directory)
    (directory / "model.ts").write_bytes(b"not run")
    return directory


def refusal(shell: Shell, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line of the error."""
    code, _, said = shell.here(capsys, *ONE_BAR, *words, "-o", "no.mid")
    assert code in (1, 2)
    assert not (shell.directory / "no.mid").exists()
    (line,) = said.strip().splitlines()
    return line


def test_a_bundle_is_run_as_asked_or_not_at_all(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    best = ("--bundle", "runs/conformer-1/best")
    for runtime in ("onnx", "torchscript"):
        line = refusal(shell, capsys, *best, "--runtime", runtime)
        assert f"runs/conformer-1/best contains torch, not {runtime}" in line
    assert "did you mean 'torch'" in refusal(shell, capsys, *best, "--runtime", "troch")
    assert shell.here(capsys, *ONE_BAR, *best, "--runtime", "torch", "-o", "yes.mid")[0] == 0
    both = refusal(shell, capsys, *best, "--run", "conformer-1")
    assert "--run cannot be combined with --bundle" in both


def test_a_torchscript_file_runs_only_on_request(
    shell: Shell, planted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--runtime torchscript" in refusal(shell, capsys, "--bundle", "planted")
    shutil.copy(shell.directory / "runs/conformer-1/best/weights.safetensors", planted)
    asked = refusal(shell, capsys, "--bundle", "planted", "--runtime", "torchscript")
    assert "model.ts cannot be loaded" in asked  # it was tried
    assert shell.here(capsys, *ONE_BAR, "--bundle", "planted", "-o", "yes.mid")[0] == 0


def test_a_run_without_such_an_export_is_an_error(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refusal(shell, capsys, "--runtime", "onnx")
    assert "run conformer-1 has no export for onnx" in line
    assert "`musictk export --onnx --run conformer-1`" in line


def test_samples_of_bundles_are_made_again(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell.here(capsys, "export", "--onnx")[0] == 0
    bundle = ("--bundle", "exports/conformer-1-onnx")
    assert shell.here(capsys, *ONE_BAR, *bundle, "-o", "first.mid")[0] == 0
    assert source(shell)["runtime"] == "onnx"
    # In rows from versions in which --bundle ignored --runtime, the runtime is always torch.
    for runtime in ("onnx", "torch"):
        source(shell, runtime=runtime)
        assert shell.here(capsys, "sample", "--like", "1", "-o", "again.mid")[0] == 0
        first, again = (
            (shell.directory / name).read_bytes() for name in ("first.mid", "again.mid")
        )
        assert first == again
    (shell.directory / "exports/conformer-1-onnx/model.onnx").write_bytes(b"another model")
    code, _, said = shell.here(capsys, "sample", "--like", "1")
    assert code == 1
    assert "sample 1 was composed with other weights" in said


def test_a_run_is_sampled_from_its_export(
    shell: Shell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no GPU is, from the one that is not rounded, as long as it has the best weights."""
    monkeypatch.setattr("musictk.jobs.bundles.has_gpu", lambda: False)

    def sampled(*words: str) -> tuple[str, bytes, str]:
        code, said, errors = shell.here(capsys, "--json", *ONE_BAR, *words, "-o", "new.mid")
        assert code == 0
        return json.loads(said)[0]["runtime"], (shell.directory / "new.mid").read_bytes(), errors

    runtime, weights, _ = sampled()
    assert runtime == "torch"
    assert shell.here(capsys, "export", "--onnx")[0] == 0
    runtime, exported, _ = sampled()
    assert (runtime, exported == weights) == ("onnx", True)
    assert sampled("--runtime", "torch")[0] == "torch"
    monkeypatch.setattr("musictk.jobs.bundles.has_gpu", lambda: True)
    assert sampled()[0] == "torch"
    monkeypatch.setattr("musictk.jobs.bundles.has_gpu", lambda: False)
    assert shell.here(capsys, "export", "--int8")[0] == 0
    assert sampled()[0] == "onnx"
    assert shell.here(capsys, "sample", "--like", "2", "-o", "again.mid")[0] == 0
    assert (shell.directory / "again.mid").read_bytes() == exported
    with sqlite3.connect(shell.directory / "catalog.db") as catalog:
        catalog.execute("UPDATE checkpoints SET digest = 'of a better checkpoint'")
    assert sampled()[0] == "torch"
    runtime, _, errors = sampled("--runtime", "onnx")
    assert runtime == "onnx"
    assert "exports/conformer-1-onnx-int8 is older than the best checkpoint" in errors


def test_a_rounded_export_is_measured_on_validation_music(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said, _ = shell.here(capsys, "--json", "export", "--int8")
    assert code == 0
    (report,) = json.loads(said)
    assert report["music"] == "validation music"
    assert report["music_positions"] > 256
    assert report["greedy_agreement"] >= 0.98
    assert abs(report["nats_difference"]) < 0.01


def source(shell: Shell, **changed: Any) -> dict[str, Any]:
    """The source of sample 1 in the catalog, after these changes."""
    with sqlite3.connect(shell.directory / "catalog.db") as catalog:
        (text,) = catalog.execute("SELECT request FROM samples WHERE id = 1").fetchone()
        request = json.loads(text)
        request["source"].update(changed)
        catalog.execute("UPDATE samples SET request = ? WHERE id = 1", (json.dumps(request),))
    found: dict[str, Any] = request["source"]
    return found
