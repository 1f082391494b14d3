"""Fixtures: the small run."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

SCRIPT = Path(__file__).with_name("small_run.py")


@pytest.fixture(scope="session")
def small() -> SimpleNamespace:
    """What small_run.py defines."""
    return SimpleNamespace(**runpy.run_path(str(SCRIPT)), script=SCRIPT)
