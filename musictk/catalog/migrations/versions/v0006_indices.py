"""Indices for large catalogs: keys of titles and names, first paths, and the queue of the search.

Clusters, splits and everything that commands show do not change.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

from musictk.spelling import other_key, plain

revision = "0006"
down_revision = "0005"

_OLD = ("status", "composer_id", "cluster", "split")  # indices that longer ones replace
_INDICES = (
    ("aliases", ("plain_key",)),
    ("aliases", ("other_key",)),
    ("files", ("title_key",)),
    ("files", ("path",)),
    ("files", ("composer_id", "path")),
    ("files", ("split", "path")),
    ("files", ("status", "path")),
    ("files", ("cluster", "status", "split")),
    ("files", ("composer_id", "status", "kind", "split", "notes", "seconds", "bars")),
    ("places", ("name",)),
    ("labels", ("category", "value")),
    ("spans", ("file_id",)),
)
_PARTIAL = (  # (name, table, columns, condition)
    ("ix_files_code", "files", ("code", "status", "path"), "code IS NOT NULL"),
    (
        "ix_files_official_split",
        "files",
        ("official_split", "split", "status"),
        "official_split IS NOT NULL",
    ),
    ("ix_files_ungrouped", "files", ("split",), "status = 'accepted' AND split IS NULL"),
    ("ix_files_left", "files", ("cluster",), "status = 'missing' AND cluster IS NOT NULL"),
    (
        "ix_files_moved",
        "files",
        ("cluster",),
        "official_split IS NOT NULL AND split IS NOT official_split",
    ),
    ("ix_places_member", "places", ("member",), "member != ''"),
)
_COLUMNS = (
    ("aliases", "plain_key"),
    ("aliases", "other_key"),
    ("files", "title_key"),
    ("files", "path"),
    ("places", "name"),
)
# Triggers note the files whose text in the search index is outdated, and keep `files.path`.
_QUEUE = "INSERT OR IGNORE INTO outdated SELECT {0} WHERE typeof({0}) = 'integer'"
_QUEUE_OF = "INSERT OR IGNORE INTO outdated SELECT id FROM files WHERE composer_id = {}"
_FIRST = (
    "UPDATE files SET path = (SELECT min(path) FROM places WHERE file_id = {0})"
    " WHERE id = {0} AND path IS NOT (SELECT min(path) FROM places WHERE file_id = {0})"
)
_ADDED = "UPDATE files SET path = new.path WHERE id = new.file_id AND ifnull(path > new.path, 1)"
_DIFFERS = "old.{0} IS NOT new.{0}"
_TRIGGERS = {
    "files_added": ("INSERT ON files", "", (_QUEUE.format("new.id"),)),
    "files_removed": ("DELETE ON files", "", (_QUEUE.format("old.id"),)),
    "files_changed": (
        "UPDATE OF title, key, composer_id ON files",
        " OR ".join(map(_DIFFERS.format, ("title", "key", "composer_id"))),
        (_QUEUE.format("new.id"),),
    ),
    "places_added": ("INSERT ON places", "", (_ADDED, _QUEUE.format("new.file_id"))),
    "places_removed": (
        "DELETE ON places",
        "",
        (_FIRST.format("old.file_id"), _QUEUE.format("old.file_id")),
    ),
    "places_changed": (
        "UPDATE OF path, member, file_id ON places",
        " OR ".join(map(_DIFFERS.format, ("path", "member", "file_id"))),
        tuple(
            each.format(at) for at in ("old.file_id", "new.file_id") for each in (_FIRST, _QUEUE)
        ),
    ),
    "labels_added": ("INSERT ON labels", "", (_QUEUE.format("new.file_id"),)),
    "labels_removed": ("DELETE ON labels", "", (_QUEUE.format("old.file_id"),)),
    "labels_changed": ("UPDATE OF value ON labels", "", (_QUEUE.format("new.file_id"),)),
    "aliases_added": ("INSERT ON aliases", "", (_QUEUE_OF.format("new.composer_id"),)),
    "aliases_removed": ("DELETE ON aliases", "", (_QUEUE_OF.format("old.composer_id"),)),
    "aliases_changed": (
        "UPDATE OF spelling, composer_id ON aliases",
        "",
        (_QUEUE_OF.format("old.composer_id"), _QUEUE_OF.format("new.composer_id")),
    ),
}


def upgrade() -> None:
    for table, column in _COLUMNS:
        op.add_column(table, sa.Column(column, sa.String(), nullable=True))
    op.create_table(
        "outdated",
        sa.Column("file_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_outdated")),
    )
    _fill()
    for column in _OLD:
        op.drop_index(op.f(f"ix_files_{column}"), table_name="files")
    for table, columns in _INDICES:
        op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))
    for name, table, columns, where in _PARTIAL:
        op.create_index(op.f(name), table, list(columns), sqlite_where=sa.text(where))
    if op.get_bind().dialect.name == "sqlite":
        for name, (event, condition, statements) in _TRIGGERS.items():
            when = f" WHEN {condition}" if condition else ""
            body = "; ".join(statements)
            op.execute(f"CREATE TRIGGER {name} AFTER {event}{when} BEGIN {body}; END")
        op.execute("INSERT INTO outdated SELECT id FROM files")


def downgrade() -> None:
    for name in _TRIGGERS if op.get_bind().dialect.name == "sqlite" else ():
        op.execute(f"DROP TRIGGER {name}")
    op.execute("DROP TABLE IF EXISTS search")
    for name, table, *_ in _PARTIAL:
        op.drop_index(name, table_name=table)
    for table, columns in _INDICES:
        op.drop_index(f"ix_{table}_{'_'.join(columns)}", table_name=table)
    for column in _OLD:
        op.create_index(f"ix_files_{column}", "files", [column])
    op.drop_table("outdated")
    for table, column in _COLUMNS:
        op.execute(f"ALTER TABLE {table} DROP COLUMN {column}")


def _fill() -> None:
    """Compute the new columns from the old ones."""
    _fill_keys("aliases", "key", "spelling", {"plain_key": plain, "other_key": other_key})
    _fill_keys("files", "id", "title", {"title_key": plain})
    _fill_keys("places", "path", "path", {"name": _name})
    op.execute(
        "UPDATE files SET path = (SELECT min(path) FROM places WHERE places.file_id = files.id)"
    )


def _fill_keys(table: str, key: str, source: str, columns: dict[str, Callable[[str], str]]) -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        for name, function in columns.items():
            driver.create_function(f"{name}_of", 1, _of_text(function), deterministic=True)
        settings = ", ".join(f"{name} = {name}_of(CAST({source} AS BLOB))" for name in columns)
        op.execute(f"UPDATE {table} SET {settings}")
        return
    settings = ", ".join(f"{name} = :{name}" for name in columns)
    query = sa.text(f"UPDATE {table} SET {settings} WHERE {key} = :key")
    for found, text in connection.execute(sa.text(f"SELECT {key}, {source} FROM {table}")).all():
        values = {name: _of_text(function)(text) for name, function in columns.items()}
        connection.execute(query, {"key": found, **values})


def _of_text(function: Callable[[str], str]) -> Callable[[Any], str | None]:
    """The function for a value of any type: columns may be damaged."""

    def key(value: Any) -> str | None:
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        return function(text) if isinstance(text, str) else None

    return key


def _name(path: str) -> str:
    return path.rpartition("/")[2].casefold()
