"""Output that cannot be written: one line before the work, and no finished piece is lost."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest

from tests.cli.shell import Shell

EXAMPLES = Path(__file__).parents[2] / "examples" / "midis"
SATIE = "midis/Satie/gymnopedie_3.mid"


@pytest.fixture
def locked() -> Iterator[Path]:
    """A folder without write permission; skips where permissions do not apply, as for root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "locked")
        folder.mkdir(mode=0o555)
        try:
            (folder / "probe").touch()
        except PermissionError:
            yield folder
            folder.chmod(0o755)
        else:
            pytest.skip("this user can write anywhere")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("midis", "error: midis is a directory; name a file in it: -o midis/out.mid"),
        ("catalog.db/x.mid", "catalog.db is not a directory; choose a writable path"),
        ("catalog.db/deep/x.mid", "catalog.db is not a directory; choose a writable path"),
        ("a" * 300 + ".mid", "File name too long; choose a shorter name"),
        ("/dev/full", "/dev/full does not end in .mid; choose a name that ends in .mid"),
        ("out.txt", "out.txt does not end in .mid; choose a name that ends in .mid"),
        ("out.aac", "unknown audio format '.aac' of out.aac; choose from: .wav, .flac, .mp3, .ogg"),
        ("catalog.db/x.wav", "catalog.db is not a directory; choose a writable path"),
        ("a" * 300 + ".mp3", "File name too long; choose a shorter name"),
    ],
)
@pytest.mark.parametrize("more", [("--bars", "1"), ("--bars", "999", "--count", "99")])
def test_sample_says_it_before_composing(
    trained: Shell, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], path: str, said: str
) -> None:
    before = sorted(trained.directory.iterdir())
    code, out, err = trained.here(capsys, "sample", *more, "-o", path)
    assert (code > 0, out) == (True, "")
    assert said in err
    assert err.count("error: ") == 1
    assert sorted(trained.directory.iterdir()) == before
    assert trained.json("catalog", "check") == []


@pytest.mark.parametrize(
    "command",
    [("catalog", "export", "catalog.db"), ("runs", "compare", "--csv", "catalog.db")],
    ids=lambda command: command[0],
)
def test_the_catalog_is_never_replaced(trained: Shell, command: tuple[str, ...]) -> None:
    before = trained.json("catalog", "summary")
    done = trained(*command, code=1)
    assert done.stderr == (
        "error: cannot write catalog.db: it is a database, which is not replaced; name another"
        " file, then run the command again\n"
    )
    assert trained.json("catalog", "summary") == before


def test_the_file_that_a_symbolic_link_names_is_written(shell: Shell) -> None:
    target, link = shell.directory / "target.jsonl", shell.directory / "link"
    for existing in (False, True):
        if existing:
            target.write_text("old")
        else:
            link.symlink_to(target)  # names a file that does not exist yet
        shell("catalog", "export", "link")
        assert link.is_symlink()
        assert '"table": "files"' in target.read_text()


def test_a_folder_from_which_weights_cannot_be_read_is_known_before(tmp_path: Path) -> None:
    folder = tmp_path / b"bad\xff".decode("utf-8", "surrogateescape")
    try:
        copytree(EXAMPLES / "Satie", folder / "midis")
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    shell = Shell(folder)
    shell("ingest", "midis")
    done = shell("train", "--size", "tiny", "--steps", "2", code=2)
    assert "is not valid UTF-8, and weights cannot be read from there; move the" in done.stderr
    assert not (folder / "runs").exists()


def test_names_that_are_almost_too_long_are_written(shell: Shell) -> None:
    name = "a" * 251 + ".mid"
    shell("sample", "--bars", "1", "-o", name)
    assert (shell.directory / name).read_bytes().startswith(b"MThd")


def test_numbers_that_make_a_name_too_long_are_known_before(
    trained: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a" * 250 + ".mid"
    code, _, err = trained.here(capsys, "sample", "--bars", "999", "--count", "3", "-o", name)
    assert code == 1
    assert "too long" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", SATIE, "-o", "catalog.db/x.png"),
        ("show", SATIE, "--attention", "-o", "catalog.db/x.png"),
        ("render", SATIE, "-o", "catalog.db/x.wav"),
        ("render", SATIE, "-o", "catalog.db/x.mp3"),
    ],
)
def test_pictures_and_audio_say_it_before_the_work(
    trained: Shell, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    code, out, err = trained.here(capsys, *arguments)
    assert (code, out) == (1, "")
    assert "catalog.db is not a directory; choose a writable path" in err


@pytest.mark.parametrize("arguments", [("train", "--steps", "1"), ("export",)])
def test_runs_and_exports_say_it_before_the_work(shell: Shell, arguments: tuple[str, ...]) -> None:
    for name in ("runs", "exports"):
        if (shell.directory / name).is_dir():
            (shell.directory / name).rename(shell.directory / f"my-{name}")
        (shell.directory / name).write_text("not a folder")
    before = shell.json("catalog", "summary")
    done = shell(*arguments, code=1)
    assert "is not a directory; choose a writable path" in done.stderr or (
        "ended before its first checkpoint" in done.stderr
    )
    assert "Traceback" not in done.stderr
    assert shell.json("catalog", "summary") == before


def test_a_folder_without_permission_is_known_before(
    trained: Shell, locked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (
        ("sample", "--bars", "999", "-o", f"{locked}/x.mid"),
        ("show", SATIE, "-o", f"{locked}/new/x.png"),
        ("render", SATIE, "-o", f"{locked}/x.wav"),
    ):
        code, out, err = trained.here(capsys, *arguments)
        assert (code, out) == (1, "")
        assert "Permission denied; choose a writable path" in err


def test_a_read_only_workspace_can_be_sampled(shell: Shell, locked: Path) -> None:
    """`locked` is asked for only because it skips where permissions do not apply."""
    folders = [path for path in shell.directory.rglob("*") if path.is_dir()]
    for folder in [shell.directory, *folders]:
        folder.chmod(0o555)
    try:
        done = shell("sample", "--bars", "1", code=1)
        assert "Permission denied; choose a writable path" in done.stderr
        target = locked.parent / "out.mid"
        for more in ((), ("--prompt", SATIE)):
            done = shell("sample", "--bars", "1", "-o", str(target), *more)
            assert "not stored in the catalog, so --like cannot repeat it" in done.stderr
            assert "--like" not in done.stdout
            assert target.read_bytes().startswith(b"MThd")
            target.unlink()
    finally:
        for folder in [shell.directory, *folders]:
            folder.chmod(0o755)
