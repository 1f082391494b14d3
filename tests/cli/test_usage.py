"""Wrong use of a command: one line that says what is wrong and how to fix it, and exit code 2."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from musictk.cli.main import build_command
from musictk.cli.settings import command_options
from tests.cli.shell import Shell
from tests.test_public import leaves

# (what is typed, the whole error)
TYPED = [
    ("sample --temperature abc", "--temperature 'abc' is not valid; give: number, at least 0"),
    ("sample --temperature ''", "--temperature '' is not valid; give: number, at least 0"),
    ("sample --count -1", "--count -1 must be at least 1"),
    ("sample --count 1.5", "--count '1.5' is not valid; give: integer, at least 1"),
    ("--json sample --min-p 3", "--min-p 3 must be from 0 to 1"),
    ("sample --seed x", "--seed 'x' is not valid; give: integer"),
    ("train --steps", "--steps needs a value; write --steps N"),
    ("sample --strict=3", "--strict takes no value; write --strict alone"),
    ("sample --temprature 1", "no option '--temprature'; did you mean '--temperature'?"),
    ("sample --out x.mid", "no option '--out'; did you mean '--output'?"),
    ("sample -z", "no option '-z'; choose from: -h, -o, -q"),
    ("smple", "no command 'smple'; did you mean 'sample'?"),
    ("runs lst", "no runs command 'lst'; did you mean 'list'?"),
    ("ingest", "ingest needs PATH; see: musictk ingest --help"),
    ("catalog show", "catalog show needs FILE; see: musictk catalog show --help"),
    (
        "catalog search two words",
        "unexpected argument 'words'; "
        "put a name with spaces in quotes, or see: musictk catalog search --help",
    ),
    ("--quiet", "missing command; see: musictk --help"),
    # Names that are not UTF-8, and empty ones, which would be the current folder.
    ("sample --top-k \udcff", "--top-k '\\udcff' is not valid; give: integer, at least 0"),
    (
        "sample --temperature \udcff",
        "--temperature '\\udcff' is not valid; give: number, at least 0",
    ),
    ("show \udcff.mid", "there is no file '\\udcff.mid'; check the path"),
    ("ingest ''", "PATH is empty; name a file or a folder"),
    ("ingest . ''", "PATH is empty; name a file or a folder"),
    ("render ''", "FILE is empty; name a file or a folder"),
    ("sample --prompt=", "--prompt is empty; name a file or a folder"),
    ("catalog export ''", "PATH is empty; name a file or a folder"),
    ("show x.mid --run first", "--run is for the attention of a model; add --attention"),
]
# (option, value as text, value in musictk.toml, the error; {} is the place with the value)
SET = [
    ("sample.temperature", "x", '"x"', "{'x'} is not valid; give: number, at least 0"),
    ("sample.count", "-1", "-1", "{-1} must be at least 1"),
    ("json", "x", '"x"', "{'x'} is not valid; give: true or false"),
    ("sample.label", "x", '["x"]', "--label 'x' is not CATEGORY=VALUE (--label is set by {})"),
    (
        "sample.seed",
        "-1",
        "-1",
        "seed=-1 must be from 0 to 9223372036854775807 (--seed is set by {})",
    ),
    (
        "sample.run",
        "first",
        '"first"',
        "without a catalog there is no run 'first' (--run is set by {})",
    ),
]
# (line of musictk.toml, the whole error)
IN_FILE = [
    ("sample.count = true", "sample.count='true'%s is not valid; give: integer, at least 1"),
    ("sample.label = 'x'", "sample.label='x'%s is not valid; give: list"),
    ("catalog = 5", "catalog=5%s is not valid; give: text"),
]


def said(shell: Shell, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one error of a command that is used wrongly, without notes before it."""
    code, out, err = shell.here(capsys, *arguments)
    assert (code, out) == (2, "")
    *_, last = err.splitlines()
    assert err.count("error: ") == 1
    return last.removeprefix("error: ")


@pytest.mark.parametrize(("typed", "error"), TYPED, ids=[ascii(typed) for typed, _ in TYPED])
def test_a_wrong_command_line_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], typed: str, error: str
) -> None:
    code, out, err = Shell(tmp_path).here(capsys, *shlex.split(typed))
    assert (code, out, err) == (2, "", f"error: {error}\n")


@pytest.mark.parametrize("path", [path for path, _ in leaves(build_command())], ids=" ".join)
def test_every_command_names_an_unknown_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: tuple[str, ...]
) -> None:
    code, out, err = Shell(tmp_path).here(capsys, *path, "--jsn")
    assert (code, out, err) == (2, "", "error: no option '--jsn'; did you mean '--json'?\n")


@pytest.mark.parametrize(("option", "text", "toml", "error"), SET, ids=[each[0] for each in SET])
def test_a_wrong_value_names_the_variable_or_the_file(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    text: str,
    toml: str,
    error: str,
) -> None:
    shell, file = Shell(tmp_path), tmp_path / "musictk.toml"
    variable = f"MUSICTK_{option.replace('.', '_').upper()}"
    before, _, after = error.partition("{")
    value, _, after = after.partition("}")
    equals = f"={value}" if value else ""
    file.write_text(f"{option} = {toml}\n")
    expected = f"{before}{option}{equals} in musictk.toml{after}"
    assert said(shell, capsys, "sample").startswith(expected)
    file.unlink()
    monkeypatch.setenv(variable, text)
    assert said(shell, capsys, "sample").startswith(f"{before}{variable}{equals}{after}")


@pytest.mark.parametrize(("line", "error"), IN_FILE)
def test_a_value_of_the_wrong_type_in_the_file_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, error: str
) -> None:
    (tmp_path / "musictk.toml").write_text(f"{line}\n")
    assert said(Shell(tmp_path), capsys, "sample") == error % " in musictk.toml"


def test_a_flag_takes_precedence_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSICTK_SAMPLE_COUNT", "0")
    error = said(Shell(tmp_path), capsys, "sample", "--count", "-1")
    assert error == "--count -1 must be at least 1"


def test_a_name_that_is_also_in_a_variable_is_not_blamed_on_it(
    trained: Shell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSICTK_TRAIN_ARCH", "gpt")
    error = said(trained, capsys, "train", "--from", "gpt")
    assert error == "no run 'gpt'; choose from: conformer-1"


def test_a_group_without_a_command_shows_its_help(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = Shell(tmp_path).here(capsys, "runs")
    assert code == 2
    assert "compare" in out + err
    assert "error: " not in err


def test_help_shows_what_to_type_and_the_whole_range(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    code, out, _ = Shell(tmp_path).here(capsys, "sample", "--help")
    lines = {line.split()[1]: line for line in out.splitlines() if "│ --" in line}
    assert code == 0
    for flag in ("--strict", "--play", "--json", "--help"):
        assert not {*"<>="} & {*lines[flag]}, "a flag takes no value"
    for flag in ("--count", "--temperature", "--top-k", "--min-p", "--top-p", "--memory"):
        assert " N " in lines[flag]
    assert "N [0<=x<=1]" in lines["--min-p"]
    for flag in ("--top-p", "--figure", "--memory"):  # not every number from 0 on is valid
        assert not {*"<>="} & {*lines[flag]}
    assert "METRE" in lines["--metre"]
    assert "default: (all)" in out.partition("--programs")[2].partition("--strict")[0]


@pytest.mark.parametrize("path", [(), *(path for path, _ in leaves(build_command()))])
def test_no_help_shows_a_type_of_python(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: tuple[str, ...]
) -> None:
    code, out, _ = Shell(tmp_path).here(capsys, *path, "--help")
    assert code == 0
    assert not re.search(r"<\w+|range>|default: \(\)", out)


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("MUSICTK_TEMPERTURE", "did you mean MUSICTK_SAMPLE_TEMPERATURE?"),
        ("MUSICTK_STEPS", "did you mean MUSICTK_TRAIN_STEPS?"),
        ("MUSICTK_TRACEBCK", "did you mean MUSICTK_TRACEBACK?"),
        ("MUSICTK_XYZZY", "the name is MUSICTK_<COMMAND>_<FLAG>"),
    ],
)
def test_a_variable_that_sets_no_option_is_a_warning(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    hint: str,
) -> None:
    monkeypatch.setenv(variable, "1")
    code, out, err = Shell(tmp_path).here(capsys, "--json", "config", "--quiet")
    assert (code, json.loads(out)) == (0, [])
    assert err == f"warning: {variable} sets no option; {hint}\n"


def test_variables_that_musictk_reads_are_no_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _, option in command_options(build_command()):
        monkeypatch.setenv(option.envvar, "")
    monkeypatch.setenv("MUSICTK_TRACEBACK", "0")
    monkeypatch.setenv("OTHER_MUSICTK_NAME", "1")
    code, _, err = Shell(tmp_path).here(capsys, "plugins")
    assert (code, err) == (0, "")


# (what is typed in a trained workspace, the error)
WORKSPACE = [
    ("train --condition \udcff --set dim=32", "no label category '\\udcff'; choose from: composer"),
    ("train --controls \udcff --set dim=32", "no control '\\udcff'; choose from: chord, density"),
    (
        "evaluate midis/Satie/gymnopedie_3.mid --split valod",
        "no split 'valod'; did you mean 'valid'?",
    ),
    ("ingest midis --composers no.csv", "no.csv does not exist; check the path"),
    ("catalog label --csv no.csv", "no.csv does not exist; check the path"),
]


@pytest.mark.parametrize(
    ("typed", "error"), WORKSPACE, ids=[ascii(typed) for typed, _ in WORKSPACE]
)
def test_a_wrong_name_in_a_workspace_is_one_line(
    trained: Shell, capsys: pytest.CaptureFixture[str], typed: str, error: str
) -> None:
    assert said(trained, capsys, *shlex.split(typed)).startswith(error)
