"""What `repeating_work` asks of the allocator, in processes of its own: it stays until they end."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="no other allocator can be asked"
)

FAULTS = """
import resource
import torch
from musictk.training.process import repeating_work

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(2_000_000)  # 8 MB, freed at once
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with repeating_work():
    faults()
    print(faults())
"""
HEAP = """
from musictk.training.process import repeating_work

with repeating_work():
    print(open("/proc/self/smaps").read())
"""


def test_freed_tensors_are_allocated_again_without_page_faults() -> None:
    assert int(printed(FAULTS)) < 100  # 8 MB have 1,950 pages


@pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="no transparent huge pages"
)
def test_the_heap_has_huge_pages() -> None:
    maps = printed(HEAP).split("[heap]")[1:]
    assert any("hg" in each.split("VmFlags:")[1].splitlines()[0].split() for each in maps)


def printed(script: str) -> str:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
