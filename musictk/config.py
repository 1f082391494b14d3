"""Convert between plain values and the frozen dataclass `Config` of a component."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from musictk.errors import UnknownNameError, UsageError

T = TypeVar("T")
Rules = tuple[tuple[str, Callable[[Any], bool], str], ...]


def build(config: type[T], values: Mapping[str, Any], owner: str = "") -> T:
    """`config(**values)` with every value checked against its annotation.

    Strings are parsed as the annotated type ("8" for an int), so `--set` needs no other parser.
    Old names (see `renamed`) are translated. Raises UnknownNameError for an unknown key, UsageError
    for an invalid value.
    """
    from pydantic import TypeAdapter, ValidationError

    known = {field.name for field in fields(config)}  # type: ignore[arg-type]
    label = f"setting of {owner}" if owner else "setting"
    values = translate(values, renamed(config))
    for key in values:
        if key not in known:
            raise UnknownNameError(label, key, known)
    try:
        return TypeAdapter(config).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{label} {key}={first['input']!r}: {first['msg']}") from error


def renamed(config: type) -> Mapping[str, str]:
    """Old name -> current name of the settings of `config` that were renamed.

    It is the class attribute `RENAMED` of a `Config`, if there is one. Users may have typed old
    names and files may hold them, so they keep working.
    """
    found: Mapping[str, str] = getattr(config, "RENAMED", {})
    return found


def translate(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """`values` under their current names. A current name takes precedence over its old one."""
    old = {names[key]: value for key, value in values.items() if key in names}
    return old | {key: value for key, value in values.items() if key not in names}


def require(valid: bool, owner: str, key: str, value: object, allowed: str) -> None:
    """Raise UsageError unless `valid`: "setting of gpt depth=0 must be above 0"."""
    if not valid:
        raise UsageError(f"setting of {owner} {key}={value!r} must be {allowed}")


def require_all(rules: Rules, values: Mapping[str, Any], owner: str) -> None:
    """Raise UsageError for the first value that breaks a rule (keys, valid, allowed)."""
    for keys, valid, allowed in rules:
        for key in keys.split():
            require(valid(values[key]), owner, key, values[key], allowed)


def plain(config: Any) -> dict[str, Any]:
    """The values of a `Config`, ready for JSON; `build(type(config), plain(config)) == config`."""
    return {key: _plain(value) for key, value in asdict(config).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value
