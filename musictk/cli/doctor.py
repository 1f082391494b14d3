"""`musictk doctor`."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import typer

from musictk.cli.context import session
from musictk.plugin import registry

# The lowest version without a known vulnerability: torch and onnx had loader CVEs below these.
FLOORS = {"torch": (2, 10), "onnx": (1, 21), "symusic": (0, 5), "miditok": (3, 1)}
PACKAGES = ("torch", "onnx", "onnxruntime-gpu", "onnxruntime", "symusic", "miditok", "safetensors")
WAL_FIXED = (3, 51, 3)  # SQLite before this has a WAL-reset bug with several connections


def doctor(context: typer.Context) -> None:
    """Check this installation and machine.

    Exit code 1 means that something has to be fixed.
    """
    here = session(context)
    rows: list[dict[str, Any]] = [
        _row("python", platform.python_version(), sys.version_info < (3, 14)),
        *_packages(),
        _sqlite(),
        *_devices(),
        _row("cores", os.cpu_count(), True),
        _disk(here.workspace.root),
    ]
    rows += [_row(f"plugin {f.origin}", f.reason, False) for f in registry().failures]
    here.output.table(rows, ("thing", "found", "verdict"))
    if any(row["verdict"] == "fix" for row in rows):
        raise typer.Exit(1)


def _row(thing: str, found: Any, fine: bool, verdict: str = "fix") -> dict[str, Any]:
    return {"thing": thing, "found": found, "verdict": "ok" if fine else verdict}


def _packages() -> list[dict[str, Any]]:
    rows = []
    for name in PACKAGES:
        try:
            found = version(name)
        except PackageNotFoundError:
            continue
        parts = tuple(int(part) for part in found.split("+")[0].split(".")[:2])
        rows.append(_row(name, found, parts >= FLOORS.get(name, (0,))))
    return rows


def _sqlite() -> dict[str, Any]:
    fine = sqlite3.sqlite_version_info >= WAL_FIXED
    return _row("sqlite", sqlite3.sqlite_version, fine, "ok, but use one writing process at a time")


def _devices() -> list[dict[str, Any]]:
    import torch

    rows = [_row("threads", torch.get_num_threads(), True)]
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        memory = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
        rows.append(_row(f"cuda:{index}", memory, True))
    if len(rows) == 1:
        rows.append(_row("gpu", "none: training and sampling run on the CPU", True))
    import onnxruntime

    providers = [p.removesuffix("ExecutionProvider") for p in onnxruntime.get_available_providers()]
    return [*rows, _row("onnxruntime providers built in", ", ".join(providers), True)]


def _disk(root: Any) -> dict[str, Any]:
    free = shutil.disk_usage(root).free / 2**30
    return _row("free disk", f"{free:.1f} GiB", free > 1)
