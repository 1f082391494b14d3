"""Sources of settings, by precedence: flag, MUSICTK_* variable, musictk.toml, default.

`musictk sample --top-k 5`, MUSICTK_SAMPLE_TOP_K=5, and `top-k = 5` under [sample] in the file set
the same option: all three use the name of the flag, not that of the Python parameter.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from musictk.errors import MusictkError, UsageError, nearest
from musictk.files import cause, read_bytes

FILE = "musictk.toml"
TRACEBACK = "MUSICTK_TRACEBACK"  # the environment variable for those who write a plugin


def defaults(path: Path = Path(FILE)) -> dict[str, Any]:
    """The tables of `musictk.toml`, one per command; {} if the file does not exist."""
    try:
        return tomllib.loads(read_bytes(path).decode("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise MusictkError(f"cannot read {path}: {cause(error)}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error


def command_options(
    command: Any, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(path, option) of every option at and below a command; a path ends with the flag."""
    for option in command.params:
        # Neither --help and --version nor the global options that are repeated at each command.
        if option.param_type_name == "option" and option.expose_value and option.name != "version":
            yield (*path, option.opts[0].removeprefix("--")), option
    for name, child in getattr(command, "commands", {}).items():
        yield from command_options(child, (*path, name))


def variable(path: Iterable[str]) -> str:
    """The environment variable of an option."""
    return "_".join(("MUSICTK", *path)).upper().replace("-", "_")


def unknown_variables(command: Any, environment: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """Each variable MUSICTK_… that sets no option, with the most similar one that does."""
    prefix = variable(())
    named = [name for name in environment if name.startswith(f"{prefix}_")]
    if not named:
        return
    known = [TRACEBACK, *(variable(path) for path, _ in command_options(command))]
    ends = {name.removeprefix(prefix): name for name in known}  # the prefix makes all similar
    for name in sorted(set(named) - set(known)):
        near = nearest(name.removeprefix(prefix), ends)
        yield name, None if near is None else ends[near]


def bind(command: Any, file: Mapping[str, Any]) -> Any:
    """Let every option of the command and its sub-commands be set by its variable and the file."""
    for path, option in command_options(command):
        option.envvar = variable(path)
        option.show_envvar = False  # one rule for all of them: see docs/commands.md
    set_defaults(command, file)
    return command


def set_defaults(command: Any, table: Mapping[str, Any]) -> None:
    """Let the options of the command and its sub-commands have the defaults in a table."""
    own = {
        option.name: _default(option, table[path[0]])
        for path, option in command_options(command)
        if len(path) == 1 and not isinstance(table.get(path[0], {}), Mapping)
    }
    command.context_settings = {**command.context_settings, "default_map": own}
    for name, child in getattr(command, "commands", {}).items():
        below = table.get(name)
        set_defaults(child, below if isinstance(below, Mapping) else {})


def _default(option: Any, value: Any) -> Any:
    """The value as the option reads it.

    A list is joined with commas for an option that cannot be repeated. For an option that is no
    flag, true and false are text: typer would read them as the numbers 1 and 0.
    """
    if isinstance(value, list) and not option.multiple:
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) and not option.is_flag else value


def assignments(pairs: Iterable[str]) -> dict[str, dict[str, Any]]:
    """`["model.dim=512", "clip=0.5"]` -> {"model": {"dim": 512}, "": {"clip": 0.5}}.

    A value is parsed as TOML where it is valid TOML ("8", "true", "[64, 256]"), else kept as text.
    """
    found: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        group, _, key = name.strip().rpartition(".")
        if not (equals and key):
            raise UsageError(f"--set {pair!r} is not KEY=VALUE", "such as bpe=5000 or clip=0.5")
        found.setdefault(group, {})[key] = _value(text.strip())
    return found


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
