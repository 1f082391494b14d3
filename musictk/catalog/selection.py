"""Select files by what a user types: an id, a path, a hash, a composer or a title."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from shlex import quote
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session, selectinload

from musictk.catalog.composers import find_composer, may_be_composer
from musictk.catalog.models import Alias, File, Label, Location
from musictk.catalog.names import name_key, store_path
from musictk.catalog.typed_paths import stored_paths
from musictk.errors import UnknownNameError, UsageError
from musictk.spelling import plain

EAGER = (selectinload(File.composer), selectinload(File.locations), selectinload(File.labels))
_LISTED = 5  # files in the message about several
_WORDS = re.compile(r'(?<!\S)"([^"]*[^"\s][^"]*)"(?!\S)|(\S+)')
_HEX = "0123456789abcdef"
_NOT_ASCII = "*[^ -~]*"  # a GLOB pattern
# Files that a name means together; of any other kind it has to be one file.
_TOGETHER = ("composer", "archive")


class Selection(NamedTuple):
    """The files that a key matches, and what it is: id, path, archive, hash, composer or title."""

    kind: str
    files: list[File]


def select_files(session: Session, key: str, composers: bool = True) -> Selection:
    """The files of the first kind that matches: id, path, hash, composer, title.

    A path is whole or an end of one (`Bach/1.mid`), a hash the first 8 or more digits of a
    SHA-256. Composers and titles match without case and accents; without `composers`, only files.
    """
    for kind, condition in _conditions(session, key, composers):
        found = session.scalars(select(File).where(condition).options(*EAGER)).all()
        if found:
            return Selection(kind, list(found))
    return Selection("", [])


def select_labelled(session: Session, key: str) -> list[File]:
    """The files to label: one file, all of a composer, or all of an archive.

    Raises UnknownNameError where nothing matches, UsageError where a path, hash or title matches
    several files.
    """
    found = select_files(session, key)
    if not found.files:
        of_files = exists().where(File.composer_id == Alias.composer_id)
        spellings = session.scalars(select(Alias.spelling).where(of_files))
        raise UnknownNameError("file or composer", key, [*spellings, *_titles(session)])
    if len(found.files) > 1 and found.kind not in _TOGETHER:
        raise _several(key, found.files)
    return found.files


def select_one(session: Session, key: str) -> File:
    """The one file that matches; raises UnknownNameError for none, UsageError for several."""
    kind, found = select_files(session, key)
    if not found:
        raise UnknownNameError("file", key, _titles(session))
    if len(found) > 1 and kind == "composer":
        name = found[0].composer.name if found[0].composer else key
        hint = f"list them: musictk catalog files --composer {quote(name)}"
        raise UsageError(f"{key!r} is a composer with {len(found):,} files", hint)
    if len(found) > 1:
        raise _several(key, found)
    return found[0]


def spellings(text: str) -> list[str]:
    """`text` as given and as the catalog stores paths, see `names.store_path`.

    Only stored paths may come from text that is not valid Unicode.
    """
    both = dict.fromkeys((text, store_path(text)))
    return [
        each for each in both if each.isascii() or each == each.encode("utf-8", "ignore").decode()
    ]


def searched_words(text: str) -> list[list[str]]:
    """The words of a search, each folded, in the spellings in which a fact may contain it.

    A text in double quotes is one word: it is found with its spaces. Every other character means
    itself. Raises UsageError where nothing is left to search for.
    """
    found = []
    for quoted, word in _WORDS.findall(text.replace("_", " ")):
        folded = dict.fromkeys(plain(each) for each in spellings(quoted or word))
        found += [kept] if (kept := list(filter(None, folded))) else []
    if not found and text.strip():
        raise UsageError(f"{text!r} has no words to search for", "give a part of a title or path")
    return found


def mentions(session: Session, words: Sequence[Sequence[str]]) -> list[ColumnElement[bool]]:
    """For each of these `searched_words`, the condition that a fact of the file contains it.

    It reads every row: `search_index` is faster where it can be used.
    """
    fold = _folding(session)

    def within(column: Any, words: Sequence[str]) -> ColumnElement[bool]:
        return or_(*(_contains(column, word, fold) for word in words))

    def anywhere(words: Sequence[str]) -> ColumnElement[bool]:
        place = or_(within(Location.path, words), within(Location.member, words))
        alias = select(Alias.composer_id).where(within(Alias.spelling, words))
        return or_(
            within(File.title, words),
            within(File.key, words),
            File.id.in_(select(Location.file_id).where(place)),
            File.id.in_(select(Label.file_id).where(within(Label.value, words))),
            File.composer_id.in_(alias),
        )

    return [anywhere(each) for each in words]


def _conditions(
    session: Session, key: str, composers: bool
) -> Iterator[tuple[str, ColumnElement[bool]]]:
    """The conditions to try, in their order; a composer's only if the catalog has it."""
    if key.isdecimal() and len(key) < 10:
        yield "id", File.id == int(key)
    names = spellings(key)

    def at(place: ColumnElement[bool]) -> ColumnElement[bool]:
        return File.id.in_(select(Location.file_id).where(place))

    archive = and_(Location.path.in_(names), Location.member != "")
    yield "path", at(and_(Location.path.in_(names), Location.member == ""))
    typed = Location.path.in_(stored_paths(session, key))
    yield "path", at(and_(typed, Location.member == ""))
    yield "archive", at(archive)
    yield "path", at(and_(Location.member.in_(names), Location.member != ""))
    ends = [
        and_(Location.name == name_key(name), Location.path.endswith("/" + name, autoescape=True))
        for name in names
    ]
    yield "path", at(and_(or_(*ends), Location.member == ""))
    yield "archive", at(or_(*ends))
    if len(key) >= 8 and all(char in _HEX for char in key.lower()):
        yield "hash", File.sha256.between(key.lower(), key.lower() + "g")
    if composers and may_be_composer(session, key):
        yield "composer", File.composer_id == find_composer(session, key).id
    folded = File.title_key == plain(key)
    yield "title", and_(folded, File.title.in_(names))
    if plain(key):
        yield "title", folded


def _several(key: str, files: Sequence[File]) -> UsageError:
    named = [
        f"{file.id} {file.locations[0].path if file.locations else file.title}" for file in files
    ]
    listed = ", ".join(named[:_LISTED]) + ", …" * (len(named) > _LISTED)
    hint = "give an id, or more of the path or hash"
    return UsageError(f"{key!r} matches {len(files):,} files: {listed}", hint)


def _titles(session: Session) -> Sequence[str]:
    return session.scalars(select(File.title).order_by(File.id).limit(9999)).all()


def _folding(session: Session) -> Callable[[Any], ColumnElement[str]]:
    """`plain` as an SQL function; on a database other than SQLite, only lower case."""
    connection = session.connection()
    if connection.dialect.name != "sqlite":
        return func.lower
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.create_function("plain", 1, _plain_value, deterministic=True)
    return func.plain


def _plain_value(value: Any) -> str:
    """`plain` of a value of any type: columns may be damaged."""
    return plain(value) if isinstance(value, str) else ""


def _contains(
    column: Any, word: str, fold: Callable[[Any], ColumnElement[str]]
) -> ColumnElement[bool]:
    """Whether the folded column contains `word`. ASCII needs no Python function: it is faster."""
    found: ColumnElement[bool] = column.icontains(word, autoescape=True)
    if " " in word:
        return or_(found, fold(column).contains(word, autoescape=True))
    if fold is func.lower:
        return found
    folded = fold(column).contains(word, autoescape=True)
    return or_(found, and_(column.op("GLOB")(_NOT_ASCII), folded))
