"""Ctrl-C, and a catalog that another process has locked."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.shell import Shell

MIDIS = Path(__file__).parents[2] / "examples" / "midis"
# A main program that gets a signal when a function is called for the second time.
PRESS = """
import importlib, os, signal, sys
number, place, *sys.argv[1:] = sys.argv[1:]
module, _, name = place.partition(":")
owner = importlib.import_module(module)
*above, name = name.split(".")
for each in above:
    owner = getattr(owner, each)
inner, calls = getattr(owner, name), []
def press(*arguments, **named):
    calls.append(1)
    if len(calls) == 2:
        os.kill(os.getpid(), int(number))
    return inner(*arguments, **named)
setattr(owner, name, press)
from musictk.cli.main import main
main()
"""

READY = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); print(flush=True)"


def interrupted(
    shell: Shell, place: str, arguments: Sequence[str], number: int = signal.SIGINT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PRESS, str(int(number)), place, *arguments],
        cwd=shell.directory,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def work(tmp_path: Path) -> Shell:
    shutil.copytree(MIDIS, tmp_path / "midis")
    shell = Shell(tmp_path)
    shell("ingest", "./midis")
    return shell


def test_an_interrupted_ingest_keeps_what_was_read_and_is_completed(tmp_path: Path) -> None:
    shutil.copytree(MIDIS, tmp_path / "midis")
    shell = Shell(tmp_path)
    done = interrupted(shell, "musictk.ingest.collect:_Ingest._task", ["ingest", "midis"])
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == (
        "interrupted; the files that were read are in the catalog;"
        " run the command again to continue\n"
    )
    shell("ingest", "midis")
    shell("catalog", "check")


@pytest.mark.parametrize(
    ("place", "command", "said"),
    [
        (
            "musictk.ingest.encode:_of_piece",
            ["tokenize", "events"],
            "interrupted; complete shards are kept; run the command again to continue\n",
        ),
        (
            "musictk.catalog.labels:_set",
            ["catalog", "label", "Bach", "period=Baroque"],
            "interrupted; the catalog is unchanged\n",
        ),
        (
            "musictk.ingest.load:PieceLoader.load",
            ["evaluate", "midis/Satie/gymnopedie_3.mid"],
            None,
        ),
        (
            "musictk.ingest.load:PieceLoader.load",
            ["originality", "midis/Satie/gymnopedie_3.mid"],
            None,
        ),
        ("musictk.ingest.encode:_of_piece", ["train", "--size", "tiny"], None),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_ctrl_c_ends_a_command_with_one_line(
    work: Shell, place: str, command: list[str], said: str | None
) -> None:
    before = sorted(work.directory.iterdir())
    done = interrupted(work, place, command)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == said if said else done.stderr.startswith("interrupted")
    assert len(done.stderr.splitlines()) == 1
    left = [path for path in work.directory.rglob("*") if path.is_file()]
    assert not [path for path in left if path.suffix == ".part" or path.parent.name == "shards"]
    assert not {path.name for path in work.directory.iterdir()} - {
        *(path.name for path in before),
        "shards",
    }
    assert work.json("catalog", "summary")["labels"] == []


def test_ctrl_c_while_sampling_keeps_the_pieces_that_were_written(shell: Shell) -> None:
    asked = ["sample", "--bars", "1", "--count", "2", "--seed", "1", "-o", "made.mid"]
    done = interrupted(shell, "musictk.jobs.sample:write_composition", asked)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "interrupted; the pieces that were written are kept\n"
    assert sorted(path.name for path in shell.directory.glob("made*")) == ["made-1.mid"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_that_end_a_process_leave_no_temporary_files(
    work: Shell, number: int, code: int
) -> None:
    before = sorted(work.directory.rglob("*"))
    done = interrupted(work, "musictk.ingest.encode:_of_piece", ["tokenize", "events"], number)
    assert (done.returncode, done.stdout) == (code, "")
    said = "interrupted; complete shards are kept; run the command again to continue\n"
    assert done.stderr == said
    assert list(work.directory.rglob("*.part*")) == []
    assert {*work.directory.rglob("*")} - {*before} <= {work.directory / "shards"}


@pytest.mark.parametrize("after", [0.05, 0.15, 0.3])
def test_ctrl_c_while_the_program_is_loaded_ends_it_with_one_line(after: float) -> None:
    command = [sys.executable, "-c", f"{READY}; from musictk.__main__ import run; run()", "--help"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as loading:
        assert loading.stdout is not None
        loading.stdout.readline()
        time.sleep(after)
        loading.send_signal(signal.SIGINT)
        _, errors = loading.communicate(timeout=60)
    assert (loading.returncode, errors) in {(130, "interrupted\n"), (0, "")}


def test_ctrl_c_after_a_command_is_done_changes_nothing() -> None:
    late = "import atexit, os; atexit.register(os.kill, os.getpid(), signal.SIGINT)"
    program = f"{READY}; {late}; from musictk.__main__ import run; run()"
    command = [sys.executable, "-c", program, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip().startswith("musictk")


def test_a_locked_catalog_says_that_it_waits(work: Shell) -> None:
    command = [sys.executable, "-m", "musictk", "catalog", "label", "Bach", "period=Baroque"]
    with closing(sqlite3.connect(work.directory / "catalog.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with subprocess.Popen(
            command,
            cwd=work.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as waiting:
            assert waiting.stderr is not None
            assert waiting.stderr.readline() == (
                "warning: another musictk process is writing to the catalog;"
                " waiting for it to end\n"
            )
            other.execute("ROLLBACK")
            out, errors = waiting.communicate(timeout=60)
            assert (waiting.returncode, errors) == (0, "")
            assert "set" in out


def test_ctrl_c_ends_the_waiting(work: Shell) -> None:
    command = [sys.executable, "-m", "musictk", "catalog", "label", "Bach", "period=Baroque"]
    with closing(sqlite3.connect(work.directory / "catalog.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with subprocess.Popen(
            command, cwd=work.directory, stderr=subprocess.PIPE, text=True
        ) as waiting:
            assert waiting.stderr is not None
            waiting.stderr.readline()
            began = time.monotonic()
            waiting.send_signal(signal.SIGINT)
            _, errors = waiting.communicate(timeout=60)
        assert (waiting.returncode, errors) == (130, "interrupted; the catalog is unchanged\n")
        assert time.monotonic() - began < 5
