"""What a model writes is attributed to composers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from musictk.catalog.records import PieceInfo
from musictk.errors import UnknownNameError
from musictk.jobs import attribute
from musictk.jobs.attribute import MOST_PIECES, choose_pieces, open_classifier
from musictk.jobs.composer_control import composer_control
from musictk.jobs.project import Project
from musictk.jobs.samples import SampleRequest
from tests.cli.test_attribute import write


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("control")
    for seed in range(6):
        write(folder / f"midis/Steps/{seed}.mid", seed, leaps=False)
        write(folder / f"midis/Leaps/{seed}.mid", 50 + seed, leaps=True)
    made = Project(folder)
    made.ingest(folder / "midis")
    made.train(arch="gpt", steps=2, length=64, batch=2, model={"dim": 32, "depth": 1, "heads": 2})
    return made


def test_the_pieces_of_each_composer_are_attributed_and_not_stored(project: Project) -> None:
    request = SampleRequest(bars=6, seed=1, count=2)
    found = composer_control(project.catalog, project.workspace, ["Leaps", "Steps"], request)
    assert [(each.composer, each.pieces) for each in found.composers] == [
        ("Leaps", 2),
        ("Steps", 2),
    ]
    assert (found.scores.pieces, found.scores.works) == (12, 12)  # an excerpt of each
    for each in found.composers:
        assert 0 <= each.right == each.found.get(each.composer, 0) <= 2
        assert 0 <= each.probability <= 1
    assert 0 <= found.share <= 1
    assert found.share_of_composers in (0, 0.5, 1)
    with pytest.raises(UnknownNameError):
        project.catalog.sample(1)


def test_classifiers_of_other_lengths_and_of_all_composers_are_kept(project: Project) -> None:
    catalog, workspace = project.catalog, project.workspace

    def kept() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in workspace.cache.glob("attrib*")}

    asked: list[dict[str, Any]] = [{}, {"length": 4}, {"length": 6}, {"length": 6}]
    asked[-1]["composers"] = ["Leaps", "Steps"]
    for each in asked:
        open_classifier(catalog, workspace, **each)
    first = kept()
    assert len(first) == 4
    for each in asked:
        open_classifier(catalog, workspace, **each)
    assert kept() == first


def test_a_classifier_without_some_files_is_not_kept(tmp_path: Path) -> None:
    """Once they are back, the next one has them."""
    for seed in range(6):
        write(tmp_path / f"midis/Steps/{seed}.mid", seed, leaps=False)
        write(tmp_path / f"midis/Leaps/{seed}.mid", 50 + seed, leaps=True)
    project = Project(tmp_path)
    project.ingest(tmp_path / "midis")
    (tmp_path / "midis/Steps/1.mid").rename(tmp_path / "away.mid")
    assert open_classifier(project.catalog, project.workspace).scores.pieces == 11
    (tmp_path / "away.mid").rename(tmp_path / "midis/Steps/1.mid")
    assert open_classifier(project.catalog, project.workspace).scores.pieces == 12


def test_a_file_that_was_not_chosen_for_training_is_not_known(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attribute, "MOST_PIECES", 10)
    chosen = {piece.sha256 for piece in choose_pieces(project.catalog.pieces())}
    found = {
        piece.sha256 in chosen: project.attribute(project.workspace.root / piece.path).known
        for piece in project.catalog.pieces()
    }
    assert found == {True: True, False: False}


def test_a_composer_with_too_few_works_is_an_error(project: Project) -> None:
    with pytest.raises(UnknownNameError, match="Nobody"):
        composer_control(project.catalog, project.workspace, ["Nobody"], SampleRequest())


def test_a_composer_with_short_works_is_an_error(project: Project, tmp_path: Path) -> None:
    for seed in range(6):
        write(tmp_path / f"midis/Short/{seed}.mid", 200 + seed, leaps=True, notes=12)
    project.ingest(tmp_path / "midis")
    request, names = SampleRequest(bars=6), ["Leaps", "Short", "Steps"]
    with pytest.raises(UnknownNameError, match="enough works of 6 bars 'Short'"):
        composer_control(project.catalog, project.workspace, names, request)


def test_versions_of_a_work_do_not_crowd_out_other_works() -> None:
    """Where composers have too many pieces, each keeps a piece of as many works as it can."""

    def piece(number: int, composer: str, work: str) -> PieceInfo:
        return PieceInfo(
            *(number, f"{number}.mid", None, "midi", f"{number:064}", "train", composer, {}),
            *(1.0, 9, work),
        )

    versions = [piece(number, "Rare", "one") for number in range(400)]
    works = [piece(1000 + number, "Rare", f"rare {number}") for number in range(4)]
    others = [
        piece(10_000 + 100 * composer + number, f"Composer {composer}", f"{composer} {number}")
        for composer in range(40)
        for number in range(100)
    ]
    chosen = choose_pieces([*versions, *works, *others])
    assert len(chosen) <= MOST_PIECES
    rare = [piece for piece in chosen if piece.composer == "Rare"]
    assert {piece.cluster for piece in rare} == {"one", *(f"rare {number}" for number in range(4))}


def test_a_project_attributes_a_file(project: Project, tmp_path: Path) -> None:
    write(tmp_path / "new.mid", 100, leaps=True)
    found = project.attribute(tmp_path / "new.mid")
    assert found.composer == "Leaps"
    assert not found.known
    assert project.attribute(project.workspace.root / "midis/Leaps/1.mid").known
    assert found.scores.f1 > 0.8
    assert found.plain()["cross_validation"]["pieces"] == 12
    assert project.human_baseline(100) is None  # 12 pieces
