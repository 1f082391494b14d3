"""Wrong use of a command: one line that names the value and its place, instead of typer's box."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import typer

from musictk.cli.context import CommandSession, rank
from musictk.cli.settings import FILE
from musictk.errors import MusictkError, UnknownNameError, UsageError

# The error of a wrong command line, which typer exports only as the base of this one.
_TyperError: Any = typer.BadParameter.__base__
# The types of options. The value that is wrong for text is one that is not UTF-8.
_TYPES: Mapping[Any, str] = {
    bool: "true or false",
    int: "integer",
    float: "number",
    str: "text in UTF-8",
}
_PATHS = ("FILE", "PATH", "DIRECTORY")  # metavars
Call = Callable[..., Any]


def add_to(command: Any) -> None:
    """Let the command and its sub-commands raise UsageError for wrong use.

    The error of a value from the environment or from musictk.toml names that place.
    """
    command.parse_args = _explained(command.parse_args)
    command.invoke = _explained(command.invoke)
    for parameter in command.params:
        if parameter.metavar in _PATHS and parameter.default != "":
            parameter.process_value = _not_empty(parameter)
    if hasattr(command, "commands"):
        command.resolve_command = _suggesting(command.resolve_command, command.commands)
    for child in getattr(command, "commands", {}).values():
        add_to(child)


def _explained(call: Call) -> Call:
    def explained(context: Any, *rest: Any) -> Any:
        try:
            return call(context, *rest)
        except MusictkError as error:
            _name_places(error, context)
            raise
        except _TyperError as error:
            if type(error).__name__ == "NoArgsIsHelpError":  # shows the help of a group
                raise
            raise _explain(error, context) from error

    return explained


def _not_empty(parameter: Any) -> Call:
    """`process_value` with an error for "", which would be read as the current folder."""
    process = parameter.process_value

    def not_empty(context: Any, value: Any) -> Any:
        if value == "" or (isinstance(value, list | tuple) and "" in value):
            place = _place(parameter, context)
            raise UsageError(f"{place} is empty", "name a file or a folder")
        return process(context, value)

    return not_empty


def _suggesting(resolve: Call, known: Any) -> Call:
    """`resolve_command` of a group, with our own error for an unknown name."""

    def suggesting(context: Any, arguments: list[str]) -> Any:
        name = arguments[0]
        if name not in known and not name.startswith("-") and not context.resilient_parsing:
            raise UnknownNameError(" ".join((*_path(context), "command")), name, known)
        return resolve(context, arguments)

    return suggesting


def _explain(error: Any, context: Any) -> UsageError:
    """Our error for one of typer."""
    path, text = _path(context), str(error.message)
    see = " ".join(("see: musictk", *path, "--help"))
    parameter = getattr(error, "param", None)
    if hasattr(error, "possibilities"):
        return _unknown(error.option_name, context)
    if hasattr(error, "option_name"):
        return _misused(error.option_name, context)
    if hasattr(error, "param_type"):
        return UsageError(f"{' '.join(path)} needs {_name(parameter)}", see)
    if parameter is not None:
        return _invalid(error, parameter, context)
    if rest := re.search(r"extra argument.* \((.*)\)$", text, re.S):
        hint = f"put a name with spaces in quotes, or {see}"
        return UsageError(f"unexpected argument {rest[1]!r}", hint)
    return UsageError(_as_part(text), see)


def _unknown(flag: str, context: Any) -> UnknownNameError:
    """An option that the command does not have; short ones are only compared with short ones."""
    known = [name for option in _options(context) for name in _flags(option)]
    alike = [name for name in known if name.startswith("--") == flag.startswith("--")]
    return UnknownNameError("option", flag, alike)


def _misused(flag: str, context: Any) -> UsageError:
    """A flag with a value, or an option without one."""
    for option in _options(context):
        if flag in _flags(option) and not option.is_flag:
            value = option.metavar or option.name.upper()
            return UsageError(f"{flag} needs a value", f"write {flag} {value}")
    return UsageError(f"{flag} takes no value", f"write {flag} alone")


def _invalid(error: Any, parameter: Any, context: Any) -> UsageError:
    """A value of the wrong type or out of range."""
    cause = error.__cause__
    details = cause.errors()[0] if hasattr(cause, "errors") else {}
    code, value, limits = details.get("type", ""), details.get("input"), _limits(parameter)
    if limits and code.startswith(("greater", "less")):
        return UsageError(f"{_place(parameter, context, str(value))} must be {limits}")
    annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    kind = _TYPES.get(annotation) if details else None
    if not details and rank(context, parameter.name) == 1 and parameter.multiple:
        kind, value = "list", context.lookup_default(parameter.name)
    if kind is not None:
        valid = f"{kind}, {limits}" if limits and kind in ("integer", "number") else kind
        place = _place(parameter, context, repr(value))
        return UsageError(f"{place} is not valid", f"give: {valid}")
    return UsageError(f"{_place(parameter, context)}: {_as_part(str(error.message))}")


def _as_part(sentence: str) -> str:
    """A sentence of typer as a part of a line."""
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def _limits(parameter: Any) -> str:
    low, high = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if low is not None and high is not None:
        return f"from {low} to {high}"
    return f"at least {low}" if low is not None else f"at most {high}" if high is not None else ""


def _name_places(error: MusictkError, context: Any) -> None:
    """Add where options that an error is about were set, if not on the command line."""
    places = [
        f"{option.opts[0]} is set by {_place(option, context)}"
        for option in _options(context)
        if rank(context, option.name) in (1, 2) and _names(str(error), option)
    ]
    if new := [place for place in places if place not in error.message]:
        error.message += f" ({', '.join(new)})"


def _names(text: str, option: Any) -> bool:
    """Whether a text names an option: by its flag, or as a setting such as seed=3."""
    flag, name = re.escape(option.opts[0]), re.escape(option.name)
    return re.search(rf"{flag}(?![\w-])|(?<![\w.]){name}=", text) is not None


def _place(parameter: Any, context: Any, value: str = "") -> str:
    """Where a parameter got its value, with the value if it is given."""
    source = rank(context, parameter.name)
    if source == 2:
        return f"{parameter.envvar}={value}".rstrip("=")
    if source == 1:
        key = ".".join((*_path(context), parameter.opts[0].removeprefix("--")))
        here = context.find_object(CommandSession)
        return f"{key}={value}".rstrip("=") + f" in {here.settings.name if here else FILE}"
    return f"{_name(parameter)} {value}".rstrip()


def _name(parameter: Any) -> str:
    """The flag of an option; an argument as the help shows it."""
    if parameter.param_type_name == "option":
        return str(parameter.opts[0])
    return str(parameter.metavar or parameter.name.upper())


def _path(context: Any) -> tuple[str, ...]:
    """The names of the command: ("catalog", "show")."""
    above = context.parent
    return () if above is None else (*_path(above), str(context.info_name))


def _options(context: Any) -> Iterator[Any]:
    return (
        each for each in context.command.get_params(context) if each.param_type_name == "option"
    )


def _flags(option: Any) -> tuple[str, ...]:
    return (*option.opts, *option.secondary_opts)
