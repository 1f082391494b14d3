"""Settings: the fields of a frozen dataclass `Config`, their help and their valid values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cache
from math import inf
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from musictk.errors import UnknownNameError, UsageError

T = TypeVar("T")
Rules = tuple[tuple[str, Callable[[Any], bool], str], ...]
_METADATA = "setting"  # the key of a field's metadata
_TYPES: Mapping[Any, str] = {
    bool: "true or false",
    int: "integer",
    float: "number",
    str: "text",
    tuple: "list",
    dict: "table such as {name = 1}",
}
# The same where a value has no description, by the first word of the code of pydantic's error.
_NEEDED = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "string": "text",
    "tuple": "a list",
    "dict": "a mapping",
}


@dataclass(frozen=True)
class SettingInfo:
    """The description of a setting, and its valid values.

    Numbers are valid from `low` to `high`, inclusive, `above` and `below` the other limits, and if
    `check` accepts them; other values if `check` does.
    """

    help: str  # one sentence
    low: float = 0
    high: float = inf
    above: float = -inf
    below: float = inf
    words: str = ""  # the valid values, where the limits do not describe them
    check: Callable[[Any], bool] | None = None
    automatic: bool = False  # `musictk train` chooses it for the machine and the corpus
    needs: str = ""  # what it depends on, such as "CUDA"

    def takes(self, value: Any) -> bool:
        """Whether `value` is valid."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            inside = self.low <= value <= self.high and self.above < value
            if not inside or not (value < self.below or self.below == inf) or abs(value) == inf:
                return False
        return self.check is None or self.check(value)

    @property
    def allowed(self) -> str:
        """The valid values in words, such as "at least 0 and below 1"."""
        if self.words:
            return self.words
        low = f"at least {self.low}" if self.above == -inf else f"above {self.above}"
        if self.high < inf:
            return (
                f"from {self.low} to {self.high}"
                if self.above == -inf
                else f"{low} and at most {self.high}"
            )
        return low if self.below == inf else f"{low} and below {self.below}"


def setting(default: Any, help: str, low: float = 0, high: float = inf, **more: Any) -> Any:
    """A field of a `Config` with its description, such as `setting(0.1, "Dropout.", below=1)`.

    `more` are further fields of `SettingInfo`. `musictk settings` lists the field, and `build`
    refuses other values.
    """
    metadata = {_METADATA: SettingInfo(help, low, high, **more)}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def settings_of(config: type) -> Mapping[str, SettingInfo | None]:
    """Every field of a `Config`, in order; None for a field without a description."""
    return {each.name: each.metadata.get(_METADATA) for each in fields(config)}


def default_of(config: type, name: str) -> Any:
    """The default of a field of a `Config`, ready for JSON; None if it has none."""
    each = next(each for each in fields(config) if each.name == name)
    made = each.default if each.default_factory is MISSING else each.default_factory()
    return None if made is MISSING else _plain(made)


def valid_values(config: type, name: str, info: SettingInfo | None = None) -> str:
    """The type and the valid values of a field in words, such as "integer, above 0".

    `info` describes a field that has no description of its own.
    """
    annotation = get_type_hints(config)[name]
    info = settings_of(config)[name] or info
    if get_origin(annotation) is Literal:
        *most, last = (str(choice) for choice in get_args(annotation))
        return f"{', '.join(most)} or {last}" if most else last
    kind = _TYPES.get(get_origin(annotation) or annotation, str(annotation))
    if info is None or annotation is bool or not (info.words or annotation in (int, float)):
        return kind
    return info.words if annotation is str else f"{kind}, {info.allowed}"


def check_settings(config: Any, owner: str) -> None:
    """Raise UsageError for the first field whose value is not valid; for `__post_init__`."""
    for name, info in settings_of(type(config)).items():
        if info is not None:
            require(
                info.takes(getattr(config, name)), owner, name, getattr(config, name), info.allowed
            )


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
        made = TypeAdapter(config).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # the config refuses the values together
            said = (
                f"settings of {owner or 'a config'}: {first['msg'].removeprefix('Value error, ')}"
            )
            raise UsageError(said, "change one of them") from error
        name, *inner = (str(part) for part in first["loc"])
        if isinstance(get_type_hints(config).get(name), UnionType):
            inner = []  # a type of the union, such as "int"
        wrong = f"{label} {'.'.join([name, *inner])}={first['input']!r}"
        info = settings_of(config)[name]
        if info is None:
            needed = _NEEDED.get(first["type"].partition("_")[0])
            why = f" must be {needed}" if needed else f": {first['msg']}"
            raise UsageError(f"{wrong}{why}") from error
        raise UsageError(f"{wrong} is not valid", f"give: {valid_values(config, name)}") from error
    for key, value in values.items():
        _require_same_kind(value, getattr(made, key), owner, key)
    check_settings(made, owner)
    return made


@cache
def default_fault(config: type) -> str:
    """The first default that is not valid, such as "a='x' and not integer, above 0"; else ""."""
    from pydantic import TypeAdapter, ValidationError

    hints = get_type_hints(config)
    for each in fields(config):
        made = each.default if each.default_factory is MISSING else each.default_factory()
        try:
            if made is not MISSING:
                TypeAdapter(hints[each.name]).validate_python(made)
        except ValidationError:
            return f"{each.name}={made!r} and not {valid_values(config, each.name)}"
    return ""


def check_value(config: type, key: str, value: Any, owner: str, info: SettingInfo | None) -> None:
    """Raise UsageError if a field cannot have `value`, whatever the other fields are.

    `info` describes a field that has no description of its own.
    """
    from pydantic import TypeAdapter, ValidationError

    info = settings_of(config)[key] or info
    try:
        made = TypeAdapter(get_type_hints(config)[key]).validate_python(value)
    except ValidationError as error:
        wrong = f"setting of {owner} {key}={value!r} is not valid"
        raise UsageError(wrong, f"give: {valid_values(config, key, info)}") from error
    _require_same_kind(value, made, owner, key)
    if info is not None:
        require(info.takes(made), owner, key, made, info.allowed)


def _require_same_kind(given: Any, made: Any, owner: str, key: str) -> None:
    """Raise UsageError where a number was made from true or false, which pydantic allows."""
    number = isinstance(made, int | float) and not isinstance(made, bool)
    needed = _NEEDED["int" if isinstance(made, int) else "float"]
    require(not (number and isinstance(given, bool)), owner, key, given, needed)


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
        label = f"setting of {owner}" if owner else "setting"
        if isinstance(value, float) and abs(value) == inf:
            allowed = f"{allowed} and finite"
        raise UsageError(f"{label} {key}={value!r} must be {allowed}")


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
