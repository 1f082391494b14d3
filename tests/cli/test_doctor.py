"""`doctor` names what is missing and what to type, and nothing that is broken ends it."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.shell import Shell

THINGS = {
    *("python", "torch", "onnx", "symusic", "miditok", "safetensors", "sqlite", "threads", "cores"),
    *("onnxruntime providers built in", "workspace", "free disk", "temporary folder"),
    *("terminal encoding", "soundfont", "audio FLAC", "audio MP3", "audio OGG", "midi ports"),
    *("audio player", "lora", "plugins", "precision", "matrix product on one core"),
}
BROKEN = {
    "soundfile": 'raise OSError("sndfile library not found")',
    "rtmidi": 'raise RuntimeError("no sound server")',
    "torch": 'import sys\nsys.exit("torch ends the program")',
    "onnxruntime": 'raise AttributeError("built for another numpy")',
}


def diagnosed(folder: Path, **environment: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and the rows by what they are about."""
    done = subprocess.run(
        [sys.executable, "-m", "musictk", "--json", "doctor"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    rows = json.loads(done.stdout)
    assert all(set(row) == {"thing", "found", "verdict", "fix"} for row in rows)
    assert all(row["verdict"] in ("ok", "optional", "fix") for row in rows)
    assert all(row["fix"] for row in rows if row["verdict"] != "ok")
    assert all("\n" not in str(row["found"]) for row in rows)
    return done.returncode, {row["thing"]: row for row in rows}


def test_everything_is_named_once(tmp_path: Path) -> None:
    code, rows = diagnosed(tmp_path)
    assert set(rows) >= THINGS
    assert (code == 1) == any(row["verdict"] == "fix" for row in rows.values())
    assert "no catalog yet" in rows["workspace"]["found"]
    assert list(tmp_path.iterdir()) == []


def test_what_is_broken_is_one_line_each(tmp_path: Path) -> None:
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    for name, text in BROKEN.items():
        (shadow / f"{name}.py").write_text(text, "utf-8")
    before = os.environ.get("PYTHONPATH", "")
    code, rows = diagnosed(tmp_path, PYTHONPATH=f"{shadow}{os.pathsep}{before}")
    assert code == 1
    assert set(rows) >= THINGS - {"threads", "matrix product on one core"}
    assert "torch ends the program" in rows["torch devices"]["found"]
    assert "built for another numpy" in rows["onnxruntime providers built in"]["found"]
    assert rows["audio MP3"]["fix"] == "pip install 'soundfile>=0.13', or write a .wav"
    assert rows["audio MP3"]["verdict"] == "optional"
    assert rows["midi ports"]["verdict"] == "optional"


def test_onnxruntime_is_the_package_that_musictk_requires(tmp_path: Path) -> None:
    thing = "onnxruntime providers built in"
    _, rows = diagnosed(tmp_path)
    assert rows[thing]["found"] in ("CPU", "CUDA, CPU")  # TensorRT is not used
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['onnxruntime'] = None")
    before = os.environ.get("PYTHONPATH", "")
    _, rows = diagnosed(tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{before}")
    linux = sys.platform == "linux" and platform.machine() == "x86_64"
    package = "onnxruntime-gpu" if linux or sys.platform == "win32" else "onnxruntime"
    assert rows[thing]["found"] == "not installed"
    assert rows[thing]["fix"].startswith(f"pip install '{package}>=1.")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="limits what x86 offers")
def test_a_cpu_that_only_emulates_bf16_gets_fp32(tmp_path: Path) -> None:
    _, rows = diagnosed(tmp_path, ONEDNN_MAX_CPU_ISA="AVX2")
    assert rows["precision"]["found"] == "fp32 (chosen by precision=auto on cpu)"
    rate = r"fp32 [\d,]+ GFLOP/s, bf16 [\d,]+ GFLOP/s"
    assert re.fullmatch(rate, rows["matrix product on one core"]["found"])


def test_a_terminal_without_unicode_is_named(tmp_path: Path) -> None:
    _, rows = diagnosed(tmp_path, PYTHONIOENCODING="ascii")
    assert rows["terminal encoding"]["verdict"] == "optional"
    assert "PYTHONIOENCODING=utf-8" in rows["terminal encoding"]["fix"]


def test_the_table_says_what_to_type(shell: Shell) -> None:
    said = shell.run("doctor").stdout
    assert said.splitlines()[0].split() == ["thing", "found", "verdict", "fix"]
    assert "with a catalog" in said


@pytest.mark.parametrize(("found", "fine"), [("2.10.0", False), ("2.11.0+cpu", True)])
def test_the_versions_are_those_that_musictk_requires(
    tmp_path: Path, found: str, fine: bool
) -> None:
    """Another torch is described to Python, as pip would; nothing is imported from it."""
    described = tmp_path / "other" / f"torch-{found}.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {found}\n")
    before = os.environ.get("PYTHONPATH", "")
    _, rows = diagnosed(tmp_path, PYTHONPATH=f"{tmp_path / 'other'}{os.pathsep}{before}")
    assert rows["torch"]["verdict"] == ("ok" if fine else "fix")
    if not fine:
        assert "pip install 'torch" in rows["torch"]["fix"]
        assert ">=2.11" in rows["torch"]["fix"]
