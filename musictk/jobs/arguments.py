"""Check what Python code passes: values of dataclasses and functions have the declared types."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from musictk.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")

_WORDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    tuple: "a list",
    dict: "a mapping",
    Mapping: "a mapping",
    Callable: "a function",
}
_LIST, _MAPPING = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which raises UsageError for the first argument of another type than declared.

    Types that are a Protocol, such as listeners, are not checked.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        kinds = get_type_hints(function)
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            place = signature.parameters[name].kind
            if name in kinds and place is not _MAPPING:
                for each in value if place is _LIST else (value,):
                    _check(name, each, kinds[name])
        return function(*args, **kwargs)

    return call


def check_types(made: Any) -> None:
    """Raise UsageError for the first field of a dataclass that has another type than declared.

    For `__post_init__`. A list is accepted where a tuple is declared.
    """
    for name, kind in get_type_hints(type(made)).items():
        _check(name, getattr(made, name), kind)


def _check(name: str, value: Any, kind: Any) -> None:
    plain = get_origin(kind) or kind
    choices = get_args(kind) if plain in (Union, UnionType) else (kind,)
    fitting = [each for each in choices if _is_a(value, get_origin(each) or each)]
    if not fitting:
        kinds = [get_origin(each) or each for each in choices]
        words = [_WORDS.get(each, each.__name__) for each in kinds if each is not NoneType]
        raise UsageError(f"{name}={value!r} must be {' or '.join(words)}")
    for inner, own, expected in _parts(name, value, fitting[0]):
        _check(inner, own, expected)


def _is_a(value: Any, plain: Any) -> bool:
    """Whether a value is of a type, whatever its parts are."""
    if plain is Any or getattr(plain, "_is_protocol", False):
        return True
    if isinstance(value, bool):  # which Python counts as a whole number
        return plain is bool
    wider = {float: (int, float), tuple: (list, tuple), Path: (os.PathLike,)}
    return isinstance(value, wider.get(plain, plain))


def _parts(name: str, value: Any, kind: Any) -> Iterator[tuple[str, Any, Any]]:
    """The names, values and types of what a value is made of."""
    inside, plain = get_args(kind), get_origin(kind) or kind
    if isinstance(value, Mapping) and inside:
        for key, own in value.items():
            yield f"key of {name}", key, inside[0]
            yield str(key), own, inside[1]
    elif hasattr(plain, "_fields"):
        for field, own in get_type_hints(plain).items():
            yield f"{name}.{field}", getattr(value, field), own
    elif plain is tuple:
        kinds = [inside[0]] * len(value) if inside[1:] == (...,) else inside
        if len(kinds) != len(value):
            raise UsageError(f"{name}={value!r} must have {len(kinds)} parts")
        for index, own in enumerate(value):
            yield f"{name}[{index}]", own, kinds[index]
