"""A catalog on disk, and findings to fill it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from musictk.catalog import Catalog, Finding, Fractions

Find = Callable[..., Finding]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(f"sqlite:///{tmp_path}/catalog.db", tmp_path) as opened:
        yield opened


@pytest.fixture
def find() -> Find:
    """A finding for content `number`; every field can be set."""

    def make(number: int, **fields: object) -> Finding:
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
            "sketch": b"",
        }
        return Finding(**(values | fields))  # type: ignore[arg-type]

    return make


@pytest.fixture
def filled(catalog: Catalog, find: Find) -> Catalog:
    """Six pieces by two composers in five clusters, dealt; and one reject."""
    pieces = [find(number, composer="Bach" if number < 4 else "CPE_Bach") for number in range(1, 7)]
    broken = find(9, path="midis/x.mid", code="corrupt", detail="a", composer=None, facts={})
    catalog.record([*pieces, broken])
    ids = {piece.id: piece.sha256 for piece in catalog.pieces()}
    twins = sorted(ids)[:2]
    ids[twins[1]] = ids[twins[0]]
    catalog.group(ids, Fractions(0.2, 0.2))
    return catalog
