"""What untrusted files must never reach: a ban on the calls that execute or overwrite."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path
    for folder in ("musictk", "plugins", "benchmarks", "examples", "tests", "docs", "tools")
    for path in (ROOT / folder).rglob("*.py")
)
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
CALLS = {"eval", "exec", "compile", "__import__"}
METHODS = {
    "torch.load",
    "torch.save",
    "torch.hub.load",
    "os.system",
    "os.popen",
    "yaml.load",
    "tempfile.mktemp",
}
ANYWHERE = {"extractall", "extract"}  # archives are streamed with caps, never unpacked
KEYWORDS = {"allow_pickle", "shell"}  # whatever the value


def findings(source: str) -> list[str]:
    """Each banned thing in `source`, with its line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name.partition(".")[0] for alias in node.names]
            found += [f"{node.lineno}: import {name}" for name in names if name in MODULES]
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").partition(".")[0] in MODULES:
                found.append(f"{node.lineno}: from {node.module} import")
            imported = {f"{node.module}.{alias.name}" for alias in node.names}
            found += [f"{node.lineno}: {name}" for name in sorted(imported & METHODS)]
        elif isinstance(node, ast.Call):
            found += [f"{node.lineno}: {what}" for what in _banned(node)]
    return found


def _banned(call: ast.Call) -> list[str]:
    name = ast.unparse(call.func)
    last = name.rpartition(".")[2]
    if name in CALLS | METHODS or ("." in name and last in ANYWHERE):
        return [name]
    return [keyword.arg for keyword in call.keywords if keyword.arg in KEYWORDS]


def test_nothing_banned_is_used() -> None:
    assert len(SOURCES) > 300, "the sources were found"
    faults = [
        f"{path.relative_to(ROOT)}:{found}"
        for path in SOURCES
        for found in findings(path.read_text("utf-8"))
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import torch\ntorch.load('x')",
        "from torch import load",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "eval('1')",
        "archive.extractall('.')",
        "import subprocess\nsubprocess.run('ls', shell=True)",
    ],
)
def test_the_ban_sees(source: str) -> None:
    assert len(findings(source)) == 1
