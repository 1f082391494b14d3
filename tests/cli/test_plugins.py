"""`musictk plugins` lists what every hook of every installed plugin offers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from musictk.plugin import Hooks

HOOKS = sorted(name for name in vars(Hooks) if name.startswith("register_"))
OFFER = """
@hookimpl
def {hook}(register):
    register("my-{kind}", "json:JSONDecoder", "Mine.")
"""
COMMAND = """
@hookimpl
def register_commands(app):
    @app.command()
    def transpose_all() -> None:
        '''Transpose everything. And more.'''
"""


FAULTY = """
import numpy as np
from musictk.errors import UsageError
from musictk.plugin import hookimpl

@hookimpl
def register_commands(app):
    app.command()(boom)

def boom(how: str) -> None:
    "Fail in several ways."
    if how == "usage":
        raise UsageError("no such thing", "do it otherwise")
    if how == "import":
        import a_module_that_does_not_exist
    np.concatenate([np.zeros(3), np.full((2, 2), 1)])
"""


def installed(folder: Path, source: str) -> None:
    """A plugin of one module, as the distribution my-plugin 1.0."""
    (folder / "my_plugin.py").write_text(source, "utf-8")
    info = folder / "my_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[musictk]\nmine = my_plugin\n")


def run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), *sys.path])
    return subprocess.run(
        [sys.executable, "-m", "musictk", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, **more},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("shapes", r"ValueError: all the input arrays .* \(my_plugin\.py, line 16\)"),
        ("import", r"ModuleNotFoundError: No module named .* \(my_plugin\.py, line 15\)"),
    ],
)
def test_a_plugin_that_fails_is_named_in_one_line(tmp_path: Path, how: str, error: str) -> None:
    installed(tmp_path, FAULTY)
    done = run(tmp_path, "boom", how)
    assert done.returncode == 1
    hint = "; to print the traceback, set MUSICTK_TRACEBACK=1\n"
    assert re.fullmatch(
        rf"error: plugin mine \(my-plugin 1\.0\) failed: {error}{hint}", done.stderr
    )
    traced = run(tmp_path, "boom", how, MUSICTK_TRACEBACK="1")
    assert traced.returncode == 1
    assert traced.stderr.startswith("Traceback (most recent call last)")
    last = traced.stderr.splitlines()[-1]
    assert re.fullmatch(rf"error: plugin mine \(my-plugin 1\.0\) failed: {error}", last)


def test_an_error_for_the_user_does_not_name_the_plugin(tmp_path: Path) -> None:
    installed(tmp_path, FAULTY)
    done = run(tmp_path, "boom", "usage")
    assert (done.returncode, done.stderr) == (2, "error: no such thing; do it otherwise\n")


def test_every_hook_has_its_rows(tmp_path: Path) -> None:
    kinds = {hook: hook.removeprefix("register_").removesuffix("s") for hook in HOOKS}
    offers = [
        OFFER.format(hook=hook, kind=kind) for hook, kind in kinds.items() if kind != "command"
    ]
    source = "\n".join(["from musictk.plugin import hookimpl", *offers, COMMAND])
    installed(tmp_path, source)
    done = run(tmp_path, "--json", "plugins")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["failures"] == []
    mine = {row["kind"]: row for row in found["offers"] if row["origin"] == "mine (my-plugin 1.0)"}
    assert sorted(mine) == sorted(kinds.values())
    assert mine["command"]["name"] == "transpose-all"
    assert mine["command"]["summary"] == "Transpose everything."
    assert all(row["summary"] == "Mine." for kind, row in mine.items() if kind != "command")
