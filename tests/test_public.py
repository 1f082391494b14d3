"""Nothing public is unknown: each command, option, hook and exported name has a test or a page.

The lists are read from the program. Generated parts of the documentation do not count, since they
name everything by themselves.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from musictk.cli.main import build_command
from musictk.plugin import Hooks

ROOT = Path(__file__).parents[1]
GENERATED = re.compile(r"<!-- generated: .*?<!-- end -->", re.S)
CODE = re.compile(r"```.*?```|`[^`\n]+`|^    [^\n]+$", re.S | re.M)


@cache
def pages() -> tuple[str, ...]:
    """The code in the handwritten documentation: blocks, spans and indented lines."""
    found = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
    written = (GENERATED.sub("", page.read_text("utf-8")) for page in found)
    return tuple("\n".join(CODE.findall(text)) for text in written)


@cache
def sources() -> tuple[str, ...]:
    """The source of every test but this one."""
    found = sorted((ROOT / "tests").rglob("*.py"))
    return tuple(path.read_text("utf-8") for path in found if path != Path(__file__))


@cache
def identifiers() -> frozenset[str]:
    """Every name that a test imports or uses, and every word of code in the documentation."""
    names = {word for page in pages() for word in re.findall(r"\w+", page)}
    for source in sources():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.Attribute):
                names.add(node.attr)
    return frozenset(names)


@cache
def types() -> frozenset[str]:
    """Every name in the signature of a function that a test or a page uses."""
    names: set[str] = set()
    for path in (ROOT / "musictk").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name in identifiers():
                arguments = (*node.args.args, *node.args.kwonlyargs)
                written = [argument.annotation for argument in arguments] + [node.returns]
                names |= {
                    part.id
                    for each in written
                    if each
                    for part in ast.walk(each)
                    if isinstance(part, ast.Name)
                }
    return frozenset(names)


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(path, command) of every command of the program, groups excluded."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        yield from leaves(child, (*path, name))


def spelled(path: tuple[str, ...]) -> re.Pattern[str]:
    """A command as it is typed in a shell, or as arguments in a test: `catalog label`."""
    return re.compile(r"[\"'`\s]" + r"\W+".join(map(re.escape, path)) + r"[\"'`\s]")


def unused(path: tuple[str, ...], command: Any) -> Iterator[str]:
    """The command's options that no text which runs the command gives to it."""
    texts = [text for text in (*sources(), *pages()) if not path or spelled(path).search(text)]
    for option in command.params:
        if option.param_type_name != "option" or not option.expose_value:
            continue  # such as --help, which typer adds
        flags = "|".join(map(re.escape, (*option.opts, *option.secondary_opts)))
        given = re.compile(rf"(?<![\w-])(?:{flags}|{option.envvar})(?![\w-])")
        if not any(given.search(text) for text in texts):
            yield " ".join((*path, option.opts[0]))


def exports() -> Iterator[tuple[str, str]]:
    """(package, name) of everything in the `__all__` of a package of musictk."""
    for path in sorted((ROOT / "musictk").rglob("__init__.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                package = ".".join(path.parent.relative_to(ROOT).parts)
                yield from ((package, name) for name in ast.literal_eval(node.value))


def check(missing: Iterable[str], known: int, at_least: int) -> None:
    """Fail with the names that are missing, or where too few names were read to prove anything."""
    assert known >= at_least, f"only {known} names were read"
    names = sorted(missing)
    assert not names, f"in no test and on no page: {', '.join(names)}"


def test_every_command_is_tested_or_explained() -> None:
    found = [path for path, _ in leaves(build_command())]
    texts = (*sources(), *pages())
    missing = (path for path in found if not any(spelled(path).search(text) for text in texts))
    check((" ".join(path) for path in missing), len(found), 20)


def test_every_option_is_tested_or_explained() -> None:
    root = build_command()
    found = [((), root), *leaves(root)]  # the options before the command belong to no path
    missing = (option for path, command in found for option in unused(path, command))
    check(missing, sum(len(command.params) for _, command in found), 60)


def test_every_hook_is_tested_or_explained() -> None:
    hooks = [name for name in vars(Hooks) if not name.startswith("_")]
    words = set(re.findall(r"\w+", "\n".join((*sources(), *pages()))))
    check(set(hooks) - words, len(hooks), 4)


def test_every_exported_name_is_tested_or_explained() -> None:
    """A type also counts in the signature of a function that a test uses."""
    found = list(exports())
    used = identifiers() | types()
    missing = (f"{package}.{name}" for package, name in found if name not in used)
    check(missing, len(found), 30)
