"""What an edited file keeps of the file that was at its place before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BindParameter, Integer, bindparam, exists, select
from sqlalchemy.orm import Session, aliased

from musictk.catalog.models import File, Label

_FILES: Any = File.__table__
_LABELS: Any = Label.__table__


def inherit(session: Session, successors: Mapping[int, int | None]) -> None:
    """Give new files (by the id of the one each has replaced) its composer, labels, official split.

    The names of the place are the same, so the old composer is either the one that they give or
    one that the user has set. A file that is still in another place gives nothing: its content was
    not edited. Labels and an official split that the new file has already stay.
    """
    if not successors:
        return
    rows = [{"old": old, "new": new} for old, new in successors.items()]
    old: BindParameter[int] = bindparam("old", type_=Integer())
    new: BindParameter[int] = bindparam("new", type_=Integer())
    before = aliased(_FILES)
    gone = (before.c.id == old) & (before.c.status == "missing")
    for name, free in (
        ("composer_id", True),
        ("official_split", _FILES.c.official_split.is_(None)),
    ):
        value = select(before.c[name]).where(gone, before.c[name].is_not(None))
        change = _FILES.update().where(_FILES.c.id == new, free, value.exists())
        session.connection().execute(change.values({name: value.scalar_subquery()}), rows)
    own = aliased(_LABELS)
    known = exists().where(own.c.file_id == new, own.c.category == _LABELS.c.category)
    labels = select(new, _LABELS.c.category, _LABELS.c.value).where(
        _LABELS.c.file_id == old, ~known, select(before.c.id).where(gone).exists()
    )
    columns = ("file_id", "category", "value")
    session.connection().execute(_LABELS.insert().from_select(columns, labels), rows)
