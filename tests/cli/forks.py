"""Commands forked off a process that has loaded the libraries: importing them takes the most time.

Each is still a separate process, with its own directory, environment and streams. What it
shares with the others is what was imported before any of them began, and the seed of `hash`.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import runpy
import subprocess
import sys
from functools import cache
from importlib.metadata import entry_points
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

THERE = sys.platform == "linux"  # elsewhere a fork of a process with libraries is not safe
PACKAGES = ("musictk", *sorted(point.module for point in entry_points(group="musictk")))
LATE = ("torch._dynamo", "torch.onnx", "torch.export", "onnxscript", "onnxruntime", "miditok")


def run(
    module: str, arguments: list[str], cwd: Path, env: dict[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """As subprocess.run of `python -m module *arguments`, without a standard input."""
    with TemporaryDirectory() as folder:
        streams = [f"{folder}/out", f"{folder}/err"]
        asked = {"module": module, "arguments": arguments, "cwd": str(cwd), "env": env}
        server = _server()
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps({**asked, "streams": streams, "timeout": timeout}) + "\n")
        server.stdin.flush()
        ended = server.stdout.readline()
        assert ended, "the process that forks has ended; its error is above"
        out, err = (Path(path).read_text("utf-8") for path in streams)
    return subprocess.CompletedProcess([module, *arguments], int(ended), out, err)


@cache
def _server() -> subprocess.Popen[str]:
    """Ends when this process does: its input ends then."""
    return subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def _load() -> None:
    """Import what commands import, and nothing that does more than that."""
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        for module in pkgutil.walk_packages(path, f"{package}."):
            if not module.name.endswith(".__main__") and ".migrations." not in module.name:
                importlib.import_module(module.name)
    for name in LATE:
        importlib.import_module(name)


def _serve() -> None:
    """Fork a program for each line of the input; answer with its exit code."""
    sys.path[0] = ""  # as `python -m` has it
    requests, replies = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    _load()
    gc.freeze()  # a collection would copy every page it looks at
    for line in requests:
        asked = json.loads(line)
        timeout = asked.pop("timeout")
        program = get_context("fork").Process(target=_become, kwargs=asked)
        program.start()
        program.join(timeout)
        program.kill()
        program.join()
        replies.write(f"{program.exitcode}\n")
        replies.flush()


def _become(
    module: str, arguments: list[str], cwd: str, env: dict[str, str], streams: list[str]
) -> None:
    """Be that program, to its end."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, path in enumerate([os.devnull, *streams]):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()
