"""The indices of the table `files`, and the conditions of those that have few rows."""

from __future__ import annotations

# Columns by which files are listed in the order of their paths.
LISTED_BY = (("path",), ("composer_id", "path"), ("split", "path"), ("status", "path"))
# Indices of few rows: (name, columns, condition). A query must have the same condition.
UNGROUPED = "status = 'accepted' AND split IS NULL"
LEFT = "status = 'missing' AND cluster IS NOT NULL"
MOVED = "official_split IS NOT NULL AND split IS NOT official_split"
PARTIAL = (
    ("ix_files_code", ("code", "status", "path"), "code IS NOT NULL"),
    (
        "ix_files_official_split",
        ("official_split", "split", "status"),
        "official_split IS NOT NULL",
    ),
    ("ix_files_ungrouped", ("split",), UNGROUPED),
    ("ix_files_left", ("cluster",), LEFT),
    ("ix_files_moved", ("cluster",), MOVED),
)
