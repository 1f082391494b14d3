"""The composer that a file had before two names were joined, so that they can be separated."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("files", sa.Column("joined_from", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("files", "joined_from")
