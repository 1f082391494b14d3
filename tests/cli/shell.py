"""The `musictk` program, run as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from musictk.cli.main import main
from tests.cli import forks

# A model that trains in seconds; all other settings have their defaults.
SMALL = [
    *("--arch", "conformer"),
    *("--set", "model.dim=32", "--set", "model.depth=1", "--set", "model.heads=2"),
    *("--set", "model.windows=[16, 64]", "--set", "max_length=2048", "--set", "length=128"),
]


@dataclass(frozen=True)
class Shell:
    """The `musictk` program in a directory, as a user would run it."""

    directory: Path
    forked: bool = forks.THERE

    @property
    def fresh(self) -> Shell:
        """The same, with a new interpreter for each command."""
        return replace(self, forked=False)

    def __call__(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = self.run(*arguments)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stderr}"
        return done

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it, with any exit code."""
        env = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
        if self.forked:
            return forks.run("musictk", list(arguments), self.directory, env, timeout=600)
        return subprocess.run(
            [sys.executable, "-m", "musictk", *arguments],
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=600,
            env=env,
            check=False,
        )

    def here(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
        """Run it in this process, for short commands: (exit code, stdout, stderr)."""
        before = Path.cwd()
        os.chdir(self.directory)
        try:
            main(list(arguments))
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            os.chdir(before)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self("--json", *arguments, code=code).stdout)

    def runs(self) -> list[dict[str, Any]]:
        """The rows of `runs list` without the built-in models, oldest first."""
        rows: list[dict[str, Any]] = self.json("runs", "list")
        return [row for row in rows if row["status"] != "built in"]
