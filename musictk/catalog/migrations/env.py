"""Alembic's entry: the connection comes from `musictk.catalog.database`, inside its transaction."""

from alembic import context

from musictk.catalog.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
    render_as_batch=True,  # SQLite alters a table by copying it
)
context.run_migrations()
