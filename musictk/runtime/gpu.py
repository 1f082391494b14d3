"""Whether this machine has a GPU, without importing a library that drives one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def has_gpu() -> bool:
    """Whether an NVIDIA GPU and its driver are there; the libraries may still not support it."""
    return Path("/dev/nvidia0").exists() or (os.name == "nt" and bool(shutil.which("nvidia-smi")))
