"""Walk every write of every command: `python -m tests.faults [--help]`. Takes minutes."""

from __future__ import annotations

import argparse
import errno
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.shim import build, compiler

ERRORS = "ENOSPC,EIO,EACCES,EROFS,EMFILE"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("commands", nargs="*", help="of tests/faults/walk.py; by default all")
    parser.add_argument("--errors", default=ERRORS, help=f"by default {ERRORS}")
    parser.add_argument("--many", type=int, default=4, help="of calls that are alike; 4")
    parser.add_argument("--take", type=int, default=0, help="so many of each command; all")
    parser.add_argument("--stays", action="store_true", help="all later calls fail too")
    parser.add_argument("--quick", action="store_true", help="without the exports")
    return parser.parse_args()


def walk(asked: argparse.Namespace, folder: Path) -> int:
    """How many commands did not end well."""
    from tests.faults.walk import COMMANDS, Choice, Walk

    walker, wrong = Walk(folder), 0
    for command in COMMANDS:
        if asked.commands and command.name not in asked.commands:
            continue
        if asked.quick and command.slow:
            continue
        for name in asked.errors.split(","):
            began = time.perf_counter()
            error, limit = getattr(errno, name), Choice(asked.many, asked.take)
            report = walker.command(command, error, limit, asked.stays)
            seconds = time.perf_counter() - began
            print(
                f"{command.name:12} {name:7} {report.tried:4} sites, {report.failed:4} refused,"
                f" {len(report.faults):3} wrong, {seconds:.0f} s",
                flush=True,
            )
            print(
                *(f"  {fault}" for fault in report.faults), sep="\n", end="\n"[: len(report.faults)]
            )
            wrong += len(report.faults)
    return wrong


def main() -> None:
    asked = arguments()
    if compiler() is None:
        sys.exit("the shim needs Linux and a C compiler")
    if "FAULT_SHIM" in os.environ:
        with tempfile.TemporaryDirectory() as folder:
            sys.exit(walk(asked, Path(folder)) > 0)
    with tempfile.TemporaryDirectory() as folder:
        shim = str(build(Path(folder, "shim.so")))
        environment = os.environ | {"FAULT_SHIM": shim, "LD_PRELOAD": shim, "TMPDIR": folder}
        command = [sys.executable, "-m", "tests.faults", *sys.argv[1:]]
        sys.exit(os.spawnve(os.P_WAIT, sys.executable, command, environment))


if __name__ == "__main__":
    main()
