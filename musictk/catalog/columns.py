"""Column types that tolerate damaged values.

SQLite does not enforce column types: a value may be an invalid date, truncated JSON, or bytes
instead of text. Such a value is read as missing, so that the rest of the catalog stays usable;
`unreadable` counts them, and `Catalog.check` reports each with its row.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    Double,
    Integer,
    LargeBinary,
    String,
    TypeDecorator,
)


class UnreadableCounter:
    """Counts values that did not match their column types."""

    def __init__(self) -> None:
        self._count = 0

    def note(self) -> None:
        self._count += 1

    def take(self) -> int:
        """Return the count and reset it to 0."""
        count, self._count = self._count, 0
        return count


unreadable = UnreadableCounter()


class CheckedType(TypeDecorator[Any]):
    """A column type that validates on reading; `missing` replaces an invalid value."""

    impl: Any = String
    cache_ok = True
    missing: Any = None

    def read(self, value: Any) -> Any:
        """Return the value; raise ValueError or TypeError where it is not of this type."""
        raise NotImplementedError

    def strict(self, dialect: Dialect) -> Callable[[Any], Any]:
        """A converter from a stored value to this type, which raises for an invalid one."""
        inner = super().result_processor(dialect, None) or (lambda value: value)

        def process(value: Any) -> Any:
            found = None if value is None else inner(value)
            return None if found is None else self.read(found)

        return process

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        process = self.strict(dialect)

        def lenient(value: Any) -> Any:
            try:
                return process(value)
            except (ValueError, TypeError, OverflowError, RecursionError):
                unreadable.note()
                return self.fallback(value)

        return lenient

    def fallback(self, value: Any) -> Any:
        """The replacement for a value that cannot be read."""
        return self.missing


class CheckedText(CheckedType):
    """Text; bytes are decoded as UTF-8 with replacement characters."""

    impl = String
    cache_ok = True

    def read(self, value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError
        return value

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        lenient = super().result_processor(dialect, coltype)
        return lambda value: value if type(value) is str else lenient(value)  # the fast path

    def fallback(self, value: Any) -> str:
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


class CheckedInteger(CheckedType):
    """An integer; a sum over a column that contains text is a float in SQLite."""

    impl = Integer
    cache_ok = True

    def read(self, value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if not isinstance(value, int):
            raise TypeError
        return value

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        lenient = super().result_processor(dialect, coltype)
        return lambda value: value if type(value) is int else lenient(value)  # the fast path


class CheckedBigInteger(CheckedInteger):
    """A 64-bit integer."""

    impl = BigInteger
    cache_ok = True


class CheckedFloat(CheckedType):
    """A finite number."""

    impl = Double
    cache_ok = True

    def read(self, value: Any) -> float:
        if not isinstance(value, int | float) or not isfinite(value):
            raise ValueError
        return value

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        lenient = super().result_processor(dialect, coltype)

        def process(value: Any) -> Any:  # the fast path
            return value if type(value) is float and isfinite(value) else lenient(value)

        return process


class CheckedBoolean(CheckedType):
    """A boolean."""

    impl = Boolean
    cache_ok = True

    def strict(self, dialect: Dialect) -> Callable[[Any], Any]:
        return self.read  # SQLAlchemy's own accepts any value as true

    def read(self, value: Any) -> bool | None:
        if value not in (None, 0, 1):
            raise ValueError
        return None if value is None else bool(value)


class CheckedBytes(CheckedType):
    """Bytes."""

    impl = LargeBinary
    cache_ok = True

    def read(self, value: Any) -> bytes:
        if not isinstance(value, bytes):
            raise TypeError
        return value


class JsonObject(CheckedType):
    """A JSON object."""

    impl = JSON
    cache_ok = True

    def read(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise TypeError
        return value

    def fallback(self, value: Any) -> dict[str, Any]:
        return {}


class IntegerList(CheckedType):
    """A JSON list of integers."""

    impl = JSON
    cache_ok = True

    def read(self, value: Any) -> list[int]:
        if not isinstance(value, list) or not all(type(item) is int for item in value):
            raise TypeError
        return value


class UtcDateTime(CheckedType):
    """A timezone-aware UTC time. SQLite stores no time zone; reading adds it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def read(self, value: Any) -> datetime:
        if not isinstance(value, datetime):
            raise TypeError
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value
