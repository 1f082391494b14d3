"""Fixtures: the small run, on one thread."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

SCRIPT = Path(__file__).with_name("small_run.py")


@pytest.fixture(scope="session")
def small() -> SimpleNamespace:
    """What small_run.py defines."""
    return SimpleNamespace(**runpy.run_path(str(SCRIPT)), script=SCRIPT)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As many threads as the processes that the tests start: their number changes the last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
