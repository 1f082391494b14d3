"""The options of `Sampling` as options of a command."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from math import inf
from typing import Annotated, Any, get_type_hints

import typer

from musictk.config import SettingInfo
from musictk.generation.sampling import Sampling, options

Command = Callable[..., None]


def sampling_options(after: Mapping[str, str]) -> Callable[[Command], Command]:
    """Add the options of `Sampling` to a command; it gets the values that were set as `sampling`.

    `after` sets their order in the help: `{"temperature": "seed"}` lists `temperature` and the
    options that follow it after the command's parameter `seed`.
    """

    def add(command: Command) -> Command:
        known = options()

        @functools.wraps(command)
        def call(**values: Any) -> None:
            given = {name: values.pop(name) for name in known}
            sampling = {name: value for name, value in given.items() if value is not None}
            command(**values, sampling=sampling)

        signature = inspect.signature(command, eval_str=True)
        own = [each for each in signature.parameters.values() if each.name != "sampling"]
        call.__signature__ = signature.replace(parameters=_ordered(own, known, after))  # type: ignore[attr-defined]
        return call

    return add


def _ordered(
    parameters: list[inspect.Parameter], known: Mapping[str, SettingInfo], after: Mapping[str, str]
) -> list[inspect.Parameter]:
    """The command's own parameters with the options among them."""
    types, index = get_type_hints(Sampling), len(parameters)
    for name, info in known.items():
        if name in after:
            index = [each.name for each in parameters].index(after[name]) + 1
        parameters.insert(index, _parameter(name, types[name], info))
        index += 1
    return parameters


def _parameter(name: str, kind: Any, info: SettingInfo) -> inspect.Parameter:
    """An option; None if it is not set, because the model may have saved its own default."""
    limits: dict[str, Any] = {}
    number = kind in (int, float)
    if number and info.above == -inf and info.below == inf and info.check is None:
        # Typer knows no other limits; `Sampling` checks the values of the other options.
        limits = {"min": info.low, "max": None if info.high == inf else info.high}
    shown = str(getattr(Sampling, name)) or "all"  # as `programs`, the one text without a default
    metavar = "N" if number else name.upper()
    declared = typer.Option(metavar=metavar, help=info.help, show_default=shown, **limits)
    return inspect.Parameter(
        name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=Annotated[kind | None, declared],
    )
