"""Where the catalog, its settings and the music are: searched upwards, named, moved, read-only."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.catalog.test_database import can_mount
from tests.cli.shell import Shell

MIDIS = Path(__file__).parents[2] / "examples" / "midis"


@pytest.fixture
def work(tmp_path: Path) -> Shell:
    """A workspace with the pieces of two composers in `midis`, of which one is labelled."""
    shell = Shell(tmp_path / "work")
    for composer in ("Bach", "Chopin", "Satie"):
        shutil.copytree(MIDIS / composer, shell.directory / "midis" / composer)
    shell("ingest", "./midis")
    shell("catalog", "label", "Satie", "period=late")
    return shell


def within(shell: Shell, *names: str) -> Shell:
    """A shell in a new folder below that one."""
    folder = shell.directory.joinpath(*names)
    folder.mkdir(parents=True, exist_ok=True)
    return Shell(folder)


def paths(shell: Shell) -> set[str]:
    return {row["path"] for row in shell.json("catalog", "files")}


NEED_ONE = [
    *(
        ["catalog", name]
        for name in ("summary", "files", "composers", "rejected", "check", "split")
    ),
    *(["catalog", name, "x"] for name in ("search", "show", "export")),
    ["catalog", "label", "Bach", "period=Baroque"],
    ["catalog", "alias", "Bach", "J.S. Bach"],
    ["runs", "compare"],
    ["runs", "show", "gpt-1"],
    *([name] for name in ("tokenize", "train")),
    ["train", "--resume", "gpt-1"],
    ["sample", "--like", "1"],
    *([name, "a.mid"] for name in ("evaluate", "attribute")),
    ["show", "a.mid", "--attention"],
]


@pytest.mark.parametrize("command", NEED_ONE, ids=" ".join)
def test_a_command_without_a_catalog_says_so_and_creates_none(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(MIDIS / "Satie" / "gymnopedie_3.mid", tmp_path / "a.mid")
    code, out, errors = Shell(tmp_path).here(capsys, *command)
    assert (code, out) == (1, "")
    assert errors == (
        f"error: there is no catalog in {tmp_path} or above it; run: musictk ingest FOLDER\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.mid"]


def test_a_folder_that_does_not_exist_creates_no_catalog(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, errors = Shell(tmp_path).here(capsys, "ingest", "midi")
    assert code == 2
    assert f"{tmp_path}/midi does not exist" in errors
    assert not list(tmp_path.iterdir())


NEED_NONE = [
    ["--help"],
    *([name] for name in ("plugins", "config", "doctor")),
    ["show", "a.mid"],
    ["show", "a.mid", "-o", "a.svg"],
    ["evaluate", "a.mid", "--form", "--as", "AB"],
]


@pytest.mark.parametrize("command", NEED_NONE, ids=" ".join)
def test_a_command_that_needs_no_catalog_creates_none(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(MIDIS / "Satie" / "gymnopedie_3.mid", tmp_path / "a.mid")
    code, out, errors = Shell(tmp_path).here(capsys, *command)
    assert code == 0, errors
    assert out or errors
    assert not list(tmp_path.glob("*.db*"))


def test_a_bundle_is_sampled_without_a_catalog(trained: Shell, tmp_path: Path) -> None:
    shutil.copytree(trained.directory / "runs" / "conformer-1" / "best", tmp_path / "bundle")
    shutil.copy(MIDIS / "Satie" / "gymnopedie_3.mid", tmp_path / "a.mid")
    shell = Shell(tmp_path)
    asked = ("sample", "--bundle", "bundle", "--bars", "1", "--prompt", "a.mid", "-o", "b.mid")
    (row,) = json.loads(shell(*asked, "--composer", "Bach", "--json").stdout)
    assert row["id"] is None
    said = shell(*asked)
    assert "--like" not in said.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mid", "b.mid", "bundle"]


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    shell = within(Shell(tmp_path), "Who? 100% & #1;é")
    shutil.copytree(MIDIS / "Satie", shell.directory / "Satie")
    shell("ingest", "Satie")
    assert sorted(path.name for path in shell.directory.iterdir()) == ["Satie", "catalog.db"]
    assert paths(shell) == {"Satie/gymnopedie_3.mid"}
    assert paths(Shell(shell.directory / "Satie")) == paths(shell)
    other = Shell(tmp_path).json("catalog", "files", "--catalog", shell.directory.name)
    assert len(other) == 1


def test_the_catalog_is_searched_upwards(work: Shell) -> None:
    below = within(work, "notes", "today")
    assert paths(below) == paths(work)
    shutil.copytree(MIDIS / "Grieg", below.directory / "new")
    said = below("ingest", "new")
    assert f"using the catalog in {work.directory}" in said.stderr
    assert any(path.startswith("notes/today/new/") for path in paths(work))
    below("tokenize", "events")
    assert (work.directory / "shards").is_dir()
    assert [path.name for path in below.directory.iterdir()] == ["new"]
    shown = below.json("catalog", "show", next((below.directory / "new").iterdir()).name)
    assert shown["path"].startswith("notes/today/new/")
    assert "using" not in work("ingest", "midis").stderr


def test_settings_are_those_of_the_folder_else_of_the_workspace(work: Shell) -> None:
    (work.directory / "musictk.toml").write_text("[catalog.files]\nlimit = 1\n")
    below = within(work, "below")
    assert len(paths(below)) == 1
    (row,) = below.json("config")
    assert row["from"] == str(work.directory / "musictk.toml")
    assert work.json("config")[0]["from"] == "musictk.toml"
    (below.directory / "musictk.toml").write_text("[catalog.files]\nlimit = 2\n")
    assert len(paths(below)) == 2
    other = within(work, "..", "elsewhere")
    assert len(other.json("catalog", "files", "--catalog", "../work")) == 1


@pytest.mark.parametrize("named", ["../work", "../work/", "../work/catalog.db"])
def test_the_catalog_is_named_by_a_path(work: Shell, named: str) -> None:
    other = within(work, "..", "other")
    assert len(other.json("--catalog", named, "catalog", "files")) == len(paths(work))
    other("--catalog", named, "tokenize", "events")
    assert (work.directory / "shards").is_dir()
    (other.directory / "musictk.toml").write_text(f'catalog = "{named}"\n')
    assert paths(within(other, ".")) == paths(work)
    url = f"sqlite:///{work.directory}/catalog.db"
    assert len(other.json("--catalog", url, "catalog", "files")) == len(paths(work))


def test_the_path_of_a_settings_file_is_relative_to_it(
    work: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = within(work, "..", "project", "deep")
    (deep.directory.parent / "catalog.db").touch()  # makes the folder a workspace
    (deep.directory.parent / "musictk.toml").write_text('catalog = "../work"\n')
    expected = paths(work)
    assert paths(deep) == expected
    monkeypatch.setenv("MUSICTK_CATALOG", "../../work/catalog.db")
    assert paths(deep) == expected


def test_a_path_without_a_catalog_is_created_by_ingest_alone(
    work: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, errors = work.here(capsys, "catalog", "files", "--catalog", "other")
    assert code == 2
    assert errors == (
        f"error: there is no catalog {work.directory}/other/catalog.db;"
        " name another with --catalog, or run: musictk ingest FOLDER\n"
    )
    assert not (work.directory / "other").exists()
    work("ingest", "midis/Bach", "--catalog", "other", "-q")
    work("ingest", "midis/Bach", "--catalog", "more/third.db", "-q")
    assert (work.directory / "other" / "catalog.db").is_file()
    assert (work.directory / "more" / "third.db").is_file()
    assert all(path.startswith(str(work.directory)) for path in paths(within(work, "other")))


def test_global_options_are_given_anywhere(work: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    before = work.here(capsys, "--json", "catalog", "search", "satie")
    assert before[0] == 0
    assert json.loads(before[1])
    for words in (
        ("catalog", "--json", "search", "satie"),
        ("catalog", "search", "--json", "satie"),
        ("catalog", "search", "satie", "--json"),
        ("catalog", "search", "--limit", "100", "--json", "--catalog", ".", "-q", "satie"),
    ):
        assert work.here(capsys, *words) == before
    code, out, errors = work.here(capsys, "ingest", "-q", "midis", "--json")
    assert (code, errors) == (0, "")
    assert json.loads(out)["unchanged"] > 5


def test_words_that_only_look_like_global_options_are_left_alone(
    work: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = work.here(capsys, "catalog", "search", "--", "--json")
    assert (code, out) == (0, "")
    code, _, errors = work.here(capsys, "catalog", "files", "--composer", "--json")
    assert code == 2
    assert "no composer '--json'" in errors


def test_every_command_mentions_the_global_options(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["ingest"], ["catalog", "files"], ["runs", "compare"], ["sample"], ["plugins"]):
        out = Shell(Path.cwd()).here(capsys, *words, "--help")[1]
        assert all(name in out for name in ("Global options", "--catalog", "--json", "--quiet"))


PLUGIN = """
import typer
from musictk.plugin import hookimpl

class Plugin:
    @hookimpl
    def register_commands(self, app):
        @app.command("greet")
        def greet(context: typer.Context, quick: bool = typer.Option(False, "-q")):
            from musictk.cli.context import session
            session(context).output.result({"quick": quick}, f"quick {quick}")
"""


def test_a_command_of_a_plugin_has_them_and_keeps_its_own(tmp_path: Path) -> None:
    (tmp_path / "greeting.py").write_text(PLUGIN)
    info = tmp_path / "greeting-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greeting\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[musictk]\ngreeting = greeting:plugin\n")
    (tmp_path / "greeting.py").write_text(PLUGIN + "\nplugin = Plugin()\n")
    done = subprocess.run(
        [sys.executable, "-m", "musictk", "greet", "-q", "--json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout) == {"quick": True}, done.stderr


def splits(shell: Shell) -> dict[str, tuple[str, str, dict[str, str]]]:
    """Split, composer and labels of each file, by its SHA-256."""
    return {
        row["sha256"]: (row["split"], row["composer"], row["labels"])
        for row in shell.json("catalog", "files")
    }


def test_a_music_folder_that_was_renamed_is_found_again(work: Shell) -> None:
    before = splits(work)
    (work.directory / "midis").rename(work.directory / "tunes")
    error = work("tokenize", "events", code=1).stderr
    assert f"{work.directory}/midis/" in error
    assert "run: musictk ingest FOLDER, with its new folder" in error
    hints = {row["hint"] for row in work.json("catalog", "check", code=1)}
    assert hints == {
        "run: musictk ingest FOLDER, with the folder that it is in now;"
        " if it was deleted: musictk ingest ."
    }
    work("ingest", "./tunes")
    assert all(path.startswith("tunes/") for path in paths(work))
    assert splits(work) == before
    work("catalog", "check")
    work("tokenize", "events")


def test_a_copy_that_exists_is_read_and_check_says_how_to_drop_the_other(work: Shell) -> None:
    """As versions left it that did not drop the old name of a renamed folder."""
    (work.directory / "midis").rename(work.directory / "tunes")
    work("ingest", "./tunes")
    with closing(sqlite3.connect(work.directory / "catalog.db")) as database, database:
        database.execute(
            "INSERT INTO places (path, member, size, mtime_ns, checks, file_id)"
            " SELECT replace(path, 'tunes/', 'midis/'), member, size, mtime_ns, checks, file_id"
            " FROM places"
        )
    work("tokenize", "events")
    faults = work.json("catalog", "check", code=1)
    hint = next(row["hint"] for row in faults if "/Satie/" in row["where"])
    assert hint == "run: musictk ingest tunes/Satie"
    work(*hint.split()[2:])
    assert not any("/Satie/" in row["where"] for row in work.json("catalog", "check", code=1))
    work("ingest", "./tunes")
    work("catalog", "check")


def test_an_archive_that_was_renamed_is_found_again(work: Shell) -> None:
    shutil.make_archive(str(work.directory / "set"), "zip", MIDIS / "Grieg")
    work("ingest", "set.zip")
    shutil.rmtree(work.directory / "midis")
    work("ingest", ".")
    before = splits(work)
    (work.directory / "set.zip").rename(work.directory / "box.zip")
    work("ingest", "box.zip")
    assert paths(work) & {"set.zip", "box.zip"} == {"box.zip"}
    assert {key: splits(work)[key] for key in before} == before
    work("tokenize", "events")
    with closing(sqlite3.connect(work.directory / "catalog.db")) as database:
        assert not database.execute("SELECT * FROM places WHERE path = 'set.zip'").fetchall()


def test_what_check_says_about_deleted_music_works(work: Shell) -> None:
    shutil.rmtree(work.directory / "midis" / "Bach")
    hint = work.json("catalog", "check", code=1)[0]["hint"]
    work(*hint.rpartition(": musictk ")[2].split())
    work("catalog", "check")
    work("tokenize", "events")


@pytest.fixture
def outside(tmp_path: Path) -> Shell:
    """A workspace whose music is in a folder beside it."""
    shutil.copytree(MIDIS / "Satie", tmp_path / "music" / "Satie")
    shutil.copytree(MIDIS / "Bach", tmp_path / "music" / "Bach")
    shell = within(Shell(tmp_path), "work")
    shell("ingest", "../music")
    return shell


def test_a_workspace_moves_without_the_music_outside(outside: Shell, tmp_path: Path) -> None:
    music = tmp_path / "music"
    assert all(path.startswith(f"{music}/") for path in paths(outside))
    (tmp_path / "deeper").mkdir()
    moved = Shell(outside.directory.rename(tmp_path / "deeper" / "work"))
    moved("tokenize", "events")
    moved("catalog", "check")
    found = moved.json("catalog", "show", "../../music/Satie/gymnopedie_3.mid")
    assert found["title"] == "gymnopedie_3"


def test_a_workspace_and_music_that_both_moved_need_one_ingest(
    outside: Shell, tmp_path: Path
) -> None:
    before = splits(outside)
    shutil.move(tmp_path / "music", tmp_path / "new" / "music")
    moved = Shell(Path(shutil.move(outside.directory, tmp_path / "new" / "work")))
    assert "run: musictk ingest FOLDER" in moved("tokenize", "events", code=1).stderr
    moved("ingest", "../music")
    assert splits(moved) == before
    moved("catalog", "check")


def test_paths_that_older_versions_stored_outside_are_read_and_converted(
    outside: Shell, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(outside.directory / "catalog.db")) as database, database:
        database.execute("UPDATE places SET path = replace(path, ?, '..')", (str(tmp_path),))
    before = paths(outside)
    assert all(path.startswith("../music/") for path in before)
    outside("tokenize", "events")
    outside("catalog", "check")
    said = json.loads(outside("ingest", "../music/Satie", "--json").stdout)
    assert said["unchanged"] == len(list((tmp_path / "music" / "Satie").iterdir()))
    assert paths(outside) == {path.replace("..", str(tmp_path)) for path in before}


def read_only(shell: Shell, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a workspace that is mounted read-only."""
    mount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && cd "$1" && shift && "$@"'
    command = [sys.executable, "-m", "musictk", *arguments]
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, "sh", str(shell.directory), *command],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        check=False,
    )


@pytest.mark.skipif(not can_mount(), reason="needs Linux with user namespaces")
def test_a_read_only_workspace_is_read(shell: Shell, tmp_path: Path) -> None:
    for command in (
        ["catalog", "summary"],
        ["catalog", "show", "gymnopedie_3"],
        ["runs", "list"],
        ["runs", "show", "conformer-1"],
    ):
        done = read_only(shell, *command)
        assert (done.returncode, done.stderr) == (0, ""), command
    made = tmp_path / "made.mid"
    prompt = ("--prompt", "midis/Satie/gymnopedie_3.mid", "--prompt-tokens", "40")
    done = read_only(shell, "sample", "-q", "--bars", "1", *prompt, "-o", str(made))
    assert done.returncode == 0, done.stderr
    assert made.is_file()
    assert "not stored in the catalog, so --like cannot repeat it: the workspace" in done.stderr
    assert "--like" not in done.stdout
    for command in (["ingest", "midis"], ["tokenize"], ["train"], ["export"]):
        done = read_only(shell, *command)
        assert (done.returncode, done.stderr) == (
            1,
            f"error: the workspace {shell.directory} is read-only;"
            " make it writable, or copy it to a writable folder\n",
        )
    assert not list(shell.directory.glob("catalog.db-*"))


def test_a_missing_file_is_listed_with_its_last_path(tmp_path: Path, midis: Path) -> None:
    shell = Shell(tmp_path)
    shutil.copytree(midis / "Satie", tmp_path / "midis" / "Satie")
    shell("ingest", "midis")
    gone = "midis/Satie/gymnopedie_3.mid"
    (tmp_path / gone).unlink()
    shell("ingest", "midis")
    for asked in (("files", "--status", "missing"), ("files",), ("search", "gymnopedie")):
        assert f"{gone} (missing)" in shell("catalog", *asked).stdout
    (row,) = shell.json("catalog", "files", "--status", "missing")
    assert (row["path"], row["last_path"]) == (None, gone)
    assert f"it was last at {gone}" in shell("show", str(row["id"]), code=1).stderr
