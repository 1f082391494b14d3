"""Write the generated parts of the documentation: `python docs/generate.py [--check]`.

A page holds blocks between `<!-- generated: NAME -->` and `<!-- end -->`; each NAME is a function
of this file. `--check` writes nothing and fails where a block is not what it would be.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from musictk.cli.main import build_command
from musictk.jobs.settings import Setting, common_settings, component_settings
from musictk.plugin import KINDS, Hooks, registry

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.S)


def commands() -> str:
    """Every command with its arguments and options, as in `--help`."""
    root = build_command()
    children: dict[str, Any] = vars(root)["commands"]
    return "\n".join([_usage("musictk", root), *_command("musictk", children)])


def _command(prefix: str, children: dict[str, Any]) -> Iterable[str]:
    for name, command in children.items():
        if hasattr(command, "commands"):
            yield f"## {prefix} {name}\n\n{_prose(command.help)}\n"
            yield from _command(f"{prefix} {name}", command.commands)
        else:
            yield _usage(f"{prefix} {name}", command)


def _usage(title: str, command: Any) -> str:
    level = "#" * max(2, len(title.split()))
    lines = [f"{level} {title}", "", _prose(command.help), ""]
    rows = [_parameter(parameter) for parameter in command.params if not _standard(parameter)]
    if rows:
        lines += ["| | |", "|---|---|", *rows, ""]
    return "\n".join(lines) + "\n"


def _standard(parameter: Any) -> bool:
    """Whether every command has it: the global options, and what typer adds."""
    added = {"--help", "--install-completion", "--show-completion"}
    return not parameter.expose_value or bool(added & set(parameter.opts))


def _parameter(parameter: Any) -> str:
    option = parameter.opts[0].startswith("-")
    names = ", ".join(f"`{name}`" for name in parameter.opts) if option else f"`{parameter.name}`"
    said = (parameter.help or "").strip()
    said_default = getattr(parameter, "show_default", None)
    default = said_default if isinstance(said_default, str) else parameter.default
    if option and not parameter.required and default not in (None, "", False, (), []):
        said += f" Default: {default}."
    return f"| {names} | {said.strip().replace('|', chr(92) + '|')} |"


def _prose(text: str | None) -> str:
    return re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(text or ""))


def hooks() -> str:
    """Each hook: its arguments and its sentence."""
    lines = []
    for name, hook in vars(Hooks).items():
        if name.startswith("register_"):
            arguments = list(inspect.signature(hook).parameters)[1:]
            lines.append(f"- `{name}({', '.join(arguments)})`: {inspect.getdoc(hook)}")
    return "\n".join(lines)


def components() -> str:
    """What the built-in plugins offer."""
    lines = ["| kind | name | what it is |", "|---|---|---|"]
    for kind in KINDS:
        for offer in registry().offers(kind):
            lines.append(f"| {kind} | `{offer.name}` | {offer.summary} |")
    return "\n".join(lines)


def settings() -> str:
    """A table of the settings of each part, as `musictk settings` lists them."""
    parts: dict[str, list[Setting]] = {}
    for setting in common_settings():
        parts.setdefault(setting.section, []).append(setting)
    for kind in ("architecture", "tokenizer"):
        for found in component_settings(kind).values():
            parts[found[0].section] = found
    return "\n\n".join(
        "\n".join([f"## {title[0].upper()}{title[1:]}", "", *_table(found)])
        for title, found in parts.items()
    )


def _table(settings: Iterable[Setting]) -> Iterable[str]:
    yield from ("| setting | default | values | |", "|---|---|---|---|")
    for each in settings:
        said = each.help + f" Needs {each.needs}." * bool(each.needs)
        default = "automatic" if each.automatic else f"`{_escaped(each.shown_default)}`"
        yield f"| `{each.key}` | {default} | {_escaped(each.values)} | {_escaped(said)} |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def tree() -> str:
    """Every module with the first line of its docstring."""
    lines = []
    for base in (ROOT / "musictk", *sorted((ROOT / "plugins").glob("musictk_*"))):
        for path in sorted(base.rglob("*.py"), key=lambda path: (path.parent.parts, path.name)):
            if "versions" in path.parts:
                continue
            said = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split("\n")[0]
            package = path.name == "__init__.py"
            place = path.parent if package else path
            depth = len(place.relative_to(ROOT).parts) - 1
            name = "  " * depth + place.name + ("/" if package else "")
            lines.append(f"{name:32} {said}".rstrip())
    return "```\n" + "\n".join(lines) + "\n```"


def benchmarks() -> str:
    """A table for each file in benchmarks/results: {"title", "command", "machine", "rows"}."""
    parts = []
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.json")):
        result = json.loads(path.read_text("utf-8"))
        rows = result["rows"]
        head = list(rows[0])
        table = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        table += [f"| {' | '.join(_cell(row.get(key)) for key in head)} |" for row in rows]
        facts = [f"`{result['command']}`", result["machine"], result.get("note", "")]
        said = " · ".join(fact for fact in facts if fact)
        parts.append(f"## {result['title']}\n\n{said}\n\n" + "\n".join(table))
    return "\n\n".join(parts) or "Nothing was measured yet."


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str("" if value is None else value)


def example() -> str:
    """The third-party distribution of examples/, whole."""
    return _sources(
        "musictk-gru", "pyproject.toml", "musictk_gru/__init__.py", "musictk_gru/model.py"
    )


def melody() -> str:
    """The first plugin, complete."""
    package = "musictk_melody"
    return _sources(
        "musictk-melody",
        "pyproject.toml",
        *(f"{package}/{name}.py" for name in ("__init__", "tokenizer", "sampler")),
        "test_melody.py",
    )


def scale() -> str:
    """The sampler of examples/."""
    return _sources("musictk-scale", "musictk_scale/sampler.py")


def loudness() -> str:
    """The bar control of examples/."""
    return _sources("musictk-loudness", "musictk_loudness/control.py")


def _sources(distribution: str, *names: str) -> str:
    parts = []
    for name in names:
        text = (ROOT / "examples" / distribution / name).read_text("utf-8").rstrip()
        language = "toml" if name.endswith("toml") else "python"
        parts.append(f"`{name}`\n\n```{language}\n{text}\n```")
    return "\n\n".join(parts)


BLOCKS: dict[str, Callable[[], str]] = {
    function.__name__: function
    for function in (
        commands,
        settings,
        hooks,
        components,
        tree,
        benchmarks,
        example,
        melody,
        scale,
        loudness,
    )
}


def render(page: str) -> str:
    """The page with every block as it should be; KeyError for a block nobody makes."""
    return BLOCK.sub(lambda match: f"{match[1]}{BLOCKS[match[2]]()}\n{match[3]}", page)


def main(check: bool) -> int:
    stale = []
    for path in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]):
        page = path.read_text("utf-8")
        fresh = render(page)
        if fresh != page:
            stale.append(path.relative_to(ROOT).as_posix())
            if not check:
                path.write_text(fresh, "utf-8")
    if stale:
        said = "is stale; run `make docs`" if check else "was written"
        sys.stderr.write("\n".join(f"{name} {said}" for name in stale) + "\n")
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
