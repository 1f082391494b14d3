"""The programs of docs/onnx.md run as printed, with neither musictk nor torch."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from symusic.core import ScoreTick

from musictk import builtin
from musictk.export import export_onnx
from musictk.runtime import load
from musictk.testing.exports import write_untrained
from musictk.testing.tokenizers import facts
from musictk_remi.config import RemiConfig
from musictk_remi.tokenizer import Remi
from tests.plugins.scores import pieces

PAGE = (Path(__file__).parents[1] / "docs" / "onnx.md").read_text("utf-8")
CONTROLS, SAMPLER, MIDI = re.findall(r"```python\n(.*?)```", PAGE, re.S)
LENGTH = 40
CONFIGS: dict[str, dict[str, Any]] = {
    "gpt": {"dim": 32, "depth": 1, "heads": 2},
    "conformer": {"dim": 32, "depth": 1, "heads": 2, "windows": [16, 64]},
}
BLOCK = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("musictk", "torch", "symusic", "safetensors", "miditok"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Block())
"""


def python(folder: Path, *arguments: str) -> str:
    """Run python in `folder`, where musictk, torch and the libraries of both cannot be imported."""
    (folder / "sitecustomize.py").write_text(BLOCK, "utf-8")
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An export of each architecture; do not write into them."""
    made = {}
    for architecture, config in CONFIGS.items():
        folder = tmp_path_factory.mktemp(architecture)
        write_untrained(
            folder / "source", architecture, Remi(RemiConfig()), max_length=1100, **config
        )
        export_onnx(folder / "source", folder / "export")
        made[architecture] = folder / "export"
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sampler.py").write_text(SAMPLER, "utf-8")
    (tmp_path / "midi.py").write_text(MIDI, "utf-8")
    return tmp_path


def test_the_sampler_has_about_thirty_lines() -> None:
    assert len([line for line in SAMPLER.splitlines() if line.strip()]) <= 40
    assert len([line for line in MIDI.splitlines() if line.strip()]) <= 75


def test_the_vector_of_bar_controls_is_that_of_musictk(tmp_path: Path) -> None:
    folder = builtin.FOLDER / "gpt" / "onnx"
    (tmp_path / "controls.py").write_text(CONTROLS, "utf-8")
    found = runpy.run_path(str(tmp_path / "controls.py"), {"folder": folder})
    expected = load(folder).control(found["ids"][None])[0]
    np.testing.assert_allclose(found["vector"], expected, atol=1e-6)
    assert np.abs(expected).max() > 0.01


@pytest.mark.parametrize("architecture", CONFIGS)
def test_it_makes_the_choices_of_musictk(
    folder: Path, architecture: str, exports: dict[str, Path]
) -> None:
    """With top-p near 0 both choose the most likely token, so any error shows."""
    exported = exports[architecture]
    wanted = f"sample(Path({str(exported)!r}), {{'composer': 'Bach'}}, length={LENGTH}, top_p=1e-9)"
    program = f"from sampler import *; print(json.dumps({wanted}))"
    found = json.loads(python(folder, "-c", program))
    runtime = load(exported, "onnx", device="cpu")
    space = runtime.manifest.space
    condition = runtime.condition(runtime.manifest.conditions.mixture({"composer": [("Bach", 1)]}))
    session, last, expected = runtime.begin(1, LENGTH), space.start(1), list[int]()
    for _ in range(LENGTH):
        logits = session.step(last, condition[None, None])[0, -1]
        logits[[0, 1]] = -np.inf
        last = np.array([[logits.argmax()]])
        if last[0, 0] == 2:
            break
        expected.append(int(last[0, 0]))
    assert found == expected


def test_the_command_lines_of_the_page_write_a_file(folder: Path, exports: dict[str, Path]) -> None:
    exported = str(exports["gpt"])
    piece = python(folder, "sampler.py", exported, "Bach")
    assert python(folder, "sampler.py", exported, "Bach") == piece  # the same seed
    (folder / "piece.json").write_text(piece)
    python(folder, "midi.py", exported, "piece.json", "out.mid")
    ScoreTick.from_file(folder / "out.mid")


def onsets(notes: Any) -> list[Any]:
    """(drums, program, onset, pitch, velocity) of each note."""
    return sorted((*note[:4], note[5]) for note in notes)


def ends(notes: Any) -> list[Any]:
    """(drums, program, end, pitch) of each note: MIDI cannot pair those of overlapping notes."""
    return sorted((*note[:2], note[2] + note[4], note[3]) for note in notes)


@pytest.mark.parametrize("settings", [{}, {"bpe": 600}, {"programs": True}])
def test_the_decoder_decodes_as_musictk_does(folder: Path, settings: dict[str, Any]) -> None:
    from musictk.export.vocabulary import write_vocabulary
    from tests.export.test_vocabulary import manifest_of

    tokenizer = Remi(RemiConfig(**settings))
    if tokenizer.learns:
        tokenizer = Remi(tokenizer.config, tokenizer.learn(pieces()[:3]))
    write_vocabulary(manifest_of(tokenizer), folder)
    for score in pieces()[::8]:
        ids = tokenizer.encode(score)
        (folder / "piece.json").write_text(json.dumps(ids.tolist()))
        python(folder, "midi.py", ".", "piece.json", "out.mid")
        decoded = tokenizer.decode(ids)
        assert isinstance(decoded, ScoreTick)
        found, expected = facts(ScoreTick.from_file(folder / "out.mid")), facts(decoded)
        assert onsets(found[0]) == onsets(expected[0])
        assert ends(found[0]) == ends(expected[0])
        assert found[2] == expected[2]  # metres
        assert len(found[1]) == len(expected[1])  # tempos
