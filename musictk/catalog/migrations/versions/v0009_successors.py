"""Files that have replaced others, until the end of an ingest."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "successors",
        sa.Column("old_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("new_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("is_listed", sa.Boolean(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("successors")
