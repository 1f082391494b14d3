"""Composers: found by any spelling of their name, joined on request."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from musictk.catalog.amounts import Amount, amounts
from musictk.catalog.database import Database
from musictk.catalog.models import Alias, Composer, File
from musictk.catalog.names import fold
from musictk.catalog.similar import likely_pairs
from musictk.catalog.upsert import ComposerIds
from musictk.errors import UnknownNameError, UsageError
from musictk.spelling import keys, same_spelling


class Composers(Database):
    """The composers of the catalog and the spellings of their names."""

    def composer(self, name: str) -> Composer:
        """The composer known under `name`; see `find_composer`."""
        with self.reading() as session:
            return find_composer(session, name)

    def composers(self) -> list[dict[str, Any]]:
        """All composers with spellings and amounts of music, the largest first."""
        with self.reading() as session:
            spelled: dict[int, list[str]] = defaultdict(list)
            for owner, spelling in session.execute(select(Alias.composer_id, Alias.spelling)):
                spelled[owner].append(spelling)
            own: dict[int | None, list[Amount]] = defaultdict(list)
            for each in amounts(session):
                own[each.composer_id] += [each] if each.status == "accepted" else []
            rows = [
                {
                    "id": id,
                    "name": name,
                    "aliases": sorted(each for each in spelled[id] if each != name),
                    "files": sum(each.files for each in own[id]),
                    "notes": sum(each.notes for each in own[id]),
                    "hours": round(sum(each.seconds for each in own[id]) / 3600, 3),
                }
                for id, name in session.execute(select(Composer.id, Composer.name))
            ]
        return sorted(rows, key=lambda row: (-row["files"], row["name"]))

    def composer_names(self) -> list[str]:
        """The name of every composer."""
        with self.reading() as session:
            return list(session.scalars(select(Composer.name).order_by(Composer.id)))

    def similar_composers(self) -> list[tuple[str, str]]:
        """Pairs of names that may be one composer: (the one to keep, the other); see `similar`."""
        with self.reading() as session:
            return similar_pairs(session, amounts(session))

    def alias(self, composer: str, alias: str) -> int:
        """Make `alias` another name of `composer`; a composer of that name is joined with it.

        Returns the number of files that moved to `composer`; their labels and splits stay. See
        `unalias`. Raises UnknownNameError where `composer` is unknown, UsageError where `alias` is
        its name.
        """
        with self.writing() as session:
            target = find_composer(session, composer)
            if fold(target.name) == fold(alias):
                hint = "to keep the other one, first separate them: musictk catalog unalias NAME"
                raise UsageError(f"{alias!r} is the name of the composer {composer!r}", hint)
            taken = session.get(Alias, fold(alias))
            if taken is None:
                session.add(Alias(key=fold(alias), spelling=alias, composer_id=target.id))
                return 0
            return 0 if taken.composer_id == target.id else _join(session, taken, target.id)

    def unalias(self, alias: str) -> int:
        """Make `alias` a composer of its own again, with the files that it had before `alias`.

        Returns the number of files that moved back. Without such files only the spelling is
        removed. Raises UnknownNameError where it is no alias, UsageError for a composer's own name.
        """
        with self.writing() as session:
            found = session.get(Alias, fold(alias))
            if found is None:
                raise UnknownNameError("alias", alias, _aliases(session))
            owner = session.get_one(Composer, found.composer_id)
            if fold(owner.name) == found.key:
                hint = "give one of its other spellings; to list them: musictk catalog composers"
                raise UsageError(f"{owner.name!r} is the name of the composer, not an alias", hint)
            return _separate(session, found)


def find_composer(session: Session, name: str) -> Composer:
    """The composer known under `name`: by `fold`, else by the same name without accents.

    Raises UnknownNameError with the nearest name, UsageError where several composers match.
    """
    alias = session.get(Alias, fold(name))
    if alias is not None:
        return session.get_one(Composer, alias.composer_id)
    found = _owners(session, name)
    if not found:
        raise UnknownNameError("composer", name, session.scalars(select(Alias.spelling)))
    if len(found) > 1:
        named = " and ".join(map(repr, sorted(found.values())))
        raise UsageError(f"composer {name!r} matches {named}", "give the exact spelling of one")
    return session.get_one(Composer, next(iter(found)))


def may_be_composer(session: Session, name: str) -> bool:
    """Whether `find_composer` finds a composer, or several."""
    return session.get(Alias, fold(name)) is not None or bool(_owners(session, name))


def _owners(session: Session, name: str) -> dict[int, str]:
    """The composers whose names are spellings of `name`: the spelling of each, by id."""
    either = or_(Alias.plain_key.in_(keys(name)), Alias.other_key.in_(keys(name)))
    query = select(Alias.spelling, Alias.composer_id).where(either)
    owners = dict(session.execute(query).all())
    return {owners[spelling]: spelling for spelling in same_spelling(name, owners)}


def named_composer(session: Session, name: str) -> Composer:
    """The composer known under `name`; added if there is none."""
    return session.get_one(Composer, ComposerIds(session).id(name))


def similar_pairs(session: Session, found: Iterable[Amount]) -> list[tuple[str, str]]:
    """The likely pairs among the composers that have files."""
    files: Counter[int | None] = Counter()
    for each in found:
        files[each.composer_id] += each.files
    names = session.execute(select(Composer.id, Composer.name))
    return likely_pairs({name: files[id] for id, name in names if files[id]})


def _join(session: Session, alias: Alias, target: int) -> int:
    """Move all files and spellings of the alias's composer to another; return how many files."""
    source = session.get_one(Composer, alias.composer_id)
    own = File.composer_id == source.id
    moved = session.scalar(select(func.count()).where(own)) or 0
    before = func.coalesce(File.joined_from, source.name)
    session.execute(update(File).where(own).values(composer_id=target, joined_from=before))
    joined = update(Alias).where(Alias.composer_id == source.id)
    session.execute(joined.values(composer_id=target))
    session.execute(delete(Composer).where(Composer.id == source.id))
    return moved


def _separate(session: Session, alias: Alias) -> int:
    """Move the files that had the alias as their composer to a new one; return how many."""
    joined = alias.composer_id
    names = select(File.joined_from).where(File.composer_id == joined).distinct()
    before = [name for name in session.scalars(names) if name and fold(name) == alias.key]
    if not before:
        session.delete(alias)
        return 0
    composer = Composer(name=before[0])
    session.add(composer)
    session.flush()
    alias.composer_id = composer.id
    own = (File.composer_id == joined) & (File.joined_from == composer.name)
    moved = session.scalar(select(func.count()).where(own)) or 0
    session.execute(update(File).where(own).values(composer_id=composer.id, joined_from=None))
    return moved


def _aliases(session: Session) -> list[str]:
    rows = session.execute(select(Alias.spelling, Composer.name).join(Composer))
    return [spelling for spelling, name in rows if fold(spelling) != fold(name)]
