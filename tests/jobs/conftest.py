"""A workspace with a little music, and training in it without the command line."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from musictk.catalog import Catalog
from musictk.ingest import IngestOptions, ingest
from musictk.jobs.plan import TrainRequest
from musictk.jobs.train import Result, run
from musictk.training.outcome import SilentListener
from musictk.workspace import Workspace

BACH = Path(__file__).parents[2] / "examples" / "midis" / "Bach"
FIRST = 4  # of them are in the catalog to begin with
SMALL: Mapping[str, Mapping[str, Any]] = {
    "model": {"dim": 32, "depth": 1, "heads": 2, "max_length": 256},
    "train": {"batch": 2, "length": 64, "evaluate_batches": 1, "tensorboard": False},
}


@dataclass
class Heard(SilentListener):
    """Keeps the facts of the run that began."""

    facts: Mapping[str, Any] = field(default_factory=dict)

    def began(self, run: str, facts: Mapping[str, Any]) -> None:
        self.facts = facts

    def tokenized(self, done: int, total: int) -> None: ...

    def stage(self, name: str) -> None: ...


@dataclass(frozen=True)
class Room:
    """A workspace to train in."""

    catalog: Catalog
    workspace: Workspace

    def train(self, heard: Heard | None = None, **asked: Any) -> Result:
        """Two steps on the CPU of what is asked for."""
        return run(self.catalog, self.workspace, small(**asked), heard or Heard())

    def ingest_more(self, count: int) -> None:
        """Read in the next pieces of the examples."""
        folder = self.workspace.root / "more"
        folder.mkdir()
        for path in sorted(BACH.glob("*.mid"))[FIRST : FIRST + count]:
            shutil.copy(path, folder)
        ingest(self.catalog, self.workspace, [folder], IngestOptions(workers=1))


def small(**asked: Any) -> TrainRequest:
    """A request for a model that trains in a moment."""
    if "resume" in asked:
        return TrainRequest(**{"device": "cpu", **asked})
    overrides = {**SMALL, **asked.pop("overrides", {})}
    return TrainRequest(**{"steps": 2, "device": "cpu", "overrides": overrides, **asked})


@pytest.fixture(scope="session")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pieces, read in, and one run of them: `gpt-1`."""
    root = tmp_path_factory.mktemp("room")
    (root / "midis").mkdir()
    for path in sorted(BACH.glob("*.mid"))[:FIRST]:
        shutil.copy(path, root / "midis")
    workspace = Workspace(root)
    with Catalog.open(workspace.catalog_url, root) as catalog:
        ingest(catalog, workspace, [root / "midis"], IngestOptions(workers=1))
        Room(catalog, workspace).train(arch="gpt", tokenizer="events")
    return root


@pytest.fixture
def room(ingested: Path, tmp_path: Path) -> Iterator[Room]:
    """A copy of it, to do with as the test likes."""
    root = tmp_path / "work"
    shutil.copytree(ingested, root, symlinks=True)
    workspace = Workspace(root)
    with Catalog.open(workspace.catalog_url, root) as catalog:
        yield Room(catalog, workspace)


@pytest.fixture
def asking() -> Callable[..., TrainRequest]:
    """`small`."""
    return small
