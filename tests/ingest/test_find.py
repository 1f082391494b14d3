from __future__ import annotations

from pathlib import Path

import pytest

from musictk.ingest.attribution import Attributions
from musictk.ingest.find import find


def _composers(*paths: Path) -> dict[str, str | None]:
    found = list(find(paths))
    named = Attributions(found)
    return {file.path.name: named.of(file).composer for file in found}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("midis/Bach/a.mid", "midis/Satie/early/b.mid", "tunes/c.abc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("home")
def test_collections_side_by_side_are_not_composers() -> None:
    found = _composers(Path("./midis"), Path("./tunes"))
    assert found == {"a.mid": "Bach", "b.mid": "Satie", "c.abc": None}


@pytest.mark.usefixtures("home")
def test_the_folders_of_one_collection_are_composers() -> None:
    named = {"a.mid": "Bach", "b.mid": "Satie"}
    assert _composers(Path("midis/Bach"), Path("midis/Satie")) == named


def test_folders_in_the_current_directory_are_composers(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "midis" / "Satie" / "d.mid").touch()
    monkeypatch.chdir(home / "midis")
    found = _composers(Path("Bach"), Path("Satie"))
    assert found == {"a.mid": "Bach", "b.mid": "Satie", "d.mid": "Satie"}
