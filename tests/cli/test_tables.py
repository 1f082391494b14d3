"""Tables at every width: words are never broken, and a pipe gets one row per line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from musictk.catalog import Catalog
from musictk.cli.output import Output
from tests.catalog.conftest import make
from tests.cli.shell import Shell

NAMES = ["Johann Sebastian Bach", "Dvořák", "清水", "Wolfgang Amadeus Mozart"]
ANSI = re.compile(r"\x1b\[[0-9;]*m")
TABLES = {  # a command -> the columns whose words have to be whole
    ("catalog", "files"): ("id", "path", "composer", "split"),
    ("catalog", "search", "piece"): ("id", "path", "composer", "split"),
    ("catalog", "composers"): ("name",),
    ("catalog", "rejected"): ("id", "path", "code", "detail"),
    ("catalog", "check"): ("what", "where", "hint"),
    ("runs", "list"): ("name", "status"),
    ("plugins",): ("name", "kind", "origin"),
    ("config",): ("setting",),
    ("doctor",): ("thing", "found"),
}
Terminal = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Catalog.open(f"sqlite:///{tmp_path}/catalog.db", tmp_path) as catalog:
        for number, name in enumerate(NAMES, 1):
            path = f"midis/{name}/The_Well-Tempered_Clavier/{number}.mid"
            catalog.record([make(number, path=path, composer=name)])
        broken = make(9, path="midis/x.mid", code="corrupt", composer=None, facts={})
        catalog.record([broken])
        for name in ("conformer-medium-1", "a_run_with_a_long_name"):
            catalog.start_run("conformer", "f", {}, name=name)
            catalog.finish_run(name, metrics={"step": 12, "best_nll": 3.25, "parameters": 10**7})
    (tmp_path / "musictk.toml").write_text('[train]\nsize = "tiny"\n', "utf-8")
    return tmp_path


@pytest.fixture
def terminal(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    """What a command prints on a terminal of some width."""

    def run(width: int, *arguments: str) -> str:
        with monkeypatch.context() as patch:
            patch.setenv("FORCE_COLOR", "1")  # a terminal for rich
            patch.setenv("COLUMNS", str(width))
            return ANSI.sub("", Shell(folder).here(capsys, *arguments)[1])

    return run


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("command", TABLES)
def test_words_are_whole_and_lines_fit(
    terminal: Terminal, command: tuple[str, ...], width: int
) -> None:
    lines = terminal(width, *command).splitlines()
    longest = max(len(line) for line in lines)
    words = " ".join(lines).replace("/", " ").split()
    assert longest <= width or longest <= 2 + max(map(len, words)) + 12
    rows = json.loads(terminal(width, "--json", *command))
    if isinstance(rows, dict):
        rows = rows.get("offers", rows.get("settings", []))
    for row in rows:
        for column in TABLES[command]:
            for word in filter(None, re.split(r"[\s/]+", str(row[column] or ""))):
                assert word in words, f"{column} of {row} in\n" + "\n".join(lines)


def test_a_narrow_table_becomes_blocks(terminal: Terminal) -> None:
    shown = terminal(40, "catalog", "files")
    assert shown.startswith(
        "id       2\n"
        "path     midis/Dvořák/\n"
        "         The_Well-Tempered_Clavier/2.mid\n"
        "composer Dvořák\n"
        "split    "
    )
    assert shown.count("\n\n") == len(NAMES)  # between blocks


def test_the_last_columns_may_be_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    _, out, err = Shell(folder).here(capsys, "catalog", "files")
    assert ANSI.sub("", out).split("\n")[0].split()[:4] == ["id", "path", "composer", "split"]
    assert "columns not shown: " in err
    assert "use --json" in err
    assert "columns not shown" not in Shell(folder).here(capsys, "--quiet", "catalog", "files")[2]


@pytest.mark.parametrize("command", TABLES)
def test_a_pipe_gets_one_row_per_line(
    folder: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    _, out, _ = Shell(folder).here(capsys, *command)
    rows = json.loads(Shell(folder).here(capsys, "--json", *command)[1])
    if isinstance(rows, dict):
        rows = rows.get("offers", rows.get("settings", []))
    assert len(out.splitlines()) == len(rows) + 1


@pytest.mark.parametrize("command", [("catalog", "summary"), ("catalog", "show", "1")])
def test_facts_are_wrapped_on_a_terminal_only(
    folder: Path, terminal: Terminal, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    lines = terminal(40, *command).splitlines()
    whole = Shell(folder).here(capsys, *command)[1].splitlines()
    assert all(len(line) <= 40 or len(line.split()[-1]) > 20 for line in lines)
    assert "".join("".join(lines).split()) == "".join("".join(whole).split())
    assert len({line.split()[0] for line in whole}) == len(whole)  # one fact per line


def test_a_long_row_is_one_line_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table([{"name": "a" * 5000, "text": "b c " * 2000}])
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize(
    "command",
    [
        ("runs", "list"),
        ("runs", "compare"),
        ("tokenize",),
        ("evaluate", "midis/Bach/invention_04_d_minor.mid"),
    ],
)
def test_tables_about_models_and_music_fit(
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
) -> None:
    rows = len(shell.here(capsys, *command)[1].splitlines()) - 1
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    lines = ANSI.sub("", shell.here(capsys, *command)[1]).splitlines()
    assert all(len(line) <= 40 or len(line.split()) < 3 for line in lines)  # a name and one word
    assert lines.count("") in (0, rows - 1)  # a table, or a block for each row
