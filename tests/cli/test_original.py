"""`musictk sample --original`, and the human figures of `musictk originality`."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk.evaluation.reference import FILE
from musictk.jobs.originality import write_training_reference
from musictk.jobs.project import Project
from tests.cli.shell import SMALL, Shell

SMALLEST = [*SMALL, "--arch", "conformer", "--size", "tiny", "--steps", "2"]


def write(path: Path, seed: int) -> None:
    """A random melody; its first 12 notes are those of every piece."""
    opening = [60, 64, 67, 72, 71, 69, 65, 62, 59, 55, 57, 60]
    pitches = [*opening, *np.random.default_rng(seed).integers(40, 90, 100).tolist()]
    score, track = ScoreTick(480), TrackTick()
    for index, pitch in enumerate(pitches):
        track.notes.append(NoteTick(index * 240, 240, pitch, 80))
    score.tracks.append(track)
    path.parent.mkdir(parents=True, exist_ok=True)
    score.dump_midi(path)


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A model of 60 pieces, more than half of them held out. Nothing in it is changed."""
    shell = Shell(tmp_path_factory.mktemp("original"))
    for seed in range(60):
        write(shell.directory / f"midis/Random/{seed}.mid", seed)
    shell("ingest", "./midis")
    shell("catalog", "split", "--valid", "0.3", "--test", "0.3")
    shell("train", *SMALLEST)
    return shell


@pytest.fixture
def work(composed: Shell, tmp_path: Path) -> Shell:
    """A copy, to change."""
    shutil.copytree(composed.directory, tmp_path / "work")
    return Shell(tmp_path / "work")


def test_human_figures_are_printed_beside_those_of_a_piece(work: Shell) -> None:
    text = work("originality", "midis/Random/0.mid").stdout
    assert "valid and test pieces of this length share no more" in text
    human = work.json("originality", "midis/Random/0.mid")["human"]
    assert f"112 notes (human {human['longest']}) from bar 1" in text
    assert human["notes"] == 112
    assert 12 <= human["longest"] <= 15  # the opening, and what is equal by chance
    assert human["pieces"] >= 20
    assert 0 < human["share"] < 0.1


def test_figures_without_some_files_are_not_kept(work: Shell) -> None:
    whole = work.json("originality", "midis/Random/0.mid")["human"]
    shutil.rmtree(work.directory / "cache")
    shutil.move(work.directory / "midis", work.directory / "away")
    (work.directory / "midis/Random").mkdir(parents=True)
    for seed in range(40):
        name = f"Random/{seed}.mid"
        shutil.copy(work.directory / "away" / name, work.directory / "midis" / name)
    assert work.json("originality", "midis/Random/0.mid")["human"] != whole
    shutil.copytree(work.directory / "away", work.directory / "midis", dirs_exist_ok=True)
    assert work.json("originality", "midis/Random/0.mid")["human"] == whole


def test_the_nearest_piece_is_one_that_was_trained_on(work: Shell) -> None:
    pieces = work.json("catalog", "search", "midis", "--limit", "100")
    held_out = next(row["path"] for row in pieces if row["split"] == "test")
    found = work.json("originality", held_out)
    assert found["pieces"] == sum(row["split"] == "train" for row in pieces)
    assert found["copied"] < 0.5
    assert f"nearest of {found['pieces']} training pieces: " in work("originality", held_out).stdout


def test_without_enough_held_out_pieces_there_are_no_human_figures(shell: Shell) -> None:
    text = shell("originality", "midis/Satie/gymnopedie_3.mid").stdout
    assert "no figures of human music: they need 20 valid or test pieces" in text
    assert shell.json("originality", "midis/Satie/gymnopedie_3.mid")["human"] is None


def test_an_original_piece_is_repeated_from_its_row(work: Shell) -> None:
    made = work.json(
        "sample", "--original", "--bars", "2", "--count", "2", "--seed", "1", "-o", "out.mid"
    )
    again = work.json(
        "sample", "--original", "--bars", "2", "--count", "2", "--seed", "1", "-o", "same.mid"
    )
    for row, same in zip(made, again, strict=True):
        data = (work.directory / row["path"]).read_bytes()
        assert (work.directory / same["path"]).read_bytes() == data
        work("sample", "--like", str(row["id"]), "-o", "like.mid")
        assert (work.directory / "like.mid").read_bytes() == data


def test_a_bundle_with_a_reference_needs_no_catalog(
    composed: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(composed.directory / "runs" / "conformer-1" / "best", tmp_path / "bundle")
    alone = Shell(tmp_path)
    flags = ("sample", "--bundle", "bundle", "--bars", "1", "--seed", "1", "-o", "out.mid")
    code, _, error = alone.here(capsys, *flags, "--original")
    assert code == 1
    assert error.startswith("error: --original needs the training pieces, and there is no catalog")
    with Project(composed.directory) as project:
        write_training_reference(project.catalog, project.workspace, tmp_path / "bundle" / FILE)
    code, _, _ = alone.here(capsys, *flags, "--original")
    assert code == 0
    assert (tmp_path / "out.mid").is_file()
    (tmp_path / "bundle" / FILE).write_bytes(b"damaged")
    code, _, error = alone.here(capsys, *flags, "--original")
    assert code == 1
    assert error.startswith("error: cannot read the reference bundle/reference.safetensors")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (
            ("--infill", "midis/Random/0.mid", "--bars", "2"),
            "--original cannot be combined with --infill; leave out --infill",
        ),
        (
            ("--accompany", "midis/Random/0.mid"),
            "--original cannot be combined with --accompany; leave out --accompany",
        ),
    ],
)
def test_other_music_cannot_be_drawn_again(
    composed: Shell, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], error: str
) -> None:
    assert composed.here(capsys, "sample", "--original", *flags) == (2, "", f"error: {error}\n")


def test_too_few_held_out_pieces_are_one_line(
    trained: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, error = trained.here(capsys, "sample", "--original", "--bars", "1")
    assert (code, out) == (1, "")
    assert error.startswith("error: --original needs at least 20 valid and test pieces")
    assert error.endswith("musictk catalog split\n")
    assert error.count("\n") == 1
