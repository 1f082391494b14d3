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


def label_two_copies(run: Run, catalog: Catalog, midis: Path, music: Path) -> None:
    """Ingest Bach/a.mid and Bach/b.mid, which are the same, and label them."""
    for name in "ab":
        copy(midis / "Bach" / "musette_anh126.mid", music / "Bach" / f"{name}.mid")
    run(music)
    catalog.label("a", "period", "Baroque")


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


def test_an_edited_file_has_the_composer_that_a_table_names(
    run: Run, catalog: Catalog, midis: Path, music: Path
) -> None:
    table = music / "index.csv"
    for source, composer in (
        ("Bach/musette_anh126.mid", "Petzold"),
        ("Bach/chorale_bwv347.mid", "Neander"),
    ):
        copy(midis / source, music / "Bach" / "a.mid")
        table.write_text(f"path,composer\nBach/a.mid,{composer}\n", "utf-8")
        run(music)
        assert [piece.composer for piece in catalog.pieces()] == [composer]


def test_an_edited_file_keeps_its_official_split(
    run: Run, catalog: Catalog, midis: Path, music: Path, tmp_path: Path
) -> None:
    copytree(midis / "Joplin", music / "Joplin")
    copy(midis / "Bach" / "musette_anh126.mid", music / "Bach" / "a.mid")
    table = tmp_path / "c.csv"
    table.write_text("path,composer,split\nBach/a.mid,Bach,test\n", "utf-8")
    run(music, composers=table)
    copy(midis / "Bach" / "chorale_bwv347.mid", music / "Bach" / "a.mid")
    run(music)
    assert [each.split for each in catalog.pieces() if each.composer == "Bach"] == ["test"]


@pytest.mark.parametrize("batch", [1, 100])
def test_a_file_that_was_moved_gives_nothing_to_the_one_at_its_place(
    run: Run, catalog: Catalog, midis: Path, music: Path, batch: int
) -> None:
    """Also where both are recorded in different transactions."""
    place = music / "Bach" / "a.mid"
    copy(midis / "Bach" / "musette_anh126.mid", place)
    run(music)
    catalog.label("a", "period", "Baroque")
    place.rename(music / "Bach" / "z.mid")
    copy(midis / "Bach" / "chorale_bwv347.mid", place)
    run(music, batch=batch)
    labels = {Path(piece.path).name: piece.labels for piece in catalog.pieces()}
    assert labels == {"a.mid": {}, "z.mid": {"period": "Baroque"}}


def test_both_copies_of_an_edited_file_keep_its_labels(
    run: Run, catalog: Catalog, midis: Path, music: Path
) -> None:
    label_two_copies(run, catalog, midis, music)
    for name, source in (("a", "chorale_bwv347"), ("b", "chorale_bwv269")):
        copy(midis / "Bach" / f"{source}.mid", music / "Bach" / f"{name}.mid")
    run(music)
    assert [piece.labels for piece in catalog.pieces()] == [{"period": "Baroque"}] * 2


def test_a_file_that_is_still_elsewhere_gives_nothing_to_another(
    run: Run, catalog: Catalog, midis: Path, music: Path
) -> None:
    label_two_copies(run, catalog, midis, music)
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


def test_every_copy_at_a_place_of_another_composer_is_reported(
    run: Run, catalog: Catalog, midis: Path, music: Path
) -> None:
    source = midis / "Bach" / "musette_anh126.mid"
    copy(source, music / "Bach" / "a.mid")
    run(music)
    catalog.label("a", "composer", "Petzold")
    for composer in ("Chopin", "Czerny"):
        (music / composer).mkdir()
        copy(source, music / composer / "b.mid")
        (music / composer / "bad.mid").write_bytes(b"MThd")
    (music / "index.csv").write_text("path,split\nChopin/b.mid,test\n", "utf-8")
    (music / "Bach" / "a.mid").touch()  # read again, at the place that it had
    kept = [Path(place).parts[-2:] for place in run(music).kept]
    assert kept == [("Chopin", "b.mid"), ("Czerny", "b.mid")]


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


def test_a_link_to_a_folder_of_folders_adds_the_others(
    run: Run, catalog: Catalog, midis: Path, music: Path
) -> None:
    """`music/Satie` leads into what `music/all` leads to."""
    for composer in ("Satie", "Joplin"):
        copytree(midis / composer, music.parent / "elsewhere" / composer)
    (music / "Satie").symlink_to(music.parent / "elsewhere" / "Satie")
    (music / "all").symlink_to(music.parent / "elsewhere")
    assert run(music).accepted == 3
    assert {piece.composer for piece in catalog.pieces()} == {"Satie", "Joplin"}


def test_a_link_between_two_given_folders_is_not_followed(
    run: Run, catalog: Catalog, midis: Path, music: Path
) -> None:
    copytree(midis / "Satie", music / "two" / "Satie")
    (music / "one").mkdir()
    (music / "one" / "Ravel").symlink_to(music / "two" / "Satie")
    assert run(music / "one", music / "two").accepted == 1
    assert [piece.composer for piece in catalog.pieces()] == ["Satie"]
