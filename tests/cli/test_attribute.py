"""`musictk attribute`, as a user types it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from symusic.core import NoteTick, ScoreTick, TrackTick

from tests.cli.shell import Shell


def write(path: Path, seed: int, leaps: bool, notes: int = 80) -> None:
    """Random steps, or random leaps."""
    random = np.random.default_rng(seed)
    moves = random.integers(5, 9, notes) if leaps else random.integers(1, 3, notes)
    track = TrackTick()
    for index, move in enumerate(np.cumsum(moves * random.choice([-1, 1], notes)) % 40):
        track.notes.append(NoteTick(index * 240, 240, 45 + int(move), 80))
    score = ScoreTick(480)
    score.tracks.append(track)
    path.parent.mkdir(parents=True, exist_ok=True)
    score.dump_midi(path)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Two composers with eight works each. Nothing in it is changed."""
    shell = Shell(tmp_path_factory.mktemp("attribute"))
    for seed in range(8):
        write(shell.directory / f"midis/Steps/{seed}.mid", seed, leaps=False)
        write(shell.directory / f"midis/Leaps/{seed}.mid", 50 + seed, leaps=True)
    write(shell.directory / "new.mid", 100, leaps=True)
    write(shell.directory / "short.mid", 100, leaps=True, notes=9)
    shell("ingest", "./midis")
    return shell


@pytest.fixture
def work(known: Shell, tmp_path: Path) -> Shell:
    """A copy, to change."""
    shutil.copytree(known.directory, tmp_path / "work")
    return Shell(tmp_path / "work")


def test_the_composer_is_recognised_and_the_score_of_it_is_printed(work: Shell) -> None:
    lines = work("attribute", "new.mid").stdout.splitlines()
    assert lines[0].split()[0] == "Leaps"
    assert "cross-validated on 16 pieces by 2 composers" in lines[-1]
    assert "F1 1.00 per piece" in lines[-1]
    assert len(work("attribute", "new.mid", "--top", "1").stdout.splitlines()) == 2
    found = work.json("attribute", "new.mid")
    assert list(found["probabilities"]) == ["Leaps", "Steps"]
    assert found["cross_validation"]["works"] == 16


def test_a_piece_that_it_was_trained_on_is_named(known: Shell) -> None:
    note = "this file is in the catalog: the classifier was trained on it"
    assert note in known("attribute", "midis/Leaps/1.mid").stderr
    assert note not in known("attribute", "new.mid").stderr


def test_the_classifier_is_kept_until_the_music_changes(work: Shell) -> None:
    def kept() -> list[str]:
        return [path.name for path in (work.directory / "cache").iterdir()]

    work("attribute", "new.mid")
    first = kept()
    (stored,) = (work.directory / "cache").iterdir()
    before = stored.stat().st_mtime_ns
    work("attribute", "new.mid")
    assert stored.stat().st_mtime_ns == before
    write(work.directory / "midis/Steps/more.mid", 200, leaps=False)
    work("ingest", "./midis")
    assert "on 17 pieces" in work("attribute", "new.mid").stdout
    assert len(kept()) == 1
    assert kept() != first
    next((work.directory / "cache").iterdir()).write_bytes(b"damaged")
    assert "on 17 pieces" in work("attribute", "new.mid").stdout


def test_what_cannot_be_attributed_is_one_line(
    work: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, error = work.here(capsys, "attribute", "short.mid")
    assert (code, out) == (1, "")
    assert error.startswith("error: the piece is too short: 9 notes; give at least 32 notes")
    assert error.count("\n") == 1


def test_too_few_composers_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(tmp_path)
    write(tmp_path / "new.mid", 100, leaps=True)
    for seed in range(5):
        write(tmp_path / f"midis/Leaps/{seed}.mid", seed, leaps=True)
    write(tmp_path / "midis/Steps/1.mid", 9, leaps=False)
    shell.here(capsys, "ingest", "./midis")
    code, out, error = shell.here(capsys, "attribute", "new.mid")
    assert (code, out) == (1, "")
    assert error.startswith("error: only one composer of the catalog has 5 works or more")
    assert error.endswith("musictk ingest FOLDER\n")
    assert error.count("\n") == 1
