"""Where a missing file was last. Of files that are missing already it is not known."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("files", sa.Column("last_path", sa.String(), nullable=True))


def downgrade() -> None:
    op.execute("ALTER TABLE files DROP COLUMN last_path")
