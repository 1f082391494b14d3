"""How the threads of numerical libraries wait. Imports none of them."""

from __future__ import annotations

import os
from collections.abc import Mapping

# Between two parallel loops, OpenMP's threads spin for a while by default. Where other processes
# want the cores, a spinning thread takes the time that the others of its own process need.
PASSIVE: Mapping[str, str] = {
    "OMP_WAIT_POLICY": "PASSIVE",  # every OpenMP
    "GOMP_SPINCOUNT": "0",  # GNU's, which PyTorch uses on Linux
    "KMP_BLOCKTIME": "0",  # Intel's and LLVM's
}


def wait_passively() -> None:
    """Let idle threads sleep; call it before torch is imported. Variables that are set stay."""
    if any(name in os.environ for name in PASSIVE):
        return
    os.environ.update(PASSIVE)
