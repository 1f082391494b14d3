"""What keeps a large catalog fast, and that it gives what a small one does."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from musictk.catalog import Catalog, ExaminedFile, Fractions
from musictk.errors import UsageError
from tests.catalog.conftest import downgrade, sketch
from tests.catalog.test_grouping import clusters, hashes, version
from tests.cli.shell import Shell

Find = Callable[..., ExaminedFile]
QUERIES: list[Callable[[Catalog], Any]] = [
    lambda catalog: catalog.search("piece"),
    lambda catalog: catalog.show("3"),
    lambda catalog: catalog.show("Piece 3"),
    lambda catalog: catalog.show("Bach/3.mid"),
    lambda catalog: catalog.show(f"{3:064x}"),
    lambda catalog: catalog.files(limit=2, after=3),
    lambda catalog: catalog.files(composer="Bach", limit=2),
    lambda catalog: catalog.files(split="train", limit=2),
    lambda catalog: catalog.files(status="accepted", limit=2),
    lambda catalog: catalog.files(label=("period", "Baroque"), limit=2),
    lambda catalog: catalog.rejected("corrupt"),
    lambda catalog: catalog.rejected("corrupt", limit=2, after=3),
    lambda catalog: catalog.known_locations(["midis/CPE"], ["midis/x.mid"]),
    lambda catalog: catalog.forget([("midis/x.mid", "")]),
    lambda catalog: catalog.complete_splits(Fractions(0.2, 0.2)),
    lambda catalog: catalog.moved_files(),
]


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """Every statement that reads or changes rows, with its parameters."""
    found: list[tuple[str, Any]] = []

    def note(_c: Any, _u: Any, statement: str, parameters: Any, _x: Any, many: bool) -> None:
        if not many and statement.split()[0] in ("SELECT", "UPDATE", "DELETE", "WITH"):
            found.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("query", QUERIES)
def test_no_query_for_a_few_files_reads_all_of_them(
    filled: Catalog, find: Find, query: Callable[[Catalog], Any]
) -> None:
    filled.label("Bach", "period", "Baroque")
    with statements() as found:
        query(filled)
    assert found
    with sqlite3.connect(filled.root / "catalog.db") as connection:
        for statement, parameters in found:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            steps = [step[3] for step in plan]
            scans = [step for step in steps if step.startswith("SCAN") and _reads_all(step)]
            ordered = "LIMIT" in statement and "USE TEMP B-TREE FOR ORDER BY" not in steps
            assert not scans or ordered, (statement, steps)


def _reads_all(step: str) -> bool:
    small = (
        "search VIRTUAL TABLE INDEX 0:",
        "(subquery",
        "outdated",
        "found",
        "CONSTANT",
        "sqlite_master",
    )
    partial = ("ix_files_ungrouped", "ix_files_left", "ix_files_moved")
    return not any(name in step for name in (*small, *partial))


def test_pages_together_are_the_whole_list(filled: Catalog, find: Find) -> None:
    filled.record([find(1, path="midis/a copy.mid"), find(20, path="Z.mid"), find(21, path="z")])
    filled.forget([("Z.mid", "")])  # a file without a path comes first
    whole = [row["id"] for row in filled.files()]
    assert [row["path"] for row in filled.files()] == sorted(
        (row["path"] for row in filled.files()), key=lambda path: (path is not None, path)
    )
    for size in (1, 2, 3):
        pages: list[int] = []
        while page := filled.files(limit=size, after=pages[-1] if pages else None):
            pages += [row["id"] for row in page]
        assert pages == whole
    with pytest.raises(UsageError, match="no file has the id 999"):
        filled.files(after=999)


def found(catalog: Catalog, text: str) -> list[int]:
    return sorted(row["id"] for row in catalog.search(text))


def test_the_search_follows_every_change(filled: Catalog, find: Find) -> None:
    assert found(filled, "wanderer") == []
    filled.label("Piece 1", "mood", "Wandérer")
    assert found(filled, "wanderer") == [1]
    filled.label("Piece 1", "mood", "calm")
    assert found(filled, "wanderer") == []
    filled.alias("CPE_Bach", "Hamburger")
    assert found(filled, "hamburger") == [4, 5, 6]
    filled.unalias("Hamburger")
    assert found(filled, "hamburger") == []
    filled.alias("Bach", "CPE_Bach")
    assert found(filled, "cpe piece") == [1, 2, 3, 4, 5, 6]
    filled.unalias("CPE_Bach")
    assert found(filled, "cpe piece") == [4, 5, 6]
    filled.set_composers({("midis/Bach/1.mid", ""): "Krebs"})
    assert found(filled, "krebs") == [1]
    filled.move_locations({"midis/Bach/2.mid": "elsewhere/2.mid"})
    assert found(filled, "elsewhere") == [2]
    assert filled.files(limit=1)[0]["id"] == 2
    filled.forget([("midis/Bach/3.mid", "")])
    assert found(filled, "bach/3") == []
    filled.record([find(30, path="new/folder/30.mid")])
    assert filled.show("folder/30.mid")["title"] == "Piece 30"
    assert len(found(filled, "folder")) == 1


def test_a_page_of_a_search_is_the_beginning_of_the_whole(catalog: Catalog, find: Find) -> None:
    def made(number: int) -> ExaminedFile:
        own = number % 50 > 0
        return find(
            number,
            path=f"midis/{number * 7 % 2300:04}.mid",
            composer="Jan Zelenka" if own else "Bach",
            title="Theme" if own or number % 100 else "On a theme of Zelenka",
            sketch=sketch(range(number * 10, number * 10 + 9)),
        )

    catalog.record([made(number) for number in range(2300)])
    catalog.alias("Jan Zelenka", "Dismas")
    for text, count in (("zelenka", 2277), ("jan dismas", 2254), ("theme", 2300), ("of zel", 23)):
        whole = [row["id"] for row in catalog.search(text, limit=None)]
        assert len(whole) == count
        for limit in (1, 100, 2290):
            page = [row["id"] for row in catalog.search(text, limit=limit)]
            assert page == whole[:limit], (text, limit)


@pytest.mark.parametrize(
    "text", ["piece", "PIECE 2", "e", "c major", "%", 'piece "c major"', "bach/4", "'"]
)
def test_without_the_index_the_search_finds_the_same(filled: Catalog, text: str) -> None:
    before = [row["id"] for row in filled.search(text)]
    with sqlite3.connect(filled.root / "catalog.db") as connection:
        connection.execute("DROP TABLE search")
    assert [row["id"] for row in filled.search(text)] == before


def test_any_order_of_ingests_gives_the_same_groups(
    catalog: Catalog, find: Find, tmp_path: Path
) -> None:
    chance = random.Random(5)
    works = [chance.randint(1, 12) for _ in range(60)]
    files = [find(number, sketch=version(work, number)) for number, work in enumerate(works)]
    medley = sketch({*sorted(hashes(1))[::2], *sorted(hashes(2))[::2]})
    files.append(find(500, sketch=medley))  # connects two works
    catalog.record(files)
    expected = {sha: cluster for sha, (cluster, _) in clusters(catalog).items()}
    for number in range(4):
        chance.shuffle(files)
        with Catalog.open(f"sqlite:///{tmp_path}/{number}.db", tmp_path) as other:
            size = chance.choice((1, 7, 30))
            for start in range(0, len(files), size):
                other.record(files[start : start + size])
            groups = clusters(other)
            assert {sha: cluster for sha, (cluster, _) in groups.items()} == expected
            other.split(Fractions())
            again = clusters(other)
            assert {sha: cluster for sha, (cluster, _) in again.items()} == expected


@pytest.mark.parametrize("revision", ["0001", "0005"])
def test_an_older_catalog_gets_the_indices(filled: Catalog, revision: str) -> None:
    filled.label("Piece 1", "mood", "Wandérer")
    digest, listed = filled.digest(), filled.files()
    filled.close()
    downgrade(filled.root / "catalog.db", revision)
    with Catalog.open(f"sqlite:///{filled.root}/catalog.db", filled.root) as catalog:
        assert (catalog.digest(), catalog.files()) == (digest, listed)
        assert found(catalog, "wanderer") == [1]
        assert catalog.show("Bach/2.mid")["id"] == 2
        assert catalog.show("piece 2")["id"] == 2
        assert len(catalog.files(composer="CPE-Bach".replace("-", " "))) == 3
        assert catalog.check() != []  # the files themselves do not exist


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ('"piece 1"', [1]),
        ('bach "piece 2"', [2]),
        ('"', []),
        ("piece*", []),
        ("title:piece", []),
        ("piece OR nothing", []),
        ("(piece", []),
        ("'; DROP TABLE files; --", []),
    ],
)
def test_quotes_and_operators_are_found_as_they_are_written(
    filled: Catalog, capsys: pytest.CaptureFixture[str], text: str, ids: list[int]
) -> None:
    code, out, err = Shell(filled.root).here(capsys, "catalog", "search", "--", text)
    assert code == 0, err
    assert sorted(int(line.split()[0]) for line in out.splitlines()[1:]) == ids
    assert ("has no operators" in err) == any(each in text for each in ("*", ":", "OR", "("))


def test_a_search_for_nothing_says_so(filled: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = Shell(filled.root).here(capsys, "catalog", "search", "_")
    assert code == 2
    assert "'_' has no words to search for" in err


def test_a_page_on_the_command_line(filled: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(filled.root)
    code, out, err = shell.here(capsys, "catalog", "files", "--limit", "2", "--after", "2")
    assert code == 0, err
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["3", "4"]


def test_a_page_of_rejected_files(
    filled: Catalog, find: Find, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = [find(n, path=f"midis/y{n}.mid", code="empty", facts={}) for n in range(40, 45)]
    filled.record(broken)
    whole = [row["id"] for row in filled.rejected("empty")]
    assert len(whole) == 5
    shell = Shell(filled.root)
    page = ("catalog", "rejected", "--code", "empty", "--limit", "2", "--after", str(whole[1]))
    code, out, err = shell.here(capsys, *page)
    assert code == 0, err
    assert [int(line.split()[0]) for line in out.splitlines()[1:]] == whole[2:4]
