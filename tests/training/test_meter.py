"""Peak memory, also on a system that does not tell it."""

from __future__ import annotations

import subprocess
import sys

import torch

from musictk.training.meter import peak_bytes

# Windows has no module `resource`, and Python treats None in its place as a missing module.
WITHOUT_RESOURCE = """
import sys
sys.modules["resource"] = None
import torch
from musictk.training.loop import train
from musictk.training.meter import peak_bytes
print(peak_bytes(torch.device("cpu")))
"""


def test_peak_memory_is_that_of_the_process() -> None:
    found = peak_bytes(torch.device("cpu"))
    assert found is not None
    assert 50 << 20 < found < 1 << 40


def test_a_system_without_resource_usage_trains_without_peak_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RESOURCE], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("None", "")
