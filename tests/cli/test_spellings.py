"""Names as people type them: search, labels, composers and their likely pairs."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from musictk.catalog import Catalog, Fractions
from tests.catalog.conftest import make
from tests.cli.shell import Shell

FILES = [  # (path, title, composer)
    ("midis/Dvořák/Humoresque.mid", "Humoresque", "Dvořák"),
    ("midis/Dvořák/Allegro.mid", "Allegro", "Dvořák"),
    ("midis/Dvorak/Slavonic.mid", "Slavonic", "Dvorak"),
    ("midis/Łukasz Weiß/Prélude_No_1.mid", "Prélude_No_1", "Łukasz Weiß"),
    ("midis/Łukasz Weiß/Allegro.mid", "Allegro", "Łukasz Weiß"),
    ("midis/Bach/1.mid", "Air", "Bach"),
    ("midis/Bach/2.mid", "Badinerie", "Bach"),
    ("midis/Krebs/3.mid", "Bach", "Krebs"),
]


@pytest.fixture
def named(tmp_path: Path) -> Shell:
    with Catalog.open(f"sqlite:///{tmp_path}/catalog.db", tmp_path) as catalog:
        rows = [
            make(number, path=path, title=title, composer=composer)
            for number, (path, title, composer) in enumerate(FILES, 1)
        ]
        catalog.record(rows)
        catalog.complete_splits(Fractions())
    return Shell(tmp_path)


def listed(shell: Shell, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[int]:
    """The ids of the files that a command lists."""
    code, out, err = shell.here(capsys, "--json", "catalog", *arguments)
    assert code == 0, err
    return sorted(row["id"] for row in json.loads(out))


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("dvorak", [1, 2, 3]),
        ("Dvořák", [1, 2, 3]),
        ("Dvor\u030ca\u0301k HUMORESQUE", [1]),
        ("weiss prelude", [4]),
        ("łukasz no 1", [4]),
        ("lukasz_weiss", [4, 5]),
        ("allegro dvorak", [2]),
        ("%", []),
    ],
)
def test_search_ignores_case_and_accents(
    named: Shell, capsys: pytest.CaptureFixture[str], words: str, ids: list[int]
) -> None:
    assert listed(named, capsys, "search", words) == ids


def test_search_finds_labels_without_accents(
    named: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert named.here(capsys, "catalog", "label", "1", "mood=Fröhlich")[0] == 0
    assert listed(named, capsys, "search", "frohlich") == [1]
    assert listed(named, capsys, "files", "--label", "mood=frohlich") == [1]
    code, _, err = named.here(capsys, "catalog", "files", "--label", "mood=sad")
    assert code == 2
    assert "no mood 'sad'; choose from: Fröhlich" in err


@pytest.mark.parametrize(
    ("name", "ids"),
    [("Dvořák", [1, 2]), ("dvořák", [1, 2]), ("dvorak", [3]), ("lukasz weiss", [4, 5])],
)
def test_a_composer_is_found_by_any_spelling(
    named: Shell, capsys: pytest.CaptureFixture[str], name: str, ids: list[int]
) -> None:
    assert listed(named, capsys, "files", "--composer", name) == ids


def test_an_unclear_composer_is_an_error_that_names_them(
    named: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = named.here(capsys, "catalog", "files", "--composer", "Dvôrak")
    assert code == 2
    assert "composer 'Dvôrak' matches 'Dvorak' and 'Dvořák'; give the exact spelling of one" in err
    code, _, err = named.here(capsys, "catalog", "files", "--composer", "Kreps")
    assert code == 2
    assert "no composer 'Kreps'; did you mean 'Krebs'?" in err


@pytest.mark.parametrize(
    ("selection", "ids"),
    [
        ("2", [2]),
        ("Bach", [6, 7]),  # the composer, not the piece by Krebs with that title
        ("bach", [6, 7]),
        ("midis/Bach/1.mid", [6]),
        ("Bach/1.mid", [6]),
        (f"{8:064x}", [8]),
        ("weiß, łukasz", []),
        ("lukasz weiss", [4, 5]),
        ("badinerie", [7]),
        ("prelude no 1", [4]),
    ],
)
def test_labels_go_to_what_was_named(
    named: Shell, capsys: pytest.CaptureFixture[str], selection: str, ids: list[int]
) -> None:
    code = named.here(capsys, "catalog", "label", selection, "period=Baroque")[0]
    assert code == (0 if ids else 2)
    if ids:
        assert listed(named, capsys, "files", "--label", "period=Baroque") == ids


@pytest.mark.parametrize("selection", ["Allegro", "allegro", "Allegro.mid"])
def test_a_label_for_several_files_is_an_error_that_lists_them(
    named: Shell, capsys: pytest.CaptureFixture[str], selection: str
) -> None:
    code, _, err = named.here(capsys, "catalog", "label", selection, "period=Baroque")
    assert code == 2
    assert "matches 2 files: 2 midis/Dvořák/Allegro.mid, 5 midis/Łukasz Weiß/Allegro.mid" in err
    assert named.here(capsys, "catalog", "files", "--label", "period=Baroque")[0] == 2


def test_a_row_of_a_table_that_matches_several_files_is_reported(
    named: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    table = named.directory / "t.csv"
    table.write_text("file,period\nAllegro,Romantic\nbadinerie,Baroque\n", "utf-8")
    code, out, err = named.here(capsys, "catalog", "label", "--csv", str(table))
    assert (code, out.strip()) == (0, "1 label set")
    assert "'Allegro'" in err
    assert listed(named, capsys, "files", "--label", "period=Baroque") == [7]


def test_rows_of_a_table_name_composers_in_any_spelling(
    named: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    table = named.directory / "t.csv"
    table.write_text("composer,period\nlukasz weiss,Modern\nbach,Baroque\nx,None\n", "utf-8")
    code, out, err = named.here(capsys, "catalog", "label", "--csv", str(table))
    assert (code, out.strip()) == (0, "4 labels set")
    assert "1 row" in err
    assert listed(named, capsys, "files", "--label", "period=Modern") == [4, 5]


def test_show_takes_the_same_names(named: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    for key in ("8", "Krebs", "Krebs/3.mid", f"{8:064x}"):
        code, out, err = named.here(capsys, "--json", "catalog", "show", key)
        assert code == 0, err
        assert json.loads(out)["id"] == 8
    code, _, err = named.here(capsys, "catalog", "show", "Bach")
    assert code == 2
    assert "'Bach' is a composer with 2 files; list them: musictk catalog files --composer" in err
    assert named.here(capsys, "catalog", "show", "allegro")[0] == 2


@pytest.mark.parametrize("command", ["summary", "composers"])
def test_the_proposed_command_joins_the_pair(
    named: Shell, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    named.here(capsys, "catalog", "label", "Dvorak", "period=Romantic")
    before = json.loads(named.here(capsys, "--json", "catalog", "files")[1])
    code, _, err = named.here(capsys, "catalog", command)
    assert code == 0
    assert "'Dvořák' and 'Dvorak' may be one composer; to join them: musictk" in err
    words = shlex.split(err.split("to join them: ")[1])
    assert words == ["musictk", "catalog", "alias", "Dvořák", "Dvorak"]
    code, out, _ = named.here(capsys, *words[1:])
    assert (code, out.strip()) == (0, "Dvorak is now an alias of Dvořák; 1 file moved")
    after = json.loads(named.here(capsys, "--json", "catalog", "files")[1])
    assert listed(named, capsys, "files", "--composer", "Dvorak") == [1, 2, 3]
    for was, now in zip(before, after, strict=True):
        assert {**was, "composer": 0} == {**now, "composer": 0}  # labels, splits and the rest stay
    assert "may be one composer" not in named.here(capsys, "catalog", command)[2]


def test_the_proposed_command_names_the_catalog_and_quotes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/my catalog.db"
    given = [
        "Amalia",
        "Berta",
        "Carlo",
        "Dieter",
        "Egon",
        "Frieda",
        "Gerda",
        "Hugo",
        "Ida",
        "Jutta",
    ]
    names = ["-Wéber", "-Weber", *(f"{name} d'Öst" for name in given)]
    with Catalog.open(url, tmp_path) as catalog:
        every = [*names, *(name.replace("Ö", "O") for name in names[2:])]
        catalog.record([make(number, composer=name) for number, name in enumerate(every, 1)])
    shell = Shell(tmp_path)
    hints = shell.here(capsys, "--catalog", url, "catalog", "summary")[2]
    assert "3 more pairs of similar names; to list them: musictk --catalog" in hints
    hints = shell.here(capsys, "--catalog", url, "catalog", "composers")[2]
    commands = [line.split("to join them: ")[1] for line in hints.splitlines()]
    assert len(commands) == 11
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "musictk"
        assert shell.here(capsys, *words)[0] == 0, command
    assert "to join them" not in shell.here(capsys, "--catalog", url, "catalog", "composers")[2]


def test_a_join_can_be_undone(named: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    before = named.here(capsys, "--json", "catalog", "files")[1]
    for pair in (("Dvořák", "Dvorak"), ("Bach", "Krebs"), ("Dvořák", "Antonín Dvořák")):
        assert named.here(capsys, "catalog", "alias", *pair)[0] == 0
    assert named.here(capsys, "catalog", "alias", "Bach", "Dvořák")[0] == 0
    assert listed(named, capsys, "files", "--composer", "Bach") == [1, 2, 3, 6, 7, 8]
    code, out, _ = named.here(capsys, "catalog", "unalias", "dvorak")
    assert (code, out.strip()) == (0, "dvorak is no alias any more; 1 file moved back")
    for name in ("Dvořák", "Krebs", "antonín dvořák"):
        assert named.here(capsys, "catalog", "unalias", name)[0] == 0
    assert named.here(capsys, "--json", "catalog", "files")[1] == before
    code, _, err = named.here(capsys, "catalog", "unalias", "Bach")
    assert code == 2
    assert "'Bach' is the name of the composer, not an alias" in err
    assert "no alias 'x'" in named.here(capsys, "catalog", "unalias", "x")[2]


def test_a_model_knows_its_composers_without_accents(shell: Shell) -> None:
    done = shell("sample", "--composer", "châpin", "--bars", "1", "-o", "x.mid", code=2)
    assert "Chopin" in done.stderr
    shell("sample", "--composer", "chöpin", "--bars", "1", "-o", "x.mid")
    assert (shell.directory / "x.mid").is_file()
