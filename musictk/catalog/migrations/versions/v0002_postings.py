"""An index of the sketches, so that a new file is compared only with similar files.

Clusters and splits do not change.
"""

import sys
from array import array
from collections import Counter

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_EVERY, _LISTED, _TWINS = 8, 200, 4  # as in musictk.catalog.grouping when this was written


def upgrade() -> None:
    postings = op.create_table(
        "postings",
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("file_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("key", "file_id", name=op.f("pk_postings")),
        sqlite_with_rowid=False,
    )
    query = sa.text(
        "SELECT id, cluster, sketch FROM files WHERE status = 'accepted'"
        " AND cluster IS NOT NULL AND sketch IS NOT NULL ORDER BY id"
    )
    listed: Counter[int] = Counter()
    twins: Counter[tuple[int, str]] = Counter()
    rows = []
    for file_id, cluster, sketch in op.get_bind().execute(query):
        for key in _keys(sketch):
            if listed[key] < _LISTED and twins[key, cluster] < _TWINS:
                listed[key] += 1
                twins[key, cluster] += 1
                rows.append({"key": key, "file_id": file_id})
    if rows:
        op.bulk_insert(postings, rows)


def downgrade() -> None:
    op.drop_table("postings")


def _keys(sketch: object) -> list[int]:
    if not isinstance(sketch, bytes) or len(sketch) < 12 or len(sketch) % 4:
        return []  # no sketch: `catalog check` names it
    words = array("I", sketch)
    if sys.byteorder == "big":
        words.byteswap()
    return [2**32 + words[1], *(word for word in words[3:] if word % _EVERY == 0)]
