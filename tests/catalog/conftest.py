"""A catalog on disk, and examined files to add to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

import musictk.catalog.migrations as migrations
from musictk.catalog import Catalog, ExaminedFile, Fractions
from musictk.sketches import SIZE

Find = Callable[..., ExaminedFile]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(f"sqlite:///{tmp_path}/catalog.db", tmp_path) as opened:
        yield opened


def sketch(runs: Iterable[int], signature: int | None = None) -> bytes:
    """The sketch of a piece with these runs of intervals."""
    held = sorted(runs)
    whole = sum(held) if signature is None else signature
    return np.array([0, whole % 2**32, len(held), *held[:SIZE]], "<u4").tobytes()


def downgrade(path: Path, revision: str) -> None:
    """Give a catalog the schema of an older version."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    engine.dispose()


def make(number: int, **fields: object) -> ExaminedFile:
    """An examined file with content `number`; every field can be set."""
    values: dict[str, object] = {
        "path": f"midis/Bach/{number}.mid",
        "member": "",
        "size": 100,
        "mtime_ns": 1,
        "sha256": f"{number:064x}",
        "checks": 1,
        "length": 100,
        "title": f"Piece {number}",
        "composer": "Bach",
        "facts": {"notes": 10 * number, "seconds": 60.0, "bars": 8, "key": "C major"},
        "sketch": sketch(range(number * 1000, number * 1000 + 100)),
    }
    return ExaminedFile(**(values | fields))  # type: ignore[arg-type]


@pytest.fixture
def find() -> Find:
    return make


@pytest.fixture
def filled(catalog: Catalog, find: Find) -> Catalog:
    """Six pieces by two composers in five clusters (1 and 2 are near-duplicates), and a reject."""
    pieces = [
        find(
            number,
            composer="Bach" if number < 4 else "CPE_Bach",
            sketch=sketch(range(max(number, 2) * 1000, max(number, 2) * 1000 + 100)),
        )
        for number in range(1, 7)
    ]
    broken = find(9, path="midis/x.mid", code="corrupt", detail="a", composer=None, facts={})
    fractions = Fractions(0.2, 0.2)
    catalog.record([*pieces, broken], fractions)
    catalog.complete_splits(fractions)
    return catalog
