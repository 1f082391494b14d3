"""All facts about files as JSON-able values. Columns take half as long as an object per file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from musictk.catalog.chunks import chunks
from musictk.catalog.models import Composer, File, Label, Location

_FACTS = (
    File.kind,
    File.status,
    File.code,
    File.detail,
    File.repair,
    File.split,
    File.cluster,
    File.notes,
    File.tracks,
    File.seconds,
    File.bars,
    File.metre,
    File.tempo,
    File.key,
    File.ticks_per_quarter,
    File.programs,
    File.has_pedal,
    File.size,
    File.sha256,
)
_NAMES = tuple(column.key for column in _FACTS)


class Description(NamedTuple):
    """The facts of a file, and all of its locations as (path, member), in order."""

    facts: dict[str, Any]
    places: list[tuple[str, str]]


def describe(session: Session, ids: Sequence[int]) -> Iterator[Description]:
    """The files with these ids, in this order."""
    for chunk in chunks(ids):
        query: Any = select(File.id, File.title, Composer.name, File.last_path, *_FACTS)
        query = query.outerjoin(Composer, Composer.id == File.composer_id)
        files = {row[0]: row for row in session.execute(query.where(File.id.in_(chunk)))}
        places: dict[Any, list[tuple[str, str]]] = defaultdict(list)
        found = select(Location.file_id, Location.path, Location.member)
        found = found.where(Location.file_id.in_(chunk))
        for id, path, member in session.execute(found.order_by(Location.path, Location.member)):
            places[id].append((path, member))
        labels: dict[int, dict[str, str]] = defaultdict(dict)
        named = select(Label.file_id, Label.category, Label.value).order_by(Label.category)
        for id, category, value in session.execute(named.where(Label.file_id.in_(chunk))):
            labels[id][category] = value
        for id in chunk:
            yield Description(_facts(files[id], places[id], labels[id]), places[id])


def _facts(
    row: Row[Any], places: Sequence[tuple[str, str]], labels: dict[str, str]
) -> dict[str, Any]:
    values = tuple(row)
    id, title, composer, last = values[:4]
    path, member = places[0] if places else (None, None)
    return {
        "id": id,
        "path": path,
        "member": member or None,
        "last_path": None if places else last,
        "title": title,
        "composer": composer,
        **dict(zip(_NAMES, values[4:], strict=True)),
        "labels": labels,
    }
