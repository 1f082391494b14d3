"""No command uses the network: not ours, and not a library's behind our back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.silent import NO_FILTER

SMALL = ("--set", "model.dim=32", "--set", "model.depth=1", "--set", "model.heads=2")
SHORT = ("--set", "max_length=1024", "--set", "length=128", "--steps", "8")
SCRIPT = Path(__file__).with_name("silent.py")
LATE = (
    11  # seconds: ONNX Runtime's telemetry, where it is on, looks up its host 9 s after the import
)


def silently(directory: Path, seconds: float, *words: str) -> subprocess.CompletedProcess[str]:
    """The script's end, in a plain environment: ONNX Runtime is silent by itself in CI."""
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(seconds), *words],
        cwd=directory,
        env={**kept, "HOME": str(directory / "home"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode == NO_FILTER:
        pytest.skip("no seccomp filter on this machine")
    return done


def test_a_socket_of_native_code_is_noticed(tmp_path: Path) -> None:
    assert silently(tmp_path, 0, "native").returncode == -signal.SIGSYS


def test_the_commands_open_no_socket(tmp_path: Path, midis: Path) -> None:
    done = silently(
        *(tmp_path, LATE, "ingest", str(midis / "Satie"), str(midis / "Chopin")),
        *("--", "train", "--arch", "gpt", *SMALL, *SHORT),
        *("--", "sample", "--bars", "1", "-o", "out.mid"),
        *("--", "export", "--int8", "--torchscript"),
        *("--", "sample", "--bars", "1", "--runtime", "onnx", "-o", "fast.mid"),
        *("--", "show", "out.mid"),
        *("--", "doctor"),
        *("--", "catalog", "check"),
    )
    assert done.returncode == 0, done.stderr
    count = sum(len(list((midis / name).iterdir())) for name in ("Satie", "Chopin"))
    assert f"{count} files read" in done.stdout, "a worker died"
    assert (tmp_path / "fast.mid").is_file()
    # Telemetry would also keep an id of this machine and a queue of events.
    assert not list((tmp_path / "home").rglob("*onnxruntime*"))
