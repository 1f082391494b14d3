"""Amounts: what the whole catalog has, and what each composer has."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from musictk.catalog.by_index import by_index
from musictk.catalog.database import Database
from musictk.catalog.distinct import distinct_values
from musictk.catalog.models import File, Label, Run, Sample, ShardRow

_CLUSTERS = (  # of accepted files, in the order of their index
    "count(*)",
    "cluster_status_split",
    "cluster IS NOT NULL AND status = 'accepted' GROUP BY cluster",
)


class Amount(NamedTuple):
    """The files of one composer with the same status, kind and split."""

    composer_id: int | None
    status: str
    kind: str
    split: str | None
    files: int
    notes: int
    seconds: float
    bars: int


def amounts(session: Session) -> list[Amount]:
    """The amounts of every composer. One index has all of it: the files themselves are not read."""
    by = (File.composer_id, File.status, File.kind, File.split)
    sums = (func.sum(File.notes), func.sum(File.seconds), func.sum(File.bars))
    query = select(*by, func.count(), *sums).group_by(*by)
    return [
        Amount(
            composer, status, kind, split, files, int(notes or 0), seconds or 0.0, int(bars or 0)
        )
        for composer, status, kind, split, files, notes, seconds, bars in session.execute(query)
    ]


class Summary(Database):
    """Counts over the whole catalog."""

    def summary(self) -> dict[str, Any]:
        """Counts by status, split, kind and reject reason; and similar composer names."""
        from musictk.catalog.composers import similar_pairs

        with self.reading() as session:
            found = amounts(session)
            accepted = [each for each in found if each.status == "accepted"]
            statuses, kinds, splits = (Counter[str]() for _ in range(3))
            for each in found:
                statuses[str(each.status)] += each.files
            for each in accepted:
                kinds[str(each.kind)] += each.files
                splits[str(each.split)] += each.files
            return {
                "files": _by_count(statuses),
                "kinds": _by_count(kinds),
                "splits": _by_count(splits),
                "clusters": len(by_index(session, *_CLUSTERS)),
                "composers": len({each.composer_id for each in accepted} - {None}),
                "notes": sum(each.notes for each in accepted),
                "hours": round(sum(each.seconds for each in accepted) / 3600, 2),
                "bars": sum(each.bars for each in accepted),
                "rejected": _by_count(_codes(session, statuses["rejected"])),
                "labels": distinct_values(session, Label.category),
                "shards": session.scalar(select(func.count()).select_from(ShardRow)),
                "runs": session.scalar(select(func.count()).select_from(Run)),
                "samples": session.scalar(select(func.count()).select_from(Sample)),
                "similar_composers": [list(pair) for pair in similar_pairs(session, found)],
            }


def _codes(session: Session, rejected: int) -> Counter[str]:
    """Rejected files by code; `rejected` is their number, with those whose code is lost."""
    coded = (File.status == "rejected") & File.code.is_not(None)
    query = select(File.code, func.count()).where(coded).group_by(File.code)
    found = Counter({str(code): count for code, count in session.execute(query)})
    if lost := rejected - found.total():
        found["None"] += lost
    return found


def _by_count(found: Counter[str]) -> dict[str, int]:
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
