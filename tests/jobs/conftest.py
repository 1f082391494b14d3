"""A workspace with a little music, and training in it without the command line."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from musictk.catalog import Catalog
from musictk.ingest import IngestOptions, ingest
from musictk.jobs.bundles import ModelSource
from musictk.jobs.config import RunConfig
from musictk.jobs.merge import merge
from musictk.jobs.run_facts import RunFacts
from musictk.jobs.sample import sample
from musictk.jobs.samples import SampleBatch, SampleListener, SampleRequest
from musictk.jobs.sources import Source, base_sources
from musictk.jobs.train import RunResult, resume, run
from musictk.training.outcome import SilentListener
from musictk.workspace import Workspace

BACH = Path(__file__).parents[2] / "examples" / "midis" / "Bach"
FIRST = 4  # of them are in the catalog to begin with
SMALL: Mapping[str, Mapping[str, Any]] = {
    "model": {"dim": 32, "depth": 1, "heads": 2, "max_length": 256},
    "train": {"batch": 2, "length": 64, "evaluate_batches": 1, "tensorboard": False},
}


@dataclass
class Listener(SilentListener):
    """Keeps the facts of the run that began, and counts the measurements of its speed."""

    facts: RunFacts = field(init=False)
    measured: int = 0

    def measuring(self) -> None:
        self.measured += 1

    def tracker_failed(self, tracker: str, why: str) -> None: ...

    def began(self, run: str, facts: RunFacts) -> None:
        self.facts = facts

    def tokenized(self, done: int, total: int) -> None: ...

    def stage(self, name: str) -> None: ...


class Notices:
    """Keeps the notices before composing."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def composing(self, done: int, of: int, section: str, positions: int) -> None: ...

    def notice(self, text: str) -> None:
        self.texts.append(text)


@dataclass(frozen=True)
class Room:
    """A workspace to train in."""

    catalog: Catalog
    workspace: Workspace

    def train(self, listener: Listener | None = None, **given: Any) -> RunResult:
        """Train a small model on the CPU, for two steps by default."""
        groups = {**SMALL, **given.pop("groups", {})}
        config = self.config(**{"steps": 2, "groups": groups, **given})
        return run(self.catalog, self.workspace, config, listener or Listener(), "cpu")

    def resume(self, run: str, listener: Listener | None = None) -> RunResult:
        """Resume a run on the CPU."""
        return resume(self.catalog, self.workspace, run, listener or Listener(), "cpu")

    def config(
        self,
        start: str | None = None,
        preset: str | None = None,
        file: Path | None = None,
        groups: Mapping[str, Mapping[str, Any]] | None = None,
        steps: int | None = None,
        size: str | None = None,
        **names: Any,
    ) -> RunConfig:
        """The settings merged from these sources, as the command line merges them."""
        sources = [*base_sources(self.catalog, start, preset, file)]
        sources += [Source("--size", {"size": size})] if size is not None else []
        sources += [Source("--set", groups or {}), Source("flags", names)]
        if steps is not None:
            sources.append(Source("--steps", {"train": {"steps": steps}}))
        return merge(sources)

    def ingest_more(self, count: int) -> None:
        """Read in the next pieces of the examples."""
        folder = self.workspace.root / "more"
        folder.mkdir()
        for path in sorted(BACH.glob("*.mid"))[FIRST : FIRST + count]:
            shutil.copy(path, folder)
        ingest(self.catalog, self.workspace, [folder], IngestOptions(workers=1))


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


class Runs(dict[str, str]):
    """The names of runs, which are trained when they are first used."""

    CONFIGS: Mapping[str, Mapping[str, Any]] = {
        **{name: {"tokenizer": name} for name in ("remi", "pianoroll")},
        "programs": {"tokenizer": "remi", "groups": {"tokens": {"programs": True}}},
        "old": {"tokenizer": "remi", "controls": ()},
        "without role": {"tokenizer": "remi", "controls": ("place",)},
    }

    def __init__(self, room: Room) -> None:
        super().__init__(events="gpt-1")
        self._room = room

    def __missing__(self, name: str) -> str:
        self[name] = self._room.train(arch="gpt", **self.CONFIGS[name]).run
        return self[name]


class Studio:
    """A workspace with a run of each tokenizer, to sample from."""

    def __init__(self, room: Room, folder: Path) -> None:
        self.catalog, self.workspace, self.folder = room.catalog, room.workspace, folder
        self.runs = Runs(room)

    def sample(
        self, name: str, listener: SampleListener | None = None, /, **asked: Any
    ) -> tuple[Path, SampleBatch]:
        """Sample the run `name` with a seed of 3, unless another is asked for."""
        out = self.folder / f"{name.replace(' ', '-')}.mid"
        source = ModelSource(run=self.runs[name])
        request = SampleRequest(**{"source": source, "seed": 3, **asked})
        return out, sample(self.catalog, self.workspace, request, out, listener)


@pytest.fixture(scope="module")
def studio(ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A copy of `ingested`, shared by the tests of a module."""
    root = tmp_path_factory.mktemp("studio") / "work"
    shutil.copytree(ingested, root, symlinks=True)
    workspace = Workspace(root)
    with Catalog.open(workspace.catalog_url, root) as catalog:
        yield Studio(Room(catalog, workspace), tmp_path_factory.mktemp("out"))
