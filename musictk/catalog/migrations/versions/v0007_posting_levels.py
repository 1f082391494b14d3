"""New rows of `postings` are in levels, see `musictk.catalog.postings`; the old ones are level 0.

The tables do not change. An older musictk would not find the rows of the other levels.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

_LEVEL = 1 << 40


def upgrade() -> None:
    """The rows that exist are in the right level."""


def downgrade() -> None:
    op.execute(
        f"INSERT OR IGNORE INTO postings SELECT key % {_LEVEL}, file_id FROM postings"
        f" WHERE key >= {_LEVEL}"
    )
    op.execute(f"DELETE FROM postings WHERE key >= {_LEVEL}")
