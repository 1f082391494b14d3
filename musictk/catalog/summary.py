"""Counts over the whole catalog."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from musictk.catalog.amounts import amounts
from musictk.catalog.by_index import count_by_index
from musictk.catalog.composers import similar_pairs
from musictk.catalog.database import Database
from musictk.catalog.distinct import distinct_values
from musictk.catalog.models import File, Label, Run, Sample, ShardRow

_CLUSTERS = (  # of accepted files, in the order of their index
    "cluster",
    "cluster_status_split",
    "cluster IS NOT NULL AND status = 'accepted' GROUP BY cluster",
)


class Summary(Database):
    """Counts over the whole catalog."""

    def summary(self) -> dict[str, Any]:
        """Counts by status, split, kind and reject reason; and similar composer names."""
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
                "clusters": count_by_index(session, *_CLUSTERS),
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
