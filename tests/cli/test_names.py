"""Composers, titles and splits from folders, file names and the tables of data sets."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cli.shell import Shell


@pytest.fixture
def empty(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def preview(shell: Shell, *arguments: str) -> tuple[dict[str | None, int], dict[str, Any]]:
    """Files by composer (None: without one), and the whole answer."""
    found = shell.json("ingest", *arguments, "--preview")
    counts = {row["composer"]: row["files"] for row in found["composers"]}
    return counts | ({None: found["without"]} if found["without"] else {}), found


def spread(folder: Path, midis: Path, *names: str) -> None:
    """Real music, a different piece for each name."""
    for name, source in zip(names, sorted(midis.glob("*/*.mid")), strict=False):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / name)


LAYOUTS: dict[str, tuple[Sequence[str], dict[str | None, int]]] = {
    "composers": (["Bach/a.mid", "Nobody Known/b.mid"], {"Bach": 1, "Nobody Known": 1}),
    "years": (["2004/a.mid", "2004/b.mid", "2006/c.midi"], {None: 3}),
    "hex": (["0/0a1b2c3d4e5f.mid", "f/ff00aa11bb22.mid", "a/b/00ff.mid"], {None: 3}),
    "wrapped": (["midis/Bach/a.mid", "midis/Abba/b.mid"], {"Bach": 1, "Abba": 1}),
    "wrapped in a named folder": (
        ["Stuff of mine/Tom/a.mid", "Stuff of mine/Ann/b.mid"],
        {"Tom": 1, "Ann": 1},
    ),
    "one folder": (["Ann/early/a.mid", "Ann/late/b.mid"], {"Ann": 2}),
    "ASAP": (
        ["Bach/Fugue/bwv_846/Shi05M.mid", "Glinka/The_Lark/midi_score.mid", "Zed/Op_1/1/x.mid"],
        {"Bach": 1, "Glinka": 1, "Zed": 1},
    ),
    "by form": (["fugues/Bach/a.mid", "preludes/Chopin/b.mid"], {"Bach": 1, "Chopin": 1}),
    "beside known ones": (
        ["Site of X/Bach/a.mid", "Site of X/Barnard/b.mid", "Other/Liszt/c.mid"],
        {"Bach": 1, "Barnard": 1, "Liszt": 1},
    ),
    "genres": (["Jazz/Monk/a.mid", "Rock/Queen/b.mid"], {"Monk": 1, "Queen": 1}),
    "Lakh clean": (["ABBA/Waterloo.mid", "a-ha/Take On Me.1.mid"], {"ABBA": 1, "a-ha": 1}),
    "spellings": (
        ["J.S. Bach/a.mid", "Bach, J.S/b.mid", "03 Chopin (1810-1849)/c.mid", "Dvořák_midi/d.mid"],
        {"J.S. Bach": 1, "Bach, J.S": 1, "Chopin": 1, "Dvořák": 1},
    ),
    "numbered titles": (["01 - Prelude.mid", "Op 27 - Moonlight.mid"], {None: 2}),
    "file names": (
        ["Erik Satie - Air.mid", "untitled.mid", "new folder/Bach - Air.mid"],
        {"Erik Satie": 1, "Bach": 1, None: 1},
    ),
    "file names in a folder": (
        ["Party hits/ABBA - a.mid", "Party hits/Queen - b.mid", "Party hits/Queen - c.mid"],
        {"ABBA": 1, "Queen": 2},
    ),
    "titles with a dash": (["Tom/Part - a.mid", "Tom/b.mid", "Tom/c.mid"], {"Tom": 3}),
    "transcriptions": (["Liszt/Schubert/a.mid", "Liszt/b.mid"], {"Liszt": 2}),
    "versions": (["001/001.mid", "001/versions/001-v1.mid"], {None: 2}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("wrapper", ["", "data/"])
def test_the_composer_is_the_nearest_meaningful_folder(
    empty: Shell, layout: str, wrapper: str
) -> None:
    names, composers = LAYOUTS[layout]
    touch(empty.directory / "given", *(wrapper + name for name in names))
    assert preview(empty, "given")[0] == composers
    assert sorted(path.name for path in empty.directory.iterdir()) == ["given"]  # nothing written


@pytest.mark.parametrize(
    "given", [["."], ["./Bach", "./Chopin"], ["Bach", "Chopin", "a.csv", "README"], ["../music"]]
)
def test_however_the_folders_are_given(tmp_path: Path, given: list[str]) -> None:
    music = tmp_path / "music"
    touch(music, "Bach/a.mid", "Bach/late/b.mid", "Chopin/Op_1/c.mid", "a.csv", "README")
    assert preview(Shell(music), *given)[0] == {"Bach": 2, "Chopin": 1}


@pytest.mark.parametrize("given", ["./Bach", "Bach/fugues", "Bach/fugues/a.mid", "./Bach.zip"])
def test_the_given_folder_is_a_composer(empty: Shell, given: str) -> None:
    touch(empty.directory, "Bach/fugues/a.mid")
    with zipfile.ZipFile(empty.directory / "Bach.zip", "w") as archive:
        archive.writestr("x.mid", b"")
    assert preview(empty, given)[0] == {"Bach": 1}


def test_one_composer_can_be_given_for_all(empty: Shell, midis: Path) -> None:
    spread(empty.directory, midis, "Bach/a.mid", "0/b.mid")
    assert preview(empty, ".", "--composer", "Krebs")[0] == {"Krebs": 2}
    found = empty.json("ingest", ".")
    assert found["composers"] == ["Bach"]
    empty("ingest", ".", "--composer", "Krebs")  # known files too
    assert {row["composer"] for row in empty.json("catalog", "files")} == {"Krebs"}
    empty("ingest", ".", "--composer", " ", code=2)


MAESTRO = """canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration
Alban Berg,Sonata Op. 1,train,2018,2018/a.midi,2018/a.wav,698.66
Franz Schubert / Franz Liszt,"Erlkönig, D. 328",validation,2018,2018/b.midi,2018/b.wav,1
Frédéric Chopin,Ballade,test,2004,2004/c.midi,2004/c.wav,1
"""


def maestro_json() -> str:
    rows = list(csv.DictReader(io.StringIO(MAESTRO)))
    return json.dumps({name: {n: row[name] for n, row in enumerate(rows)} for name in rows[0]})


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("table", ["maestro-v3.0.0.csv", "maestro-v3.0.0.json"])
def test_maestro(empty: Shell, midis: Path, table: str, packed: bool) -> None:
    folder = empty.directory / "maestro-v3.0.0"
    spread(folder, midis, "2018/a.midi", "2018/b.midi", "2004/c.midi")
    (folder / table).write_text(maestro_json() if "json" in table else MAESTRO, "utf-8")
    if packed:
        shutil.make_archive(str(empty.directory / "set"), "gztar", empty.directory, folder.name)
        shutil.rmtree(folder)
    done = empty("ingest", ".")
    assert f"3 composers, from {table}: Alban Berg, Franz Schubert / Franz Liszt" in done.stdout
    assert f"official splits, from {table}: train 1, valid 1, test 1" in done.stdout
    rows = {row["composer"]: row for row in empty.json("catalog", "files")}
    splits = {name: row["split"] for name, row in rows.items()}
    assert splits == {
        "Alban Berg": "train",
        "Franz Schubert / Franz Liszt": "valid",
        "Frédéric Chopin": "test",
    }
    shown = empty.json("catalog", "show", "Sonata Op. 1")
    assert (shown["composer"], shown["labels"]) == ("Alban Berg", {"year": "2018"})
    split = empty("catalog", "split")
    assert "the official splits of 3 files are replaced" in split.stderr
    given = next(empty.directory.rglob(table), None)
    if given:
        empty("ingest", ".", "--composers", str(given))  # restores them
        rows = {row["composer"]: row for row in empty.json("catalog", "files")}
        assert {name: row["split"] for name, row in rows.items()} == splits


TABLES = {
    "ASAP": (
        "metadata.csv",
        "composer,title,folder,xml_score,midi_score,midi_performance,annotations\n"
        "Bach,Fugue_bwv_846,Bach/Fugue/1,Bach/Fugue/1/s.xml,Bach/Fugue/1/midi_score.mid,"
        "Bach/Fugue/1/Shi05M.mid,x.txt\n"
        "Glinka,The_Lark,Glinka/L,Glinka/L/s.xml,Glinka/L/midi_score.mid,Glinka/L/K.mid,x.txt\n",
        [
            "Bach/Fugue/1/midi_score.mid",
            "Bach/Fugue/1/Shi05M.mid",
            "Glinka/L/midi_score.mid",
            "Glinka/L/K.mid",
        ],
        {"Bach": 2, "Glinka": 2},
        {},
    ),
    "PDMX": (
        "PDMX.csv",
        "path,metadata,mxl,pdf,mid,song_name,title,artist_name,composer_name,subset:all\n"
        "./data/a/b/Qm1.json,./metadata/a/1.json,./mxl/a/b/Qm1.mxl,,./mid/a/b/Qm1.mid,S,T,X,"
        "Ann B,True\n"
        "./data/a/c/Qm2.json,NA,./mxl/a/c/Qm2.mxl,,./mid/a/c/Qm2.mid,S,T,X,,True\n",
        ["mid/a/b/Qm1.mid", "mid/a/c/Qm2.mid"],
        {"Ann B": 1, None: 1},
        {},
    ),
    "GigaMIDI": (
        "metadata.csv",
        "md5,title,artist,genres_scraped,split\n0a1b2c3d4e5f0001,T,Queen,rock,train\n",
        [
            "training-V1.1-80%/drums-only/0a1b2c3d4e5f0001.mid",
            "validation-V1.1-10%/no-drums/0a1b2c3d4e5f0002.mid",
            "test-V1.1-10%/all-instruments-with-drums/0a1b2c3d4e5f0003.mid",
        ],
        {"Queen": 1, None: 2},
        {"train": 1, "valid": 1, "test": 1},
    ),
    "POP909": (
        "index.tsv",
        "song_id\tname\tartist\n1\tAir\tJay\n2\tSong\tFaye\n",
        ["001/001.mid", "001/versions/001-v1.mid", "002/002.mid"],
        {"Jay": 2, "Faye": 1},
        {},
    ),
    "JSON lines": (
        "meta/all.jsonl",
        '{"file": "x/a.mid", "composer": "Ann", "split": "dev"}\n\n{"file": "b.mid"}\n',
        ["x/a.mid", "Tom/b.mid"],
        {"Ann": 1, "Tom": 1},
        {"valid": 1},
    ),
    "windows": (
        "tabelle.csv",
        "Datei;Komponist;Titel\r\nx\\a.mid;Fauré;Après\r\n",
        ["x/a.mid"],
        {"Fauré": 1},
        {},
    ),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16"])
def test_tables_of_data_sets(empty: Shell, name: str, encoding: str) -> None:
    table, text, files, composers, splits = TABLES[name]
    folder = empty.directory / "set"
    touch(folder, *files)
    path = folder / table
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode("utf-8" if "json" in table else encoding))
    counts, found = preview(empty, "set")
    assert counts == composers
    assert found["splits"] == splits
    assert (list(found["tables"]), found["bad_tables"]) == ([path.name], [])


def test_a_table_of_excel(empty: Shell) -> None:
    touch(empty.directory / "pop", "001/001.mid", "002/002.mid")
    strings = (
        "<sst><si><t>song_id</t></si><si><r><t>art</t></r><r><t>ist</t></r></si>"
        "<si><t>A &amp; B</t></si></sst>"
    )
    rows = (
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="s"><v>1</v></c></row>'
        '<row r="2"><c r="A2"><v>1</v></c><c r="B2"/><c r="C2" t="s"><v>2</v></c></row>'
        '<row r="3"><c r="A3"><v>2</v></c><c r="C3" t="inlineStr"><is><t>Faye</t></is></c></row>'
    )
    with zipfile.ZipFile(empty.directory / "pop" / "index.xlsx", "w") as book:
        book.writestr("xl/sharedStrings.xml", strings)
        book.writestr("xl/worksheets/sheet1.xml", f"<sheetData>{rows}</sheetData>")
    assert preview(empty, "pop")[0] == {"A & B": 1, "Faye": 1}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.json", b'{"file": "composer"'),
        ("a.jsonl", b'{"composer": 1}\n{"'),
        ("a.json", b'{"composer":' + b"[" * 100_000),
        ("a.xlsx", b"PK\3\4 no"),
        ("a.csv", b"file,composer\n" + b"a" * 200_000 + b",Bach\n"),
    ],
)
def test_a_bad_table_is_one_line(empty: Shell, name: str, data: bytes) -> None:
    touch(empty.directory / "m", "Bach/a.mid")
    (empty.directory / "m" / name).write_bytes(data)
    done = empty("ingest", "m", "--preview")
    assert "1 composer, from folders: Bach" in done.stdout
    assert done.stderr.count(f"warning: skipped the table {name}: ") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.json", b"[1, 2]"),
        ("a.json", b'"composer"'),
        ("a.json", b'{"composer": {"x": 1}, "title": 3}'),
        ("a.csv", b""),
        ("a.csv", b"composer\nBach\n"),
        ("a.csv", b"\0\0composer,file\n"),
        ("a.csv", b"file,composer\n,Bach\n../..,Bach\n/,Bach\nnone.mid,Bach\n"),
    ],
)
def test_other_tables_are_ignored(empty: Shell, name: str, data: bytes) -> None:
    touch(empty.directory / "m", "Satie/a.mid")
    (empty.directory / "m" / name).write_bytes(data)
    assert preview(empty, "m")[0] == {"Satie": 1}


def test_an_official_split_that_gives_a_piece_to_an_empty_one_says_so(
    empty: Shell, midis: Path
) -> None:
    folder = empty.directory / "m"
    spread(folder, midis, "a.mid", "b.mid", "c.mid")
    (folder / "t.csv").write_text("file,split\na.mid,train\nb.mid,train\nc.mid,train\n")
    done = empty("ingest", "m")
    assert "1 file of another official split moved to valid, which was empty" in done.stdout
    splits = [row["split"] for row in empty.json("catalog", "files")]
    assert sorted(splits) == ["train", "train", "valid"]  # nothing of it is test


def test_near_duplicates_share_the_strictest_official_split(empty: Shell, midis: Path) -> None:
    folder = empty.directory / "m"
    spread(folder, midis, "a.mid", "c.mid", "d.mid")
    data = (folder / "a.mid").read_bytes()
    (folder / "b.mid").write_bytes(data + bytes(4))  # other bytes, the same music
    (folder / "t.csv").write_text("file,split\na.mid,train\nb.mid,test\nc.mid,train\nd.mid,dev\n")
    done = empty("ingest", "m")
    assert "1 file in the official split of a near-duplicate instead of its own" in done.stdout
    splits = {row["title"]: row["split"] for row in empty.json("catalog", "files")}
    assert splits == {"a": "test", "b": "test", "c": "train", "d": "valid"}
    assert empty.json("catalog", "check") == []


def test_a_table_of_composers_matches_paths_as_typed(empty: Shell, midis: Path) -> None:
    spread(empty.directory / "m", midis, *(f"t{number}.mid" for number in range(1, 7)))
    table = empty.directory / "lists" / "who.csv"
    table.parent.mkdir()
    rows = ["t1.mid", "m/t2.mid", "./m/t3.mid", "../m/t4.mid", f"{empty.directory}/m/t5.mid", "t6"]
    missing = [f"no{number}.mid" for number in range(7)]
    lines = [f"{row};Composer {n};x" for n, row in enumerate([*rows, *missing], 1)]
    table.write_text("\ufeff" + "\n".join(["File name; Composer ;Note", *lines, ""]), "utf-8")
    shown = empty("ingest", "m", "--composers", "lists/who.csv", "--preview")
    done = empty("ingest", "m", "--composers", "lists/who.csv")
    for stderr in (shown.stderr, done.stderr):
        assert "7 rows of lists/who.csv without a matching file: 'no0.mid', 'no1.mid'" in stderr
        assert "'no4.mid', …" in stderr
        assert "no5" not in stderr
    named = {row["title"]: row["composer"] for row in empty.json("catalog", "files")}
    assert named == {f"t{number}": f"Composer {number}" for number in range(1, 7)}
    empty("ingest", "m", "--composers", "lists/none.csv", code=2)
    table.write_text("a,b\n1,2\n")
    assert "path,composer" in empty("ingest", "m", "--composers", "lists/who.csv", code=2).stderr


def test_hints_where_composers_are_missing_or_suspicious(empty: Shell) -> None:
    touch(empty.directory / "flat", *(f"{n:032x}.mid" for n in range(3)))
    done = empty("ingest", "flat", "--preview")
    assert "no composers found; to name them: " in done.stderr
    assert "--composer NAME, or --composers FILE" in done.stderr
    assert "(none)" in done.stdout
    touch(empty.directory / "one", *(f"Backups from 1999/{n}.mid" for n in range(201)))
    done = empty("ingest", "one", "--preview")
    assert "'Backups from 1999' is the composer of all 201 files" in done.stderr


def test_text_is_read_only_if_asked_for(empty: Shell) -> None:
    folder = empty.directory / "m"
    folder.mkdir()
    for name in ("README.txt", "LICENSE.txt", "lyrics.txt"):
        (folder / name).write_text(f"{name} has some words\n", "utf-8")
    (folder / "tune.abc").write_text("X:1\nT:Tune\nK:G\nGABc|\n", "utf-8")
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("notes.txt", "words in an archive\n")
        archive.writestr("other.abc", "X:1\nT:Other\nK:D\nDEFG|\n")
    assert empty.json("ingest", "m")["accepted"] == 2
    assert empty.json("ingest", "m/lyrics.txt")["accepted"] == 1
    assert empty.json("ingest", "m", "--text")["accepted"] == 2
    again = empty.json("ingest", "m")
    assert (again["accepted"], again["missing"]) == (0, 0)
    fresh = Shell(empty.directory.with_name(f"{empty.directory.name}-fresh"))
    fresh.directory.mkdir()
    assert fresh.json("ingest", str(folder), "--text")["accepted"] == 6
