"""One small trained workspace that the tests of the command line share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.shell import SMALL, Shell

EXAMPLES = Path(__file__).parents[2] / "examples" / "midis"


@pytest.fixture(scope="session")
def midis() -> Path:
    return EXAMPLES


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Ingested, trained for some steps, nothing else. Do not write into it: copy it."""
    shell = Shell(tmp_path_factory.mktemp("trained"))
    for composer in ("Bach", "Chopin", "Satie", "Schumann"):
        shutil.copytree(EXAMPLES / composer, shell.directory / "midis" / composer)
    shell.fresh("ingest", "./midis")
    shell.fresh("train", "--arch", "conformer", "--size", "tiny", "--steps", "12", *SMALL)
    return shell


@pytest.fixture
def shell(trained: Shell, tmp_path: Path) -> Shell:
    """A copy of the trained workspace, to do with as the test likes."""
    shutil.copytree(trained.directory, tmp_path / "work")
    return Shell(tmp_path / "work")
