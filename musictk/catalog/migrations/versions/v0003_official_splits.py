"""The split that a data set's own table gives a file."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("files", sa.Column("official_split", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("files", "official_split")
