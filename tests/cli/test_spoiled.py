"""Corrupt catalogs: one line of error or warning, never a traceback."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from musictk.catalog import Catalog, Fractions, SpanInfo, store_path
from musictk.catalog.columns import IntegerList, JsonObject, UtcDateTime
from musictk.catalog.models import Base
from musictk.errors import MusictkError
from tests.catalog.conftest import make
from tests.cli.shell import Shell

COMMANDS = [
    ("catalog", "summary"),
    ("catalog", "files"),
    ("catalog", "composers"),
    ("catalog", "search", "piece"),
    ("catalog", "show", "Piece 1"),
    ("catalog", "rejected"),
    ("catalog", "check"),
    ("catalog", "export", "all.jsonl"),
    ("catalog", "label", "Piece 2", "mood=calm"),
    ("catalog", "split"),
    ("runs", "list"),
    ("runs", "show", "gpt-1"),
    ("ingest", "new"),
]
Question = Callable[[Catalog], object]
ALL: list[Question] = [
    lambda catalog: catalog.summary(),
    lambda catalog: catalog.export(catalog.root / "all.jsonl"),
]
MUSIC: list[Question] = [
    lambda catalog: catalog.files(),
    lambda catalog: catalog.files(label=("period", "Baroque")),
    lambda catalog: catalog.composers(),
    lambda catalog: catalog.search("piece"),
    lambda catalog: catalog.show("1"),
    lambda catalog: catalog.rejected(),
    lambda catalog: [str(piece) for piece in catalog.pieces()],
    lambda catalog: [list(place) for place in catalog.known_locations()],
    lambda catalog: catalog.digest(),
    lambda catalog: catalog.label("Piece 2", "mood", "calm"),
    lambda catalog: catalog.forget([("midis/Bach/3.mid", "")]),
    lambda catalog: catalog.record([make(3), make(20)]),
    lambda catalog: catalog.inherit(),
    lambda catalog: catalog.complete_splits(Fractions()),
    lambda catalog: catalog.split(Fractions()),
]
RUNS: list[Question] = [
    lambda catalog: [run.to_dict() for run in catalog.runs()],
    lambda catalog: [row.to_dict() for row in catalog.checkpoints("gpt-1")],
    lambda catalog: [row.to_dict() for row in catalog.exports("gpt-1")],
    lambda catalog: [row.to_dict() for row in catalog.samples("gpt-1")],
    lambda catalog: [row.to_dict() for row in catalog.shards()],
    lambda catalog: [span.length for span in catalog.spans(1)],
    lambda catalog: catalog.start_run("gpt", "f", {}).name,
    lambda catalog: catalog.finish_run("gpt-1").to_dict(),
]
COLUMNS = [
    (table.name, column.name)
    for table in Base.metadata.sorted_tables
    for column in table.columns
    # The only column of `outdated` is the row id, as every `id`: SQLite keeps it an integer.
    if table.name not in ("postings", "outdated")
    and not (column.name == "id" and column.primary_key)
]
TABLES = ("files", "places", "labels", "composers", "aliases")
BYTES, TEXT = b"\xff\xfe{", "{ no \ud800".encode("utf-8", "surrogatepass")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a row in every table."""
    root = tmp_path_factory.mktemp("sound")
    (root / "new").mkdir()
    shutil.copy(
        next((Path(__file__).parents[2] / "examples" / "midis" / "Satie").iterdir()), root / "new"
    )
    with Catalog.open(f"sqlite:///{root}/catalog.db", root) as catalog:
        facts = {"notes": 3, "programs": [0, 4], "has_pedal": True, "tempo": 90.0}
        pieces = [make(number, facts=facts) for number in range(1, 5)]
        catalog.record([*pieces, make(9, code="corrupt", facts={}, sketch=None)])
        catalog.record([make(40, path="midis/edited.mid")])
        catalog.record([make(41, path="midis/edited.mid")])  # a row of successors
        catalog.label("Piece 1", "period", "Baroque")
        catalog.add_tokenizer("f", "remi", {"bpe": 0})
        catalog.add_shard("f", "train", "p", "shards/a", [SpanInfo(1, 0, 5)])
        run = catalog.start_run("gpt", "f", {"model": {"dim": 8}}).name
        catalog.add_checkpoint(run, "best", 1, "runs/gpt-1/best", "d", {"nll": 1.0})
        catalog.add_export(run, "onnx", "exports/gpt-1", {"difference": 0.0})
        catalog.add_sample("out.mid", "ab" * 32, "d", 1, {"bars": 8}, run=run)
        catalog.finish_run(run, metrics={"step": 1})
    return root


def spoil(root: Path, table: str, column: str, value: object) -> bool:
    """Put a value into a column of one row; False where SQLite itself refuses."""
    with sqlite3.connect(root / "catalog.db") as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        if isinstance(value, bytes) and value == TEXT:
            query = f"UPDATE {table} SET {column} = CAST(? AS TEXT) WHERE rowid = 1"
        else:
            query = f"UPDATE {table} SET {column} = ? WHERE rowid = 1"
        try:
            return connection.execute(query, (value,)).rowcount > 0
        except sqlite3.IntegrityError:
            return False
        finally:
            connection.commit()


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids="{0[0]}.{0[1]}".format)
def test_any_column_may_be_spoiled(sound: Path, tmp_path: Path, table: str, column: str) -> None:
    shutil.copy(sound / "catalog.db", tmp_path)
    kind = Base.metadata.tables[table].c[column].type
    spoil(
        tmp_path,
        table,
        column,
        TEXT if isinstance(kind, JsonObject | IntegerList | UtcDateTime) else BYTES,
    )
    with Catalog.open(f"sqlite:///{tmp_path}/catalog.db", tmp_path) as catalog:
        named = [fault["where"] for fault in catalog.check()]
        assert any(where.startswith(table) for where in named), named
        for question in [*ALL, *(MUSIC if table in TABLES else RUNS)]:
            with suppress(MusictkError):  # one line for the user; anything else is a fault
                json.dumps(question(catalog))


@pytest.mark.parametrize(
    "tables",
    [
        TABLES,
        ("runs", "checkpoints", "exports", "samples", "tokenizers", "shards", "spans"),
    ],
)
def test_every_command_gets_by_with_spoiled_tables(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tables: tuple[str, ...]
) -> None:
    shutil.copytree(sound, tmp_path / "w")
    shell = Shell(tmp_path / "w")
    for table, column in COLUMNS:
        if table in tables:
            spoil(shell.directory, table, column, TEXT)
    for command in COMMANDS:
        code, out, errors = shell.here(capsys, *command)
        assert code in (0, 1, 2, 3), command
        assert sum(line.startswith("error") for line in errors.splitlines()) <= 1
        assert errors.count("cannot be read and are treated as missing") <= 1
        if command[1] == "check":
            assert code == 1
            assert all(f"{table} " in out for table in tables)


def test_words_and_paths_that_are_no_text(
    sound: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.copytree(sound, tmp_path / "w")
    shell = Shell(tmp_path / "w")
    with Catalog.open(f"sqlite:///{shell.directory}/catalog.db", shell.directory) as catalog:
        catalog.record([make(30, path=store_path("midis/Bach/caf\udce9.mid"), title="x")])
    for key in ("caf\udce9.mid", "caf\\xe9.mid"):
        assert "caf" in shell.here(capsys, "catalog", "search", key)[1]
        assert "caf" in shell.here(capsys, "catalog", "show", f"Bach/{key}")[1]
    bad = "caf\udce9"
    for command in (
        ("catalog", "search", bad + "\udc80"),
        ("catalog", "show", bad),
        ("catalog", "files", "--composer", bad),
        ("catalog", "files", "--label", f"{bad}={bad}"),
        ("catalog", "files", "--split", bad),
        ("catalog", "rejected", "--code", bad),
        ("catalog", "label", bad, "mood=calm"),
        ("catalog", "label", "Piece 1", f"mood={bad}"),
        ("catalog", "alias", bad, bad),
        ("catalog", "alias", "Bach", bad),
        ("catalog", "label", "--csv", bad),
        ("catalog", "export", f"{bad}/no"),
        ("runs", "show", bad),
        ("ingest", bad),
        ("ingest", "new", "--composers", bad),
        ("--catalog", f"sqlite:///{bad}/c.db", "catalog", "summary"),
    ):
        code, _, errors = shell.here(capsys, *command)
        assert code in (0, 1, 2), command
        assert code == 0 or errors.count("\n") == 1, (command, errors)


@pytest.mark.parametrize("limit", ["99999999999999999999", "-1", "-99999999999999999999"])
def test_limits_beyond_all_numbers(
    sound: Path, capsys: pytest.CaptureFixture[str], limit: str
) -> None:
    for command in (("files",), ("search", "x")):
        code, _, errors = Shell(sound).here(capsys, "catalog", *command, "--limit", limit)
        assert (code, errors.count("\n")) == (2, 1)
        assert limit in errors


@pytest.mark.parametrize("keep", [100, 5000, 20_000])
def test_a_truncated_catalog_is_one_line(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], keep: int
) -> None:
    (tmp_path / "catalog.db").write_bytes((sound / "catalog.db").read_bytes()[:keep])
    for command in COMMANDS[:-1]:
        code, _, errors = Shell(tmp_path).here(capsys, *command)
        assert code in (0, 1, 2)
        assert code == 0 or errors.count("\n") == 1, errors


def test_revisions_that_are_none(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for revision in ("0000", "9999", "", "no"):
        shutil.copy(sound / "catalog.db", tmp_path)
        with sqlite3.connect(tmp_path / "catalog.db") as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        code, _, errors = Shell(tmp_path).here(capsys, "catalog", "summary")
        assert (code, errors.count("\n")) == (1, 1), errors
