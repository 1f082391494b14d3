"""`musictk plugins` lists what every hook of every installed plugin offers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

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


def test_every_hook_has_its_rows(tmp_path: Path) -> None:
    kinds = {hook: hook.removeprefix("register_").removesuffix("s") for hook in HOOKS}
    offers = [
        OFFER.format(hook=hook, kind=kind) for hook, kind in kinds.items() if kind != "command"
    ]
    source = "\n".join(["from musictk.plugin import hookimpl", *offers, COMMAND])
    (tmp_path / "my_plugin.py").write_text(source, "utf-8")
    installed = tmp_path / "my_plugin-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: my-plugin\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[musictk]\nmine = my_plugin\n")
    done = subprocess.run(
        [sys.executable, "-m", "musictk", "--json", "plugins"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["failures"] == []
    mine = {row["kind"]: row for row in found["offers"] if row["origin"] == "mine (my-plugin 1.0)"}
    assert sorted(mine) == sorted(kinds.values())
    assert mine["command"]["name"] == "transpose-all"
    assert mine["command"]["summary"] == "Transpose everything."
    assert all(row["summary"] == "Mine." for kind, row in mine.items() if kind != "command")
