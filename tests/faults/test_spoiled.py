"""Files that are not what they are taken for: one line each, no hang, no great memory."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import templates
from tests.faults.spoiled import SPOILS, Spoil, spoil
from tests.faults.walk import CHORALE, COMMANDS, RESUME, typed

SECONDS = 60  # after which a command hangs
LAST = "runs/gpt-1/last"
OUT = ("--bars", "1", "--seed", "1", "-o", "o.mid")
TARGETS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("musictk.toml", ("config",)),
    ("x.toml", ("train", "--config", "x.toml", "--steps", "1")),
    ("x.csv", ("ingest", "midis", "--composers", "x.csv", "--workers", "1")),
    ("x.csv", ("catalog", "label", "--csv", "x.csv")),
    ("x.mid", ("sample", "--run", "gpt-1", "--prompt", "x.mid", *OUT)),
    ("x.mid", ("show", "x.mid", "-o", "o.png")),
    ("x.sf2", ("render", CHORALE, "--soundfont", "x.sf2", "-o", "o.wav")),
    (f"{LAST}/manifest.json", ("sample", "--bundle", LAST, *OUT)),
    (f"{LAST}/weights.safetensors", ("sample", "--bundle", LAST, *OUT)),
    (f"{LAST}/manifest.json", RESUME),
    (f"{LAST}/weights.safetensors", RESUME),
    (f"{LAST}/trainer.json", RESUME),
    (f"{LAST}/optimizer.safetensors", RESUME),
    ("runs/gpt-1/log.jsonl", RESUME),
    (LAST, RESUME),
    ("catalog.db", ("runs", "show", "gpt-1")),
    ("catalog.db", ("runs", "list")),
    ("catalog.db", ("sample", "--bars", "1", *OUT)),
)
MAY_WORK = {"noise", "empty", "deep", "brackets", "braces", "huge"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pieces and a run that was stopped: do not write into it."""
    folder = tmp_path_factory.mktemp("spoiled") / "work"
    templates.fresh(folder)
    assert typed(folder, COMMANDS[0].arguments)[0] == 0
    templates.stopped(folder)
    return folder


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    def hangs(*_: object) -> None:
        raise TimeoutError(f"no answer after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(sys.platform == "win32", reason="makes pipes and links")
@pytest.mark.parametrize("how", SPOILS, ids=lambda how: how.__name__)
def test_a_spoiled_file_is_one_line(how: Spoil, workspace: Path, tmp_path: Path) -> None:
    wrong = []
    for target, arguments in TARGETS:
        work = tmp_path / "work"
        shutil.copytree(workspace, work, symlinks=True)
        spoil(work / target, how)
        code, text = typed(work, arguments)
        errors = [line for line in text.splitlines() if line.startswith("error: ")]
        ended = code in (1, 2) and len(errors) == 1
        worked = code in (0, 3) and how.__name__ in MAY_WORK  # a file may be empty, or made anew
        if "Traceback" in text or not (ended or worked):
            wrong.append((target, arguments[0], code, text))
        shutil.rmtree(work)
    assert wrong == []
