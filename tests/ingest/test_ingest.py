"""Folders, archives and tables are ingested, repeatedly and through crashes."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path
from shutil import copy, copytree

import pytest

from musictk.catalog import Catalog
from musictk.errors import MusictkError, UsageError
from musictk.ingest import (
    IngestOptions,
    IngestReport,
    PieceLoader,
    Preview,
    preview_names,
)
from musictk.ingest.load import read_music
from musictk.reading import Limits
from musictk.workspace import Workspace

Run = Callable[..., IngestReport]


def test_a_folder_becomes_a_catalog_and_the_second_run_does_nothing(
    run: Run, catalog: Catalog, midis: Path
) -> None:
    first = run(midis)
    assert (first.accepted, first.rejected.total(), len(first.composers)) == (42, 0, 15)
    summary = catalog.summary()
    assert summary["files"] == {"accepted": 42}
    assert set(summary["splits"]) == {"train", "valid", "test"}
    assert catalog.check() == []
    before = catalog.digest()
    second = run(midis)
    assert (second.accepted, second.unchanged) == (0, 42)
    assert catalog.digest() == before


def test_pieces_are_read_again_as_they_were(
    run: Run, catalog: Catalog, workspace: Workspace, midis: Path
) -> None:
    run(midis / "Bach")
    for piece in catalog.pieces()[:3]:
        score = PieceLoader(workspace).load(piece)
        assert not isinstance(score, str)
        assert score.note_num() == piece.notes
    with pytest.raises(MusictkError, match="not_midi"):
        read_music(Path(__file__))
    with pytest.raises(MusictkError, match=r"nowhere\.mid"):
        read_music(Path("nowhere.mid"))


def test_files_that_change_move_or_go_are_followed(
    run: Run, catalog: Catalog, midis: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "midis"
    copytree(midis / "Bach", folder / "Bach")
    run(folder)
    files = sorted((folder / "Bach").iterdir())
    split = {piece.sha256: piece.split for piece in catalog.pieces()}
    files[0].rename(folder / "Bach" / "renamed.mid")
    files[1].unlink()
    copy(min((midis / "Joplin").iterdir()), files[2])
    report = run(folder)
    assert (report.accepted, report.missing) == (2, 2)
    pieces = {Path(piece.path).name: piece for piece in catalog.pieces()}
    assert "renamed.mid" in pieces
    assert len(pieces) == len(files) - 1
    assert catalog.summary()["files"]["missing"] == 2  # the one deleted, the one written over
    left = {Path(row["last_path"]).name for row in catalog.files(status="missing")}
    assert left == {files[1].name, files[2].name}
    kept = [piece for piece in pieces.values() if piece.sha256 in split]
    assert all(piece.split == split[piece.sha256] for piece in kept)


def test_splits_stay_when_files_are_added(run: Run, catalog: Catalog, midis: Path) -> None:
    run(midis / "Bach", midis / "Chopin")
    before = {piece.sha256: piece.split for piece in catalog.pieces()}
    run(midis)
    after = {piece.sha256: piece.split for piece in catalog.pieces()}
    assert len(after) == 42
    assert {sha: after[sha] for sha in before} == before


def test_whose_a_file_is(run: Run, catalog: Catalog, midis: Path, tmp_path: Path) -> None:
    def composers() -> dict[str, str | None]:
        return {Path(row["path"]).name: row["composer"] for row in catalog.files()}

    sources = sorted(midis.glob("*/*.mid"))
    loose = tmp_path / "loose"
    (loose / "Anon" / "deep").mkdir(parents=True)
    copy(sources[0], loose / "Anon" / "deep" / "a.mid")
    copy(sources[1], loose / "Erik Satie - Air.mid")
    copy(sources[2], loose / "untitled.mid")
    run(loose)
    assert composers() == {
        "a.mid": "Anon",
        "Erik Satie - Air.mid": "Erik Satie",
        "untitled.mid": None,
    }
    assert catalog.show("Air")["composer"] == "Erik Satie"
    table = tmp_path / "who.csv"
    table.write_text("path,composer\nAnon/deep/a.mid,Krebs\nuntitled.mid,erik satie\n", "utf-8")
    assert run(loose, composers=table).unchanged == 3  # goes for known files, too
    assert composers() == {
        "a.mid": "Krebs",
        "Erik Satie - Air.mid": "Erik Satie",
        "untitled.mid": "Erik Satie",
    }
    run(midis / "Joplin", midis / "Grieg")  # as a shell writes midis/*
    assert {"Joplin", "Grieg"} <= {row["name"] for row in catalog.composers()}
    known = tmp_path / "Joplin"
    known.mkdir()
    copy(sources[9], known / "new.mid")
    run(known)
    assert composers()["new.mid"] == "Joplin"
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="path,composer"):
        run(loose, composers=tmp_path / "bad.csv")
    with pytest.raises(UsageError, match="does not exist"):
        run(tmp_path / "nowhere")


@pytest.mark.parametrize("header", ["path,composer", "composer,file\n"])
def test_a_table_may_have_no_rows(
    run: Run, catalog: Catalog, midis: Path, tmp_path: Path, header: str
) -> None:
    table = tmp_path / "who.csv"
    table.write_text(header, "utf-8")
    assert run(midis / "Joplin", midis / "Grieg", composers=table).unknown == []
    assert {row["composer"] for row in catalog.files()} == {"Joplin", "Grieg"}
    assert catalog.label_csv(table) == {"labels": 0, "rows": 0, "unknown": []}
    table.write_text("", "utf-8")
    with pytest.raises(UsageError, match="path,composer"):
        run(midis / "Joplin", composers=table)


def test_rows_of_a_table_match_or_are_named(
    run: Run, catalog: Catalog, workspace: Workspace, midis: Path
) -> None:
    folder = workspace.root / "m"
    folder.mkdir()
    for number, path in enumerate(sorted(midis.glob("*/*.mid"))[:4], 1):
        copy(path, folder / f"t{number}.mid")
    table = workspace.root / "who.csv"
    rows = "t1,Fauré\nm/t2.mid,Liszt\n./m/t3.mid,Ravel\nt4.mid,Krebs\nt5.mid,Nobody\n,Nobody\n"
    table.write_text(f"file,composer\n{rows}", "utf-8")
    assert run(folder, composers=table).unknown == ["t5.mid", ""]
    named = {Path(row["path"]).stem: row["composer"] for row in catalog.files()}
    assert named == {"t1": "Fauré", "t2": "Liszt", "t3": "Ravel", "t4": "Krebs"}
    assert catalog.label_csv(table)["unknown"] == ["t5.mid", ""]


def test_killed_between_batches_every_file_has_a_split(midis: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", INGEST, str(tmp_path), str(midis)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()  # a batch is acknowledged
    process.kill()
    process.wait()
    with Catalog.open(f"sqlite:///{tmp_path}/catalog.db", tmp_path) as catalog:
        pieces = catalog.pieces()
        assert 5 <= len(pieces) < 42
        assert all(piece.split and piece.cluster for piece in pieces)
        assert catalog.check() == []


def test_texts_have_kinds_of_their_own(run: Run, catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "poem.txt").write_text("\ufeffSo much depends\r\nupon", "utf-8")
    (tmp_path / "t" / "tune.abc").write_text("X:1\nT:Tune\nK:G\nGABc|\n", "utf-8")
    (tmp_path / "t" / "binary.txt").write_bytes(b"\xff\xfe\x00")
    assert run(tmp_path / "t").accepted == 1  # text only if it is asked for
    assert [piece.kind for piece in catalog.pieces(reads={"text", "abc"})] == ["abc"]
    report = run(tmp_path / "t", text=True)
    assert report.rejected == {"not_text": 1}
    assert [piece.kind for piece in catalog.pieces(reads={"text", "abc"})] == ["abc", "text"]
    (tmp_path / "t" / "more.txt").write_text("a red wheel barrow", "utf-8")
    again = run(tmp_path / "t")
    assert (again.accepted, again.missing) == (0, 0)  # known texts stay
    assert run(tmp_path / "t" / "more.txt").accepted == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a note to self", "not_abc"),
        ("X:1\nK:C\n", "no_notes"),
        ('X:1\nT:Air\nK:C\n% B\n"Am"z4 !fermata![K:G]z|\n', "no_notes"),
        ("X:1\nK:C\nz2 E2|\n", None),
        ("%abc-2.1\n\nX:1\nK:C\ncde:|\n", None),
        ("X:1\nK:C\nC:|\n", None),
        ("X:1\nK:C\n!CDEF|GABc|!\n", None),  # line breaks of old files
    ],
)
def test_abc_without_a_tune_or_notes_is_rejected(
    run: Run, tmp_path: Path, text: str, reason: str | None
) -> None:
    (tmp_path / "a.abc").write_text(text, "utf-8")
    report = run(tmp_path / "a.abc")
    assert dict(report.rejected) == ({reason: 1} if reason else {})


def archive_zip(target: Path, midis: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(midis.glob("*/*.mid"))[:12]:
            archive.write(path, f"set/{path.parent.name}/{path.name}")
        archive.writestr("../../../evil.mid", sorted(midis.glob("*/*.mid"))[20].read_bytes())
        archive.writestr("broken.mid", b"no midi")
        archive.writestr("notes.doc", b"left alone")


def archive_tar(target: Path, midis: Path) -> None:
    with tarfile.open(target, "w:gz") as archive:
        for path in sorted(midis.glob("*/*.mid"))[:12]:
            archive.add(path, f"set/{path.parent.name}/{path.name}")
        for name, data in (("../../../evil.mid", sorted(midis.glob("*/*.mid"))[20].read_bytes()),):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        info = tarfile.TarInfo("broken.mid")
        info.size = 7
        archive.addfile(info, io.BytesIO(b"no midi"))
        link = tarfile.TarInfo("link.mid")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)


@pytest.mark.parametrize(("name", "make"), [("a.zip", archive_zip), ("a.tar.gz", archive_tar)])
def test_archives_are_streamed(
    run: Run,
    catalog: Catalog,
    workspace: Workspace,
    midis: Path,
    tmp_path: Path,
    name: str,
    make: Callable[[Path, Path], None],
) -> None:
    folder = tmp_path / "in" / "deep" / "er"
    folder.mkdir(parents=True)
    make(folder / name, midis)
    report = run(folder)
    assert (report.accepted, report.rejected) == (13, {"not_midi": 1})
    assert not list(tmp_path.rglob("*.mid"))  # nothing was written anywhere
    piece = catalog.pieces()[0]
    assert (piece.member, piece.path.endswith(name)) == (f"set/Bach/{piece.member[9:]}", True)  # type: ignore[index]
    loader, pieces = PieceLoader(workspace), catalog.pieces()
    for each in [*pieces, *pieces[::-1], pieces[-1]]:  # in the order of the archive, and not
        score = loader.load(each)
        assert not isinstance(score, str)
        assert score.note_num() == each.notes
    again = run(folder)
    assert (again.accepted, again.unchanged) == (0, 1)


def test_archives_beyond_their_limits(
    run: Run, catalog: Catalog, midis: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(next(midis.glob("Bach/*.mid")), "first.mid")
        archive.writestr("bomb.mid", bytes(64 << 20))
    (folder / "cut.zip").write_bytes((folder / "bomb.zip").read_bytes()[:500])
    (folder / "not.tar").write_bytes(b"x" * 2000)
    report = run(folder)
    assert report.rejected == {"too_large": 1, "bad_archive": 2}
    assert report.accepted == 1
    many = tmp_path / "many.zip"
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(10):
            archive.writestr(f"{number}.mid", b"MThd")
    assert run(many, limits=Limits(members=5)).rejected == {"bad_header": 5, "archive_limit": 1}
    assert "archive_limit" in catalog.summary()["rejected"]


CRASHING = """
import os, time
import musictk.reading.read as read
sound = read.read_midi
def read_midi(data, limits):
    if data.endswith(b"DIE"): os.abort()
    if data.endswith(b"HANG"): time.sleep(600)
    if data.endswith(b"EAT"): return bytearray(8 << 30)
    return sound(data, limits)
read.read_midi = read_midi
"""


def test_a_worker_that_dies_hangs_or_eats_is_a_row(
    run: Run, catalog: Catalog, midis: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(CRASHING)
    monkeypatch.syspath_prepend(tmp_path / "site")  # a parser with faults, in the workers only
    folder = tmp_path / "midis"
    folder.mkdir()
    for number, path in enumerate(sorted(midis.glob("*/*.mid"))[:30]):
        ending = {3: b"DIE", 11: b"HANG", 12: b"DIE", 20: b"EAT"}.get(number, b"")
        (folder / f"{number:02}.mid").write_bytes(path.read_bytes() + ending)
    report = run(folder, limits=Limits(seconds=1.0), workers=2)
    assert report.accepted == 26
    codes = {Path(row["path"]).stem: row["code"] for row in catalog.rejected()}
    assert codes == {"03": "worker_died", "11": "timeout", "12": "worker_died", "20": "memory"}


INGEST = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from musictk.catalog import Catalog
    from musictk.ingest import IngestOptions, ingest
    from musictk.workspace import here
    class Tell:
        def ingested(self, done, total): print(done, flush=True)
    space = here(Path(sys.argv[1]))
    with Catalog.open(space.catalog_url, space.root) as catalog:
        ingest(catalog, space, [Path(sys.argv[2])], IngestOptions(workers=1, batch=5), Tell())
        print(catalog.digest(), flush=True)
    """
)


def test_killed_anywhere_and_run_again_it_ends_the_same(midis: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in" / "midis"
    copytree(midis, folder)
    chance = random.Random(7)

    def start(root: Path) -> subprocess.Popen[str]:
        root.mkdir(exist_ok=True)
        command = [sys.executable, "-c", INGEST, str(root), str(folder)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    clean, _ = start(tmp_path / "in" / "clean").communicate(timeout=120)
    root, safe = tmp_path / "in" / "killed", 0
    for _ in range(3):
        process = start(root)
        assert process.stdout is not None
        for _ in range(chance.randint(1, 3)):
            line = process.stdout.readline()  # a batch is acknowledged
            safe += 5 if line.strip().isdecimal() else 0
        process.kill()
        process.wait()
        with Catalog.open(f"sqlite:///{root}/catalog.db", root) as catalog:
            assert len(catalog.known_locations()) >= safe
    last, _ = start(root).communicate(timeout=120)
    assert last.split()[-1] == clean.split()[-1]


def test_resource_forks_of_macos_are_skipped(
    run: Run, catalog: Catalog, midis: Path, tmp_path: Path
) -> None:
    """A folder copied from macOS has `._x.mid` beside `x.mid`, a zip a folder `__MACOSX`."""
    music = (midis / "Satie" / "gymnopedie_3.mid").read_bytes()
    folder = tmp_path / "music" / "Satie"
    (folder / "__MACOSX").mkdir(parents=True)
    for name in ("a.mid", "._a.mid", "__MACOSX/b.mid"):
        (folder / name).write_bytes(music if name == "a.mid" else b"fork")
    other = (midis / "Bach" / "musette_anh126.mid").read_bytes()
    with zipfile.ZipFile(tmp_path / "music" / "more.zip", "w") as archive:
        archive.writestr("Bach/c.mid", other)
        archive.writestr("Bach/._c.mid", b"fork")
        archive.writestr("__MACOSX/Bach/._c.mid", b"fork")
        archive.writestr("__MACOSX/Bach/c.mid", b"fork")
    report = run(tmp_path / "music")
    assert (report.accepted, report.rejected) == (2, {})
    assert {row["composer"] for row in catalog.files()} == {"Bach", "Satie"}


def test_a_member_above_its_archive_has_no_such_composer(
    run: Run, catalog: Catalog, midis: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.write(midis / "Satie" / "gymnopedie_3.mid", "../x.mid")
    assert run(tmp_path / "more.zip").accepted == 1
    assert [row["composer"] for row in catalog.files()] == [None]


@pytest.mark.parametrize("given", [".", "..", "../work", "midis/..", "midis"])
def test_deleted_files_are_noticed_however_the_folder_is_given(
    run: Run,
    catalog: Catalog,
    workspace: Workspace,
    midis: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str,
) -> None:
    monkeypatch.chdir(workspace.root)
    copytree(midis / "Chopin", "midis/Chopin")
    names = sorted(Path("midis/Chopin").iterdir())
    run(Path(given))
    names[0].unlink()
    assert run(Path(given)).missing == 1
    assert [Path(piece.path).name for piece in catalog.pieces()] == [
        path.name for path in names[1:]
    ]
    assert run(Path(given)).missing == 0


def test_a_file_outside_the_given_folder_is_not_missing(
    run: Run, catalog: Catalog, workspace: Workspace, midis: Path, tmp_path: Path
) -> None:
    copytree(midis / "Satie", tmp_path / "other" / "Satie")
    copytree(midis / "Bach", workspace.root / "midis" / "Bach")
    run(tmp_path / "other")
    assert run(workspace.root).missing == 0
    assert len(list(catalog.pieces())) == len(list((midis / "Bach").iterdir())) + 1


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_members_of_one_name_the_first_counts(
    run: Run, catalog: Catalog, workspace: Workspace, midis: Path, tmp_path: Path
) -> None:
    first, second, third = sorted((midis / "Bach").iterdir())[:3]
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        for path, name in ((first, "one.mid"), (second, "two.mid"), (third, "one.mid")):
            archive.write(path, name)
    run(tmp_path / "twice.zip")
    loader, pieces = PieceLoader(workspace), {str(each.member): each for each in catalog.pieces()}
    assert sorted(pieces) == ["one.mid", "two.mid"]
    for name, path in (("one.mid", first), ("two.mid", second)):
        assert loader.load(pieces[name]) == read_music(path)[1]


def test_a_member_removed_from_an_archive_is_missing(
    run: Run, catalog: Catalog, midis: Path, tmp_path: Path
) -> None:
    names = sorted((midis / "Chopin").iterdir())

    def pack(paths: list[Path]) -> None:
        with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
            for path in paths:
                archive.write(path, f"Chopin/{path.name}")

    pack(names)
    run(tmp_path / "more.zip")
    pack(names[1:])
    assert run(tmp_path / "more.zip").missing == 1
    (left,) = catalog.files(status="missing")
    assert left["last_path"].endswith(f"more.zip/Chopin/{names[0].name}")
    kept = {str(piece.member) for piece in catalog.pieces()}
    assert kept == {f"Chopin/{path.name}" for path in names[1:]}
    whole = (tmp_path / "more.zip").read_bytes()
    (tmp_path / "more.zip").write_bytes(whole[: len(whole) // 2])  # nothing is forgotten of this
    assert run(tmp_path / "more.zip").missing == 0
    assert {str(piece.member) for piece in catalog.pieces()} == kept


def test_a_preview_names_what_ingest_finds(run: Run, midis: Path) -> None:
    shown: Preview = preview_names([midis], IngestOptions())
    found = run(midis)
    assert shown.names.composers == found.names.composers
    assert {name: entry.files for name, entry in shown.composers.items()} == found.names.composers
    assert (shown.without.files, found.names.without) == (0, 0)
