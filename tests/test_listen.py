"""docs/listen and the tool that makes it: the page, its files and its commands agree."""

from __future__ import annotations

import csv
import hashlib
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from symusic.core import NoteTick, ScoreTick, TrackTick

from benchmarks import listen
from benchmarks.listen_measures import Judge, Likelihood, Range, registers, repeated
from benchmarks.listen_page import DIGEST, PAGE, faults
from benchmarks.listen_pieces import FOLDER, SEEDS, parse_seeds, pieces, read_seeds
from musictk.cli.main import build_command
from musictk.cli.parse import controls, sections
from musictk.errors import UsageError
from musictk.generation.form import parse
from musictk.jobs.named_music import read_score
from musictk.runtime import load
from musictk.workspace import here
from tests.cli.shell import SMALL, Shell

ROOT = Path(__file__).parents[1]
FEW = "bach-aaba,musette-infill,menuet-accompaniment"
MADE = "made"
FOLDERS = [MADE, *(["docs/listen"] if FOLDER.exists() else [])]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A model of two steps, with held-out pieces and the labels that the pieces ask for."""
    shell = Shell(tmp_path_factory.mktemp("listen"))
    folder = shell.directory / "midis"
    shutil.copytree(ROOT / "examples" / "midis" / "Bach", folder / "Bach")
    with (shell.directory / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "ensemble"])
        for path in sorted(folder.rglob("*.mid")):
            rows.writerow([path.relative_to(shell.directory), "keyboard"])
    shell("ingest", "./midis")
    shell("catalog", "label", "--csv", "labels.csv")
    shell("catalog", "split", "--valid", "0.3", "--test", "0.3")
    few = ["--size", "tiny", "--steps", "2", "--condition", "composer,ensemble", "--name", "small"]
    shell("train", "--arch", "gpt", "--tokenizer", "remi", *few, *SMALL[:6], *SMALL[8:])
    return shell


@pytest.fixture(scope="module")
def given(trained: Shell) -> list[str]:
    """The options that name the model and the workspace."""
    bundle = trained.directory / "runs" / "small" / "best"
    return ["--bundle", str(bundle), "--workspace", str(trained.directory), "--jobs", "2"]


@pytest.fixture(scope="module")
def made(given: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of some of the pieces, as the tool writes it."""
    place = tmp_path_factory.mktemp("made")
    seeds = ["--choose", "bach-aaba=3,musette-infill=5,menuet-accompaniment=4"]
    paths = ["--folder", str(place / "listen"), "--seeds", str(place / "listen.toml")]
    listen.main(["write", "--only", FEW, *seeds, *paths, *given])
    return place / "listen"


@pytest.fixture(params=FOLDERS)
def folder(request: pytest.FixtureRequest) -> Path:
    """Each folder that there is."""
    return request.getfixturevalue(MADE) if request.param == MADE else FOLDER


def commands(folder: Path) -> list[list[str]]:
    """The arguments of the commands on the page."""
    text = (folder / PAGE).read_text("utf-8")
    return [shlex.split(line) for line in re.findall(r"(?m)^    musictk (sample .+)$", text)]


def test_page_and_files_agree(folder: Path) -> None:
    assert faults(folder) == []
    assert len(DIGEST.findall((folder / PAGE).read_text("utf-8"))) == len(commands(folder))


def test_commands_parse(folder: Path) -> None:
    """With the parser of the program; forms and controls, too."""
    assert commands(folder)
    root: Any = build_command()
    for words in commands(folder):
        command = root.commands["sample"]
        found = command.make_context("sample", words[1:], parent=root.make_context("m", words))
        assert found.params["seed"] is not None
        form = found.params["form"]
        assert not form or parse(form).sections
        assert controls(found.params["control"] or []) or not found.params["control"]
        assert sections(found.params["section"] or []) or not found.params["section"]
        for name in ("infill", "accompany"):
            assert (
                found.params[name] is None
                or (ROOT / found.params[name]).exists()
                or made_here(folder, found.params[name])
            )


def made_here(folder: Path, name: Path) -> bool:
    """Whether a file of docs/listen is in a folder that is written in its place."""
    return (folder / name.name).is_file() and name.parent == Path("docs/listen")


def test_the_page_has_each_piece_with_its_seed(folder: Path) -> None:
    documented = folder == FOLDER
    seeds = read_seeds(SEEDS if documented else folder.with_name("listen.toml"))
    wanted = pieces("" if documented else FEW)
    assert commands(folder) == [shlex.split(each.command(seeds[each.name]))[1:] for each in wanted]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda place: (place / "more.mid").write_bytes(b""), "the page has no more.mid"),
        (lambda place: (place / "bach-aaba.png").unlink(), "there is no bach-aaba.png"),
        (lambda place: (place / "bach-aaba.mid").write_bytes(b"x"), "bach-aaba.mid has another"),
        (lambda place: (place / "bach-aaba.mp3").write_bytes(b"x" * 11_000_000), "too large"),
    ],
)
def test_what_does_not_agree_is_found(made: Path, tmp_path: Path, change: Any, fault: str) -> None:
    place = tmp_path / "listen"
    shutil.copytree(made, place)
    change(place)
    assert fault in "; ".join(faults(place))


def test_the_commands_on_the_page_write_its_files(
    trained: Shell, made: Path, given: list[str], tmp_path: Path
) -> None:
    (tmp_path / "docs").mkdir()
    shutil.copytree(made, tmp_path / "docs" / "listen")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    digests = dict(DIGEST.findall((made / PAGE).read_text("utf-8")))
    for words in commands(made):
        Shell(tmp_path)(*words, *given[:2])
        name = words[-1]
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digests[name]


def test_bars_that_were_not_asked_for_are_unchanged(made: Path) -> None:
    whole = read_score(ROOT / "examples/midis/Bach/musette_anh126.mid")
    found = read_score(made / "musette-infill.mid")
    end = 8 * 2 * whole.ticks_per_quarter  # of the 8th bar, in 2/4

    def begun(score: ScoreTick) -> list[tuple[int, int]]:
        return sorted((n.time, n.pitch) for t in score.tracks for n in t.notes if n.time < end)

    assert begun(found) == begun(whole)


def test_candidates_are_ranked_with_pictures(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "out"), "--candidates", "3", "--keep", "2"]
    listen.main(["draw", "--only", "bach-aaba", *out, *given])
    penalties = [float(each) for each in re.findall(r"\((\d+\.\d+)\)", capsys.readouterr().out)]
    assert len(penalties) == 2
    assert penalties == sorted(penalties)
    assert len(list((tmp_path / "out").glob("bach-aaba-*.png"))) == 2
    text = (tmp_path / "out" / PAGE).read_text("utf-8")
    assert text.count("| dissonant pairs |") == 2
    assert "excerpts, Bach)" in text


def test_human_music_ranks_before_a_repeated_note(trained: Shell, given: list[str]) -> None:
    judge = Judge(Likelihood(load(Path(given[1]), "torch", device="cpu")), here(trained.directory))
    labels = {"composer": "Bach", "ensemble": "keyboard"}
    piece = read_score(ROOT / "examples/midis/Bach/invention_08_f_major.mid")
    human = judge.human(labels, 16)
    assert human.excerpts >= 10
    drone = melody([60] * 128)
    penalties = [judge.measure(each, labels, human).penalty for each in (piece, drone)]
    assert penalties[0] < penalties[1]


def melody(pitches: list[int]) -> ScoreTick:
    score, track = ScoreTick(480), TrackTick()
    for index, pitch in enumerate(pitches):
        track.notes.append(NoteTick(index * 240, 240, pitch, 80))
    score.tracks.append(track)
    return score


def test_registers_are_those_of_bars() -> None:
    low, high = registers(melody([40] * 40 + [80] * 40))  # five bars of each
    assert (low, high) == (40, 80)


def test_repeated_notes_are_counted() -> None:
    assert repeated(melody([60, 60, 62, 62])) == 0.5
    assert repeated(melody([60, 62, 60, 62])) == 0


def test_distance_is_in_widths_of_the_range() -> None:
    found = Range(10, 15, 20)
    assert [found.distance(value) for value in (12, 25, 5, 1000)] == [0, 0.5, 0.5, 3]
    assert np.isfinite(Range(0, 0, 0).distance(1))


def test_seeds_are_read_from_text() -> None:
    assert parse_seeds("bach-aaba=3, chopin-aba=15") == {"bach-aaba": 3, "chopin-aba": 15}
    for text in ("bach-aaba", "bach-aaba=x", "nothing=3"):
        with pytest.raises(UsageError):
            parse_seeds(text)
    with pytest.raises(UsageError, match="choose from"):
        pieces("nothing")


def test_a_piece_without_a_seed_is_an_error(given: list[str], tmp_path: Path) -> None:
    paths = ["--folder", str(tmp_path / "x"), "--seeds", str(tmp_path / "listen.toml")]
    with pytest.raises(SystemExit, match="bach-aaba has no seed"):
        listen.main(["write", "--only", "bach-aaba", *paths, *given])
