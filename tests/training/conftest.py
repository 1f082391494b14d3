"""Fixtures: the small run."""

from __future__ import annotations

import importlib.util
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

# peft is an extra: what needs it is collected where it is installed.
collect_ignore = [] if importlib.util.find_spec("peft") else ["test_adapters.py"]

SCRIPT = Path(__file__).with_name("small_run.py")


@pytest.fixture(scope="session")
def small() -> SimpleNamespace:
    """What small_run.py defines."""
    return SimpleNamespace(**runpy.run_path(str(SCRIPT)), script=SCRIPT)
