"""A plugin's architecture that cannot be exported: one line, and no half-written export."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.shell import Shell

PLUGINS = Path(__file__).parents[1] / "export"


@pytest.mark.parametrize(
    ("architecture", "flag", "said"),
    [
        ("sorter", "--onnx", "it has no form of the operation aten._linalg_svd in body.blocks.1"),
        ("counter", "--torchscript", "architecture 'counter' cannot be exported as torchscript: "),
    ],
)
def test_what_cannot_be_exported_is_named(
    shell: Shell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    architecture: str,
    flag: str,
    said: str,
) -> None:
    installed = tmp_path / "installed" / "odd-1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1\n", "utf-8")
    (installed / "entry_points.txt").write_text("[musictk]\nodd = odd_plugin\n", "utf-8")
    paths = (str(installed.parent), str(PLUGINS), os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    small = ("--set", "max_length=300", "--set", "length=64")
    shell.fresh("train", "--arch", architecture, "--steps", "2", *small)
    done = shell.fresh("export", flag, code=1)
    assert done.stdout == ""
    assert said in done.stderr
    assert "(odd_plugin.py:" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    exports = shell.directory / "exports"
    assert not exports.exists() or list(exports.iterdir()) == []
