"""The shim in C: build it, and let the N-th call that writes a file fail. Linux only."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")


def compiler() -> str | None:
    """A C compiler, where the shim can work at all."""
    return shutil.which("cc") or shutil.which("gcc") if sys.platform == "linux" else None


def build(target: Path) -> Path:
    """Compile the shim to `target`, to be named in LD_PRELOAD."""
    command = [str(compiler()), "-shared", "-fPIC", "-O1", "-o", str(target), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return target


@dataclass(frozen=True)
class Fault:
    """The call that fails, how, and whether all later ones do too."""

    site: int  # counted from 1; 0: none, only count
    error: int
    opens: bool = False  # count every opening of a file, not what writes below the folder
    stays: bool = False


class Shim:
    """The shim in this process, which was started with it preloaded."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._library.fault_fired.restype = ctypes.c_char_p
        self._library.fault_calls.restype = ctypes.c_char_p

    def arm(self, fault: Fault, folder: Path) -> None:
        self._library.fault_arm(
            ctypes.c_long(fault.site),
            fault.error,
            int(fault.opens),
            int(fault.stays),
            str(folder).encode(),
        )

    def disarm(self) -> list[str]:
        """Every call that was counted, and its path, where none was to fail."""
        self._library.fault_disarm()
        return self._library.fault_calls().decode("utf-8", "replace").splitlines()

    @property
    def fired(self) -> str:
        """The call that failed and its path; empty if none did."""
        return str(self._library.fault_fired().decode())
