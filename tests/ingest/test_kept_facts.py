"""What the user set stays when files are edited, moved or found twice; links are followed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import copy, copytree

import pytest

from musictk.catalog import Catalog
from musictk.ingest import IngestReport

Run = Callable[..., IngestReport]


@pytest.fixture
def music(tmp_path: Path) -> Path:
    (tmp_path / "music" / "Bach").mkdir(parents=True)
    return tmp_path / "music"


def test_a_copy_in_the_folder_of_a_composer_names_the_composer(
    run: Run, catalog: Catalog, midis: Path, music: Path
) -> None:
    """Loose files are read before those in folders."""
    piece = midis / "Bach" / "chorale_bwv269.mid"
    copy(piece, music / "a.mid")
    copy(piece, music / "Bach" / "a.mid")
    report = run(music)
    assert (report.accepted, report.kept) == (2, [])
    assert [piece.composer for piece in catalog.pieces()] == ["Bach"]


def test_a_copy_that_a_table_describes_gives_its_split(
    run: Run, catalog: Catalog, midis: Path, music: Path
) -> None:
    copytree(midis / "Joplin", music / "Joplin")
    piece = midis / "Bach" / "chorale_bwv269.mid"
    copy(piece, music / "a.mid")
    copy(piece, music / "Bach" / "b.mid")
    (music / "index.csv").write_text("path,split\nBach/b.mid,test\n", "utf-8")
    run(music)
    assert [each.split for each in catalog.pieces() if each.composer == "Bach"] == ["test"]


def test_an_edited_file_keeps_what_was_set(
    run: Run, catalog: Catalog, midis: Path, music: Path
) -> None:
    place = music / "Bach" / "a.mid"
    copy(midis / "Bach" / "musette_anh126.mid", place)
    run(music)
    catalog.label("a", "period", "Baroque")
    catalog.label("a", "composer", "Petzold")
    copy(midis / "Bach" / "chorale_bwv347.mid", place)
    run(music)
    (piece,) = catalog.pieces()
    assert (piece.composer, piece.labels) == ("Petzold", {"period": "Baroque"})


def test_a_file_that_is_still_elsewhere_gives_nothing_to_another(
    run: Run, catalog: Catalog, midis: Path, music: Path
) -> None:
    for name in "ab":
        copy(midis / "Bach" / "musette_anh126.mid", music / "Bach" / f"{name}.mid")
    run(music)
    catalog.label("a", "period", "Baroque")
    copy(midis / "Bach" / "chorale_bwv347.mid", music / "Bach" / "b.mid")
    run(music)
    labels = {Path(piece.path).name: piece.labels for piece in catalog.pieces()}
    assert labels == {"a.mid": {"period": "Baroque"}, "b.mid": {}}


def test_a_file_moved_to_another_composer_is_reported(
    run: Run, catalog: Catalog, midis: Path, music: Path
) -> None:
    place = music / "Bach" / "a.mid"
    copy(midis / "Bach" / "musette_anh126.mid", place)
    run(music)
    (music / "Chopin").mkdir()
    moved = place.rename(music / "Chopin" / "a.mid")
    report = run(music)
    assert [Path(kept).name for kept in report.kept] == ["a.mid"]
    assert [piece.composer for piece in catalog.pieces()] == ["Bach"]
    moved.touch()
    given = run(music, composer="Chopin")
    assert (given.kept, given.reassigned) == ([], 1)
    assert [piece.composer for piece in catalog.pieces()] == ["Chopin"]


def test_a_split_that_does_not_exist_is_reported(run: Run, midis: Path, tmp_path: Path) -> None:
    table = tmp_path / "c.csv"
    table.write_text("file,composer,split\nprelude_op28_4.mid,Foo,heldout\n", "utf-8")
    names = run(midis / "Chopin", composers=table).names
    assert names.tables.unknown_splits == {"heldout": 1}


def test_links_to_folders_are_followed_once(
    run: Run, catalog: Catalog, midis: Path, music: Path
) -> None:
    (music / "Satie").symlink_to(midis / "Satie")
    (music / "Satie again").symlink_to(midis / "Satie")
    (music / "above").symlink_to(music.parent)
    (music / "Bach" / "loop").symlink_to(music)
    assert run(music).accepted == 1
    assert run(music).unchanged == 1
    assert [piece.composer for piece in catalog.pieces()] == ["Satie"]
    (music / "Satie").unlink()
    (music / "Satie again").unlink()
    assert run(music).missing == 1
