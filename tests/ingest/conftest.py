"""A workspace, and ingesting into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from musictk.catalog import Catalog
from musictk.ingest import IngestOptions, IngestReport, ingest
from musictk.workspace import Workspace, here

ROOT = Path(__file__).parents[2]
Run = Callable[..., IngestReport]


@pytest.fixture
def midis() -> Path:
    return ROOT / "examples" / "midis"


@pytest.fixture
def malformed() -> Path:
    return ROOT / "tests" / "data" / "malformed"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = tmp_path / "work"
    root.mkdir()
    return here(root)


@pytest.fixture
def catalog(workspace: Workspace) -> Iterator[Catalog]:
    with Catalog.open(workspace.catalog_url, workspace.root) as opened:
        yield opened


@pytest.fixture
def run(catalog: Catalog, workspace: Workspace) -> Run:
    """Ingest paths into the workspace, by one worker."""

    def call(*paths: Path, **options: object) -> IngestReport:
        settings = IngestOptions(**({"workers": 1} | options))  # type: ignore[arg-type]
        return ingest(catalog, workspace, paths, settings)

    return call
