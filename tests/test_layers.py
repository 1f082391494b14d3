"""The layers of docs/architecture.md, read from that page and checked against every import."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# The packages that may import a library. A library that is not listed may not be imported.
IMPORTED_BY = {
    "alembic": {"catalog"},
    "matplotlib": {"rendering"},
    "mido": {"rendering"},
    "miditok": {"musictk_remi"},
    "miniaudio": {"rendering"},
    "onnx": {"export", "runtime"},
    "onnxruntime": {"runtime", "export"},
    "onnxscript": {"export"},
    "packaging": {"versions"},
    "peft": {"training"},
    "pluggy": {"plugin"},
    "pydantic": {"config"},
    "rapidfuzz": {"errors", "catalog"},
    "rich": {"cli"},
    "soundfile": {"rendering"},
    "sqlalchemy": {"catalog"},
    "tensorboard": {"training"},
    "tokenizers": {"musictk_text", "musictk_remi"},
    "typer": {"cli", "plugin"},
    # Everywhere: arrays, music in memory, weights on disk.
    "numpy": None,
    "symusic": None,
    "safetensors": None,
}
TORCH_FREE = {"errors", "files", "config", "plugin", "workspace", "music", "sketches", "spelling"}
TORCH_FREE |= {
    "arrays",
    "wording",
    "versions",
    "threads",
    "garbage",
    "offers",
    "tokens",
    "keys",
    "controls",
    "instruments",
    "builtin",
}
TORCH_FREE |= {
    "catalog",
    "reading",
    "ingest",
    "generation",
    "rendering",
    "musictk_remi",
    "musictk_pianoroll",
}
TORCH_FREE |= {"musictk_events", "musictk_text", "musictk_samplers", "musictk_controls"}
EVERYWHERE = {"musictk.cli.doctor"}  # it checks every library
TORCH_FREE_MODULES = {
    "musictk.model.manifest",
    "musictk.model.conditions",
    "musictk.runtime.contract",
    "musictk.runtime.engine",
    "musictk.runtime.onnx",
}


def modules() -> dict[str, Path]:
    """Every module of the distribution: dotted name -> file."""
    found = {}
    for base in (ROOT, ROOT / "plugins"):
        for path in sorted(base.glob("musictk*/**/*.py")):
            parts = path.relative_to(base).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


@cache
def parsed(module: str) -> tuple[ast.AST, ...]:
    """Every node of the module, parsed once."""
    return tuple(ast.walk(ast.parse(MODULES[module].read_text("utf-8"))))


def imports(module: str) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of each import, also inside functions and for types only."""
    for node in parsed(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: imports are written in full"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield node.lineno, inner if inner in MODULES else str(node.module)


def package_of(module: str) -> str:
    """ "musictk.catalog.models" -> "catalog"; "musictk_gpt.model" -> "musictk_gpt"."""
    if module == "musictk.__main__":
        return "cli"  # `python -m musictk`
    parts = module.split(".")
    return parts[0] if parts[0] != "musictk" else parts[1] if len(parts) > 1 else "musictk"


def place(module: str, line: int) -> str:
    """ "musictk/catalog/models.py:12"."""
    return f"{MODULES[module].relative_to(ROOT)}:{line}"


def layers() -> dict[str, int]:
    """Package -> layer, from the page."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    found = {}
    for number, names in re.findall(r"^    (\d)  (\S.*)$", page, re.M):
        for name in re.sub(r"\(.*?\)", " ", names).split():
            found[name] = int(number)
    return found


LAYERS = layers()


def test_every_package_has_a_layer() -> None:
    packages = {package_of(module) for module in MODULES if module.startswith("musictk.")}
    assert packages <= set(LAYERS), "a package that docs/architecture.md does not list"
    assert len(set(LAYERS.values())) > 4, "the list was read"


def test_imports_point_down() -> None:
    """To a lower layer or the same package; in layer 0 also to other packages of layer 0."""
    faults = []
    for module in filter(lambda name: name.startswith("musictk."), MODULES):
        here = package_of(module)
        for line, target in imports(module):
            if target == "musictk" or not target.startswith("musictk."):
                continue
            there = package_of(target)
            lowest = LAYERS[here] == LAYERS[there] == 0
            if not (there == here or lowest or LAYERS[there] < LAYERS[here]):
                faults.append(
                    f"{place(module, line)}: {here} (layer {LAYERS[here]}) "
                    f"imports {there} (layer {LAYERS[there]})"
                )
    assert not faults, "\n".join(faults)


def test_the_core_knows_no_plugin_and_plugins_not_each_other() -> None:
    faults = [
        f"{place(module, line)} imports {target}"
        for module in MODULES
        for line, target in imports(module)
        if target.startswith("musictk_") and package_of(target) != package_of(module)
    ]
    assert not faults, "\n".join(faults)


def stray(module: str, library: str) -> str:
    """What is wrong with this import of a library, if anything."""
    if library == "torch":
        if package_of(module) in TORCH_FREE:
            return f"{package_of(module)} is free of torch"
        return f"{module} is free of torch" if module in TORCH_FREE_MODULES else ""
    if library not in IMPORTED_BY:
        return f"{library} is not listed in IMPORTED_BY"
    allowed = IMPORTED_BY[library]
    return (
        "" if allowed is None or package_of(module) in allowed else f"only {allowed} may import it"
    )


def test_each_library_is_imported_in_its_packages() -> None:
    faults = []
    for module in MODULES.keys() - EVERYWHERE:
        for line, target in imports(module):
            library = target.partition(".")[0]
            if library in sys.stdlib_module_names or library.startswith("musictk"):
                continue
            if fault := stray(module, library):
                faults.append(f"{place(module, line)}: {fault}")
    assert not faults, "\n".join(sorted(faults))


def test_there_are_no_import_cycles() -> None:
    """Also counting imports inside functions and those for types only."""
    graph = {
        module: {target for _, target in imports(module) if target in MODULES} for module in MODULES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_modules_and_functions_stay_readable() -> None:
    faults = []
    for module in filter(lambda name: ".migrations." not in name, MODULES):
        lines = MODULES[module].read_text("utf-8").count("\n")
        if lines > 300:
            faults.append(f"{module} has {lines} lines")
        for node in parsed(module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                # A command's options are its signature; the body is what is read as a text.
                length = (node.end_lineno or node.lineno) - node.body[0].lineno + 1
                if length > 50:
                    faults.append(f"{module}.{node.name} has a body of {length} lines")
    assert not faults, "\n".join(faults)
