"""Near-duplicates are in one cluster and one split, for any number, order and size of batches."""

from __future__ import annotations

import random
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from musictk.catalog import Catalog, ExaminedFile, Fractions
from musictk.sketches import EVERY
from tests.catalog.conftest import downgrade, sketch

Find = Callable[..., ExaminedFile]
TENTH = Fractions(0.1, 0.1)


def hashes(seed: int, count: int = 400) -> set[int]:
    """The runs of an unrelated piece."""
    return set(np.random.default_rng(seed).integers(0, 2**32, count, np.uint32).tolist())


def version(work: int, number: int, count: int = 400) -> bytes:
    """One of many versions of a work: four fifths of its runs, and some others."""
    kept = random.Random(number).sample(sorted(hashes(work, count)), count * 4 // 5)
    return sketch({*kept, *hashes(10_000 + number, count // 5)})


def clusters(catalog: Catalog) -> dict[str, tuple[str | None, str | None]]:
    """(cluster, split) of every accepted file, by hash."""
    return {piece.sha256: (piece.cluster, piece.split) for piece in catalog.pieces()}


def faults(catalog: Catalog) -> list[dict[str, str]]:
    return [fault for fault in catalog.check() if "split" in fault["what"]]


@pytest.mark.parametrize("count", [2, 230, 1000])
def test_any_number_of_versions_is_one_cluster(catalog: Catalog, find: Find, count: int) -> None:
    found = [find(number, sketch=version(1, number)) for number in range(count)]
    others = [find(5000 + number, sketch=sketch(hashes(number + 2))) for number in range(50)]
    catalog.record([*others, *found])
    groups = clusters(catalog)
    assert len({groups[finding.sha256] for finding in found if finding.sha256}) == 1
    assert len({cluster for cluster, _ in groups.values()}) == 51
    assert faults(catalog) == []


def test_the_index_stays_small_however_many_versions(catalog: Catalog, find: Find) -> None:
    same = sketch(hashes(1))
    catalog.record([find(number, sketch=same) for number in range(300)])
    with catalog.reading() as session:
        many = session.connection().exec_driver_sql("SELECT count(*) FROM postings").scalar()
    assert isinstance(many, int)
    assert 0 < many < 300


def test_near_duplicates_are_found_in_every_level_of_the_index(
    catalog: Catalog, find: Find
) -> None:
    def made(number: int, version: int = 0) -> ExaminedFile:
        held = {*hashes(number, 80), *hashes(50_000 + number, 20 * version)}
        return find(number + 10_000 * version, sketch=sketch(held))

    for start in range(0, 8400, 600):
        catalog.record([made(number) for number in range(start, start + 600)])
    with catalog.reading() as session:
        query = "SELECT key >> 40, count(*), count(DISTINCT file_id) FROM postings GROUP BY 1"
        levels = session.connection().exec_driver_sql(query).all()
    assert [level for level, *_ in levels] == [0, 1, 2]
    assert sum(files for *_, files in levels) >= 8400
    assert levels[2][2] < 1000  # those added since the last promotion
    again = [*range(20), *range(4000, 4020), *range(8380, 8400)]
    catalog.record([made(number, version=1) for number in again])
    groups = clusters(catalog)
    pairs = [(groups[f"{n:064x}"], groups[f"{n + 10_000:064x}"]) for n in again]
    assert all(one == other for one, other in pairs)
    assert len(set(groups.values())) == 8400
    pieces = {piece.sha256: piece for piece in catalog.pieces()}
    gone = [pieces[f"{n:064x}"] for n in again]
    catalog.forget([(piece.path, "") for piece in gone])
    numbers = ",".join(str(piece.id) for piece in gone)
    query = f"SELECT count(*) FROM postings WHERE file_id IN ({numbers})"
    with catalog.reading() as session:
        assert session.connection().exec_driver_sql(query).scalar() == 0


def test_a_catalog_can_be_opened_by_the_version_before_the_levels(
    catalog: Catalog, find: Find, tmp_path: Path
) -> None:
    catalog.record([find(number, sketch=version(1, number)) for number in range(3)])
    catalog.close()
    downgrade(tmp_path / "catalog.db", "0006")
    with Catalog.open(f"sqlite:///{tmp_path}/catalog.db", tmp_path) as upgraded:
        upgraded.record([find(100, sketch=version(1, 100))])
        assert len(set(clusters(upgraded).values())) == 1


def test_common_patterns_do_not_join_pieces(catalog: Catalog, find: Find) -> None:
    scales = sorted(hashes(1, 30))
    found = [
        find(number, sketch=sketch({*scales, *hashes(number + 2, 300)})) for number in range(300)
    ]
    catalog.record(found)
    assert len(set(clusters(catalog).values())) == 300
    catalog.record(
        [find(999, sketch=sketch({*scales, *hashes(252, 300)}))]
    )  # a near-duplicate of 250
    groups = clusters(catalog)
    assert groups[f"{999:064x}"] == groups[f"{250:064x}"]


def test_a_file_that_returns_meets_the_near_duplicate_that_came_meanwhile(
    catalog: Catalog, find: Find
) -> None:
    first = {number: find(number, sketch=sketch(hashes(number))) for number in range(1, 40)}
    catalog.record(list(first.values()))
    before = clusters(catalog)
    train = next(n for n in first if before[f"{n:064x}"][1] == "train")
    duplicate = next(  # alone it would be in another split
        number for number in range(100, 200) if _alone(catalog, find, number) not in ("train", None)
    )
    catalog.forget([(first[train].path, "")])
    row = catalog.show(first[train].sha256 or "")
    assert (row["status"], row["cluster"], row["split"]) == ("missing", None, None)
    catalog.record([find(duplicate, sketch=version_of(first[train]))])
    catalog.record([first[train]])
    groups = clusters(catalog)
    assert groups[f"{train:064x}"] == groups[f"{duplicate:064x}"]
    assert groups[f"{train:064x}"][1] != "train"
    assert faults(catalog) == []


def version_of(finding: ExaminedFile) -> bytes:
    """Another version of the same piece."""
    held = np.frombuffer(finding.sketch or b"", "<u4")[3:].tolist()
    return sketch({*held[20:], *hashes(99_999, 30)})


def _alone(catalog: Catalog, find: Find, number: int) -> str | None:
    with Catalog.open("sqlite://", catalog.root) as other:
        other.record([find(number)])
        return other.pieces()[0].split


def test_a_file_that_only_moves_keeps_its_split(catalog: Catalog, find: Find) -> None:
    catalog.record([find(number) for number in range(1, 9)])
    catalog.complete_splits(TENTH)
    before = clusters(catalog)
    catalog.record([find(10, path="midis/Bach/1.mid")])  # other music at its place
    catalog.record([find(1, path="midis/moved.mid")])
    catalog.forget([])
    after = clusters(catalog)
    assert {sha: after[sha] for sha in before} == before


def test_other_members_are_indexed_when_an_indexed_one_is_removed(
    catalog: Catalog, find: Find
) -> None:
    found = [find(number, sketch=version(1, number)) for number in range(30)]
    catalog.record(found)
    (group,) = set(clusters(catalog).values())
    catalog.forget([(finding.path, "") for finding in found[:28]])
    catalog.record([find(100, sketch=version(1, 100))])
    assert set(clusters(catalog).values()) == {group}


def test_a_piece_that_connects_two_clusters_makes_them_one(catalog: Catalog, find: Find) -> None:
    numbers = range(1, 60)
    catalog.record([find(number, sketch=sketch(hashes(number))) for number in numbers])
    groups = clusters(catalog)
    by_split = {split: n for n in numbers for split in [groups[f"{n:064x}"][1]]}
    one, other = by_split["train"], by_split["valid"]
    medley = find(100, sketch=sketch({*sorted(hashes(one))[::2], *sorted(hashes(other))[::2]}))
    catalog.record([medley])
    groups = clusters(catalog)
    names = [f"{number:064x}" for number in (one, other, 100)]
    assert {groups[name] for name in names} == {(min(names), "train")}


def split_runs(seed: int, keys: int, others: int) -> tuple[list[int], list[int]]:
    """Runs that are keys of the index, and runs that are not."""
    drawn = np.random.default_rng(seed).permutation(2**20)
    runs = drawn.astype(np.int64) * 4096 + seed * EVERY
    return runs[:keys].tolist(), (runs[keys : keys + others] + 1).tolist()


@pytest.mark.parametrize("at_once", [True, False])
def test_a_near_duplicate_of_a_member_that_is_not_indexed_is_found(
    catalog: Catalog, find: Find, at_once: bool
) -> None:
    """Each key of `hub` is indexed for four members that share next to nothing with `newcomer`."""
    drawn, plain = split_runs(1, 8, 500)
    keys, core = drawn[:4], drawn[4:]
    shared, rest = [*keys, *plain[:90]], [*core, *plain[90:400]]
    members = [
        find(number, sketch=sketch({keys[number % 4], *rest[:250], *hashes(number, 20)}))
        for number in range(1, 21)
    ]
    hub = find(30, sketch=sketch({*shared, *rest}))
    newcomer = find(31, sketch=sketch({*shared, *hashes(99, 200)}))
    if at_once:
        catalog.record([*members, hub, newcomer])
    else:
        for found in [*members, hub, newcomer]:
            catalog.record([found])
    assert len(set(clusters(catalog).values())) == 1


def test_check_finds_near_duplicates_among_commonplace_keys(catalog: Catalog, find: Find) -> None:
    """All that two versions share of the index is shared by a hundred other pieces too."""
    keys, plain = split_runs(1, 4, 500)
    others = [find(n, sketch=sketch({*keys, *hashes(n, 300)})) for n in range(1, 101)]
    versions = [find(n, sketch=sketch({*keys, *plain[:200], *hashes(n, 50)})) for n in (201, 202)]
    catalog.record([*others, *versions])
    with catalog.writing() as session:
        session.connection().exec_driver_sql(
            "UPDATE files SET cluster = sha256, split = iif(id % 2, 'valid', 'train')"
        )
    (fault,) = faults(catalog)
    assert "midis/Bach/201.mid (valid)" in fault["where"]
    assert "midis/Bach/202.mid (train)" in fault["where"]


def test_how_many_are_written_at_once_does_not_matter(
    catalog: Catalog, find: Find, tmp_path: Path
) -> None:
    chance = random.Random(3)
    found = [find(number, sketch=version(chance.randint(1, 20), number)) for number in range(120)]
    catalog.record(found)
    for size in (1, 7, 50):
        with Catalog.open(f"sqlite:///{tmp_path}/{size}.db", tmp_path) as other:
            for start in range(0, len(found), size):
                other.record(found[start : start + size])
            assert other.digest() == catalog.digest()


def test_other_kinds_and_empty_pieces_are_no_near_duplicates(catalog: Catalog, find: Find) -> None:
    same = sketch(hashes(1))
    catalog.record(
        [find(1, sketch=same), find(2, sketch=same, kind="text"), find(3, sketch=b""), find(4)]
    )
    with catalog.reading() as session:
        rows = session.connection().exec_driver_sql("SELECT cluster, split FROM files").all()
    assert len({cluster for cluster, _ in rows}) == 4
    assert all(split for _, split in rows)


def test_the_smallest_pieces_are_near_duplicates_when_they_are_the_same(
    catalog: Catalog, find: Find
) -> None:
    catalog.record([find(number, sketch=sketch([], signature=5)) for number in (1, 2)])
    catalog.record([find(3, sketch=sketch([], signature=6))])
    assert [piece.cluster == f"{1:064x}" for piece in catalog.pieces()] == [True, True, False]


def test_a_renewed_sketch_regroups_and_keeps_the_split(catalog: Catalog, find: Find) -> None:
    catalog.record([find(number) for number in range(1, 30)])
    catalog.complete_splits(TENTH)
    before = clusters(catalog)
    renewed = [find(number, checks=2, sketch=sketch(hashes(number))) for number in range(1, 30)]
    catalog.record(renewed)
    assert clusters(catalog) == before
    catalog.record([find(5, checks=3, code="corrupt", facts={}, sketch=None)])
    row = catalog.show(f"{5:064x}")
    assert (row["status"], row["cluster"], row["split"]) == ("rejected", None, None)


def test_no_wanted_split_stays_empty(catalog: Catalog, find: Find) -> None:
    for number in range(1, 5):
        catalog.record([find(number)])
        catalog.complete_splits(TENTH)
        splits = {piece.split for piece in catalog.pieces()}
        assert len(splits) == min(number, 3)
        assert "train" in splits


def test_check_names_near_duplicates_in_two_splits_and_split_joins_them(
    catalog: Catalog, find: Find
) -> None:
    catalog.record([find(number, sketch=version(1, number)) for number in range(3)])
    catalog.record([find(number) for number in range(10, 20)])
    assert faults(catalog) == []
    with catalog.writing() as session:  # as two ingests at once left them
        session.connection().exec_driver_sql(
            "UPDATE files SET cluster = sha256, split = iif(id = 2, 'valid', 'train')"
        )
    (fault, *others) = faults(catalog)
    assert fault["what"] == "near-duplicates in two splits"
    assert "midis/Bach/1.mid (valid)" in fault["where"]
    assert " and midis/Bach/" in fault["where"]
    assert "catalog split" in fault["hint"]
    assert len(others) < 2
    catalog.split(TENTH)
    assert faults(catalog) == []
    assert len({clusters(catalog)[f"{number:064x}"] for number in range(3)}) == 1


RECORD = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from musictk.catalog import Catalog
    from tests.catalog.conftest import make
    from tests.catalog.test_grouping import version
    url, offset = sys.argv[1], int(sys.argv[2])
    with Catalog.open(url, Path(".")) as catalog:
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(14):
            catalog.record([make(offset + number, sketch=version(number, offset + number))])
    """
)


def test_concurrent_writers_group_each_others_near_duplicates(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/catalog.db"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", RECORD, url, str(offset)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for offset in (100, 200)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.wait(120) for writer in writers] == [0, 0]
    with Catalog.open(url, tmp_path) as catalog:
        groups = clusters(catalog)
        assert len(groups) == 28
        for number in range(14):
            assert groups[f"{100 + number:064x}"] == groups[f"{200 + number:064x}"]


def test_a_catalog_of_the_first_schema_keeps_its_splits(tmp_path: Path, find: Find) -> None:
    path = tmp_path / "catalog.db"
    with Catalog.open(f"sqlite:///{path}", tmp_path) as catalog:
        catalog.record([find(number, sketch=version(number % 9, number)) for number in range(30)])
        catalog.complete_splits(TENTH)
        before = clusters(catalog)
    downgrade(path, "0001")
    with Catalog.open(f"sqlite:///{path}", tmp_path) as catalog:
        assert clusters(catalog) == before
        catalog.record(
            [find(100 + number, sketch=version(number, 100 + number)) for number in range(9)]
        )
        after = clusters(catalog)
        assert {sha: after[sha] for sha in before} == before
        assert len({cluster for cluster, _ in after.values()}) == 9
        assert faults(catalog) == []
