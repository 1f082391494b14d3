"""Parts of the documentation that repeat code are generated, and links have targets."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from musictk.catalog import Catalog
from musictk.cli.main import build_command

ROOT = Path(__file__).parents[1]
GENERATED = re.compile(r"<!-- generated: .*?<!-- end -->", re.S)
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
# Pages whose python blocks are run as printed by the test that is named.
RUN = {"python.md": "test_python_page.py", "onnx.md": "test_onnx_page.py"}
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])


def test_generated_parts_are_fresh() -> None:
    command = [sys.executable, "docs/generate.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_links_have_targets() -> None:
    faults = [
        f"{page.relative_to(ROOT)} links to {target}"
        for page in PAGES
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text("utf-8"))
        if not (page.parent / target).exists()
    ]
    assert not faults, "\n".join(faults)


def test_decisions_are_short_and_numbered() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text("utf-8")
        assert text.count("\n") <= 25, page.name
        assert text.startswith(f"# {int(page.name[:4])}. "), page.name


HAND = [page for page in PAGES if page.name != "CHANGELOG.md" and "decisions" not in page.parts]
PIPE = re.compile(r' [|>] (?=(?:[^"]*"[^"]*")*[^"]*$)')  # outside quotation marks
HAND = [
    page for page in (*HAND, ROOT / "CONTRIBUTING.md") if page.name not in ("log.md", "commands.md")
]


def text_of(page: Path) -> str:
    """The handwritten part of a page."""
    return GENERATED.sub("", page.read_text("utf-8"))


def code_of(page: Path) -> str:
    """The blocks and spans of code in a page."""
    return "\n".join(re.findall(r"^```.*?^```$|`[^`\n]+`|^    \S.*$", text_of(page), re.S | re.M))


def resolve(name: str) -> Any:
    """What a dotted name is; raises ImportError or AttributeError if there is nothing."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError as error:
            if end == 1 or not ".".join(parts[:end]).startswith(str(error.name)):
                raise
            continue
        for part in parts[end:]:
            fields = getattr(found, "__dataclass_fields__", {})
            found = fields[part] if part in fields else getattr(found, part)
        return found
    raise ImportError(name)


def names() -> Iterator[tuple[str, str]]:
    """(page, dotted name) of every name of musictk that a page mentions or imports in code."""
    for page in HAND:
        found = set(re.findall(r"(?<![\w/.-])(musictk(?:_\w+)?(?:\.\w+)+)", code_of(page)))
        for _, block in FENCED.findall(text_of(page)):
            for module, imported in re.findall(
                r"^ *from (musictk[\w.]*) import ([\w, ]+)", block, re.M
            ):
                found |= {
                    f"{module}.{name.strip()}" for name in imported.split(" as ")[0].split(",")
                }
        if page.name == "architecture.md":
            found |= set(outlined(page))
        yield from ((page.name, name) for name in sorted(found) if not is_file(name))


def outlined(page: Path) -> Iterator[str]:
    """The functions in the outline of the packages: `generation.compose.compose(…)`."""
    for _, block in FENCED.findall(text_of(page)):
        for name in re.findall(r"(?:^| ; )([a-z]+(?:\.\w+)+)(?=\()", block, re.M):
            method = name.removeprefix("catalog.")
            known = name.startswith("catalog.") and hasattr(Catalog, method)
            yield f"musictk.catalog.Catalog.{method}" if known else f"musictk.{name}"


def is_file(name: str) -> bool:
    """A name such as musictk.toml, or of the imaginary plugin in docs/plugins.md."""
    return name.endswith((".toml", ".db")) or name.startswith(("musictk_table.", "musictk_melody."))


def test_every_name_in_the_pages_can_be_imported() -> None:
    found, faults = list(names()), []
    for page, name in found:
        try:
            resolve(name)
        except (ImportError, AttributeError) as error:
            faults.append(f"{page} mentions {name}: {error}")
    assert len(found) > 50, "the names are not collected"
    assert not faults, "\n".join(faults)


def test_python_blocks_are_run_or_marked_as_fragments() -> None:
    """A fragment begins with `# fragment`; it has to parse."""
    faults = []
    for page in HAND:
        for language, block in FENCED.findall(text_of(page)):
            if language != "python":
                continue
            if page.name in RUN:
                assert (ROOT / "tests" / RUN[page.name]).is_file()
            elif page.name == "architecture.md":
                assert "catalog: musictk/catalog" in block  # the outline: see `outlined`
            elif not block.startswith("# fragment"):
                faults.append(f"{page.name}: {block.splitlines()[0]}")
            else:
                ast.parse(textwrap.dedent(block))
    assert not faults, "mark as `# fragment`, or run in a test:\n" + "\n".join(faults)


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """(page, arguments) of every command line of musictk in a page."""
    for page in HAND:
        prose = FENCED.sub("", text_of(page))
        spans = [re.sub(r"\s*\n\s*", " ", span) for span in re.findall(r"`([^`]+)`", prose)]
        spans += re.findall(r"^    (.+)$", text_of(page), re.M)
        for span in spans:
            if match := re.match(r"(?:\. \S+ && )?(?:torchrun .*-m )?musictk( -?[a-z].*)", span):
                line = PIPE.split(match[1].split("  #")[0])[0].rstrip("…. ")
                yield page.name, shlex.split(line)


def fault_of(arguments: list[str]) -> str:
    """What is wrong with a command line, if anything: an unknown command or option."""
    command: Any = build_command()
    flags: set[str] = set(_flags(command))
    rest = list(arguments)
    while (children := getattr(command, "commands", None)) is not None:
        word = next((word for word in rest if not word.startswith("-")), None)
        if word is None:
            break
        if word not in children:
            return f"no command {word!r}"
        rest.remove(word)
        command = children[word]
        flags |= set(_flags(command))
    given = {word.split("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
    unknown = sorted(given - flags - {"--help", "-h"})
    return f"no option {unknown[0]} in {' '.join(arguments)}" if unknown else ""


def _flags(command: Any) -> Iterator[str]:
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)


def test_every_command_line_in_the_pages_parses() -> None:
    found = [(page, line) for page, line in command_lines() if line[0] != "melody"]
    faults = [f"{page}: {fault}" for page, line in found if (fault := fault_of(line))]
    assert len(found) > 40, "the command lines are not collected"
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("trian --steps 3", "no command 'trian'"),
        ("catalog labels", "no command 'labels'"),
        ("train --stepz 3", "no option --stepz"),
        ("--json sample -o x.mid --composer Bach", ""),
    ],
)
def test_a_wrong_command_line_is_found(line: str, fault: str) -> None:
    assert fault in fault_of(shlex.split(line))
    assert bool(fault) == bool(fault_of(shlex.split(line)))


@pytest.mark.parametrize(
    "name", ["musictk.jobs.nothing", "musictk.catalog.Catalog.nothing", "musictk.x.y"]
)
def test_a_wrong_name_is_found(name: str) -> None:
    with pytest.raises((ImportError, AttributeError)):
        resolve(name)


def test_files_that_pages_mention_exist() -> None:
    """Paths of the repository, in code: docs/…, tests/…, examples/…, plugins/…, musictk/…."""
    faults = [
        f"{page.name} mentions {path}"
        for page in HAND
        for path in re.findall(
            r"`((?:docs|tests|examples|plugins|benchmarks|tools|musictk)/[\w./-]+)`", text_of(page)
        )
        if not (ROOT / path).exists() and "NAME" not in path
    ]
    assert not faults, "\n".join(faults)
