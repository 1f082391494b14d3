"""Files, locations, composers and labels: written by ingest, read by others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from musictk.catalog import Catalog, ExaminedFile, Fractions
from musictk.errors import MusictkError, UnknownNameError, UsageError
from tests.catalog.conftest import sketch

Find = Callable[..., ExaminedFile]


def test_one_content_in_two_places_is_one_file(catalog: Catalog, find: Find) -> None:
    catalog.record([find(1), find(1, path="midis/CPE_Bach/again.mid", composer="CPE_Bach")])
    (piece,) = catalog.pieces()
    assert piece.path == "midis/Bach/1.mid"
    assert piece.composer == "Bach"
    assert len(catalog.show(str(piece.id))["places"]) == 2


def test_recording_again_changes_nothing(filled: Catalog, find: Find) -> None:
    before = filled.digest()
    filled.record([find(1), find(2)])
    assert filled.digest() == before


def test_a_file_without_a_place_is_missing_until_it_is_seen_again(
    filled: Catalog, find: Find
) -> None:
    before = filled.digest()
    filled.forget([("midis/Bach/1.mid", "")])
    assert len(filled.pieces()) == 5
    assert filled.summary()["files"]["missing"] == 1
    (missing,) = filled.files(status="missing")
    assert (missing["path"], missing["last_path"]) == (None, "midis/Bach/1.mid")
    filled.record([find(1)])
    assert filled.digest() == before
    assert {row["last_path"] for row in filled.files()} == {None}


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file of Linux")
def test_check_goes_on_after_a_file_that_cannot_be_read(filled: Catalog) -> None:
    first, second = (filled.root / f"midis/Bach/{number}.mid" for number in (1, 2))
    first.parent.mkdir(parents=True)
    first.symlink_to("/proc/self/mem")  # it can be opened, and reading fails
    second.write_bytes(b"another piece")
    found = {fault["where"]: fault["what"] for fault in filled.check()}
    assert found["midis/Bach/1.mid"].startswith("a file cannot be read: ")
    assert found["midis/Bach/2.mid"] == "a file has changed"


def test_unknown_bytes_leave_no_row_behind(catalog: Catalog, find: Find) -> None:
    catalog.record([find(1, sha256=None, code="unreadable")])
    catalog.record([find(1)])
    assert catalog.rejected() == []
    assert len(catalog.pieces()) == 1


def test_pieces_say_all_that_training_needs(filled: Catalog) -> None:
    filled.label("CPE_Bach", "period", "Classical")
    piece = filled.pieces()[-1]
    assert (piece.composer, piece.labels) == ("CPE_Bach", {"period": "Classical"})
    assert (piece.notes, piece.seconds, piece.kind) == (60, 60.0, "midi")
    splits = [filled.pieces(split) for split in ("train", "valid", "test")]
    assert sorted(p.id for split in splits for p in split) == [p.id for p in filled.pieces()]
    assert filled.pieces(reads={"text"}) == []


def test_the_split_rule_is_checked(filled: Catalog, find: Find, tmp_path: Path) -> None:
    for file in filled.files():
        path = tmp_path / file["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    faults = {fault["what"] for fault in filled.check()}
    assert faults == {"a file has changed"}  # these bytes hash to something else
    filled.record([find(20)])
    assert "files without a split" not in {fault["what"] for fault in filled.check()}
    with filled.writing() as session:
        session.connection().exec_driver_sql("UPDATE files SET split = NULL WHERE id = 1")
    assert "files without a split" in {fault["what"] for fault in filled.check()}
    with filled.writing() as session:
        session.connection().exec_driver_sql("UPDATE files SET cluster = 'one'")
    assert "a cluster in two splits" in {fault["what"] for fault in filled.check()}


def test_splitting_again_follows_the_fractions(filled: Catalog) -> None:
    counts = filled.split(Fractions(0.0, 0.0))
    assert counts == {"train": 6}


def test_composers_fold_but_never_merge_by_themselves(catalog: Catalog, find: Find) -> None:
    names = ["Bach", "bach ", "CPE_Bach", "cpe bach", "Schumann", "Schumann_Clara"]
    catalog.record([find(number, composer=name) for number, name in enumerate(names)])
    found = {row["name"]: row["files"] for row in catalog.composers()}
    assert found == {"Bach": 2, "CPE_Bach": 2, "Schumann": 1, "Schumann_Clara": 1}
    with pytest.raises(UnknownNameError, match="did you mean 'Bach'"):
        catalog.composer("Bahc")


def test_an_alias_merges_composers(filled: Catalog) -> None:
    filled.alias("Bach", "Johann Sebastian")
    assert filled.composer("johann_sebastian").name == "Bach"
    filled.alias("Bach", "CPE_Bach")
    assert [(row["name"], row["files"]) for row in filled.composers()] == [("Bach", 6)]
    with pytest.raises(UnknownNameError):
        filled.alias("Nobody", "x")
    with pytest.raises(UsageError, match="'bach' is the name of the composer 'CPE_Bach'"):
        filled.alias("CPE_Bach", "bach")


def test_a_composer_that_was_set_after_a_join_stays(filled: Catalog) -> None:
    filled.alias("Bach", "CPE_Bach")
    filled.label("4", "composer", "Krebs")
    filled.label("5", "composer", "Bach")
    filled.set_composers({("midis/Bach/6.mid", ""): "Liszt"})
    filled.alias("Liszt", "Krebs")
    assert filled.unalias("CPE_Bach") == 0
    assert filled.unalias("Krebs") == 1
    composers = {key: filled.show(key)["composer"] for key in "456"}
    assert composers == {"4": "Krebs", "5": "Bach", "6": "Liszt"}


def test_similar_names_are_listed(catalog: Catalog, find: Find) -> None:
    catalog.record([find(1, composer="Tchaikovsky"), find(2, composer="Tchaikovski")])
    assert catalog.summary()["similar_composers"] == [["Tchaikovski", "Tchaikovsky"]]


def test_files_by_every_condition(filled: Catalog) -> None:
    assert len(filled.files()) == 7
    assert len(filled.files(composer="cpe bach")) == 3
    assert len(filled.files(status="rejected")) == 1
    assert len(filled.files(limit=2)) == 2
    filled.label("Bach", "period", "Baroque")
    assert len(filled.files(label=("period", "Baroque"), composer="Bach")) == 3
    with pytest.raises(UnknownNameError, match="period"):
        filled.files(label=("perod", "Baroque"))


def test_search_takes_every_word_and_no_wildcard(filled: Catalog) -> None:
    assert len(filled.search("cpe piece")) == 3
    assert [row["title"] for row in filled.search("PIECE 2")] == ["Piece 2"]
    assert filled.search("%") == []


@pytest.mark.parametrize("key", ["1", "midis/Bach/1.mid", "Bach/1.mid", "Piece 1", f"{1:064x}"])
def test_a_file_is_found_by_any_name_it_has(filled: Catalog, key: str) -> None:
    assert filled.show(key)["path"] == "midis/Bach/1.mid"


def test_show_reports_unknown_and_ambiguous_files(filled: Catalog) -> None:
    with pytest.raises(UsageError, match="matches 7 files"):
        filled.show("00000000")
    with pytest.raises(UnknownNameError, match="Piece 3"):
        filled.show("Piece 33")
    with pytest.raises(UnknownNameError, match="corrupt"):
        filled.rejected("corupt")


def test_near_duplicates_are_listed(filled: Catalog) -> None:
    assert filled.show("Piece 1")["near_duplicates"] == ["Piece 2"]


def test_rejected_files_have_no_near_duplicates(catalog: Catalog, find: Find) -> None:
    catalog.record([find(1, code="corrupt", facts={}), find(2, code="no_notes", facts={})])
    assert catalog.show("1")["near_duplicates"] == []


def test_labels_by_table(filled: Catalog, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("composer,period,mood\nBach,Baroque, \nNobody,None,x\n", "utf-8")
    filled.label("Bach", "mood", "calm")
    assert filled.label_csv(table) == {"labels": 3, "rows": 2, "unknown": ["Nobody"]}
    assert {tuple(piece.labels.items()) for piece in filled.pieces()} == {
        (("mood", "calm"), ("period", "Baroque")),
        (),
    }
    table.write_text("file,composer\nmidis/Bach/1.mid,Krebs\n", "utf-8")
    filled.label_csv(table)
    assert filled.show("1")["composer"] == "Krebs"
    table.write_text("who,what\na,b\n", "utf-8")
    with pytest.raises(UsageError, match="sha256"):
        filled.label_csv(table)
    with pytest.raises(UsageError, match="split"):
        filled.label("1", "split", "train")


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("labels.csv", "composer;period\nBach;Frühbarock, spät\n", "latin-1"),
        ("labels.csv", "composer;period\nBach;Frühbarock, spät\n", "utf-16"),
        ("labels.tsv", "composer\tperiod\nBach\tFrühbarock, spät\n", "utf-8-sig"),
        ("labels.csv", "file|period\nBach/1.mid|Frühbarock, spät\nBach/1.mid\n", "utf-8"),
        ("labels.json", '[{"composer": "Bach", "period": "Frühbarock, spät"}]', "utf-8"),
    ],
    ids=["semicolons", "utf-16", "tabs", "bars", "json"],
)
def test_labels_by_tables_of_other_formats(
    filled: Catalog, tmp_path: Path, name: str, text: str, encoding: str
) -> None:
    table = tmp_path / name
    table.write_bytes(text.encode(encoding))
    assert filled.label_csv(table)["unknown"] == []
    assert filled.show("1")["labels"] == {"period": "Frühbarock, spät"}


def test_what_is_no_table_is_an_error(filled: Catalog, tmp_path: Path) -> None:
    table = tmp_path / "labels.json"
    table.write_text('[{"composer": ', "utf-8")
    with pytest.raises(MusictkError, match=r"labels\.json is not a table"):
        filled.label_csv(table)
    with pytest.raises(UsageError, match=r"missing\.csv does not exist"):
        filled.label_csv(tmp_path / "missing.csv")
    other = tmp_path / "labels.csv"
    other.write_bytes(bytes(range(256)))
    with pytest.raises(UsageError, match="no column that names files"):
        filled.label_csv(other)


def test_everything_is_jsonable(filled: Catalog, tmp_path: Path) -> None:
    filled.start_run("gpt", "f", {"steps": 3})
    json.dumps([filled.summary(), filled.files(), filled.composers(), filled.show("1")])
    assert filled.export(tmp_path / "all.jsonl") == 8
    rows = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text("utf-8").splitlines()]
    assert {row["table"] for row in rows} == {"files", "runs"}
    assert rows[0]["places"][0][0] == "midis/Bach/1.mid"


def test_official_splits_are_kept_and_test_wins(catalog: Catalog, find: Find) -> None:
    official = {1: "train", 2: "valid", 3: "test", 4: "train", 5: "train", 6: None}
    same = sketch(range(4, 400))
    catalog.record(
        [
            find(number, split=split, **({"sketch": same} if number in (3, 4, 6) else {}))
            for number, split in official.items()
        ]
    )
    catalog.complete_splits(Fractions())
    assert _splits(catalog) == {1: "train", 2: "valid", 3: "test", 4: "test", 5: "train", 6: "test"}
    found = catalog.official_splits()
    assert (found.files, found.moved) == ({"train": 3, "valid": 1, "test": 1}, 1)
    catalog.complete_splits(Fractions())
    assert _splits(catalog)[4] == "test"
    catalog.split(Fractions())
    assert catalog.official_splits().files == {}


def test_files_without_an_official_split_fill_the_empty_ones(catalog: Catalog, find: Find) -> None:
    catalog.record([find(number, split="train" if number < 9 else None) for number in range(1, 13)])
    catalog.complete_splits(Fractions(0.1, 0.1))
    splits = _splits(catalog)
    assert {splits[number] for number in range(1, 9)} == {"train"}
    assert set(splits.values()) == {"train", "valid", "test"}


def test_where_all_are_official_one_cluster_fills_an_empty_split(
    catalog: Catalog, find: Find
) -> None:
    catalog.record(
        [find(number, split="test" if number > 8 else "train") for number in range(1, 11)]
    )
    for moved in ({"valid": 1}, {}):
        assert catalog.complete_splits(Fractions(0.1, 0.1)) == moved
        splits = list(_splits(catalog).values())
        assert [splits.count(split) for split in ("train", "valid", "test")] == [7, 1, 2]
    assert catalog.official_splits().files == {"train": 7, "test": 2}


def test_official_splits_without_test_stay_as_they_are(catalog: Catalog, find: Find) -> None:
    catalog.record(
        [find(number, split="valid" if number > 8 else "train") for number in range(1, 11)]
    )
    assert catalog.complete_splits(Fractions(0.1, 0.1)) == {}
    splits = list(_splits(catalog).values())
    assert [splits.count(split) for split in ("train", "valid", "test")] == [8, 2, 0]


def _splits(catalog: Catalog) -> dict[int, str | None]:
    return {int(piece.sha256, 16): piece.split for piece in catalog.pieces()}
