"""torchrun with two gloo processes."""

from __future__ import annotations

import json
import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from musictk.errors import UsageError
from musictk.model import bundle
from musictk.training.distributed import World, choose_device

SCRIPT = Path(__file__).with_name("every_architecture.py")
SCRIPTED = runpy.run_path(str(SCRIPT))
CASES: dict[str, Any] = SCRIPTED["CASES"]


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[Any]]]:
    """Where every case was trained by two processes, and what each of them said of it."""
    directory = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += [f"--master-port={port}", str(SCRIPT), str(directory)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    said: dict[str, list[Any]] = {}
    for line in done.stdout.splitlines():
        values = json.loads(line)
        said.setdefault(values.pop("case"), []).append(values)
    return directory, said


@pytest.mark.parametrize("case", CASES)
def test_two_processes_train_the_network_that_one_does(
    launched: tuple[Path, dict[str, list[Any]]], small: SimpleNamespace, tmp_path: Path, case: str
) -> None:
    """Same weights on both; those of one process but for the order of sums; and resume is exact."""
    directory, said = launched
    one, other = said[case]
    assert one == other
    assert "error" not in one
    assert (one["ended"], one["step"]) == (["finished", "interrupted", "finished"], 3)
    assert one["whole"] == one["resumed"]
    assert one["skipped"] == 0
    network, _ = bundle.read(directory / case / "cut/last")
    assert bundle.weights_digest(network) == one["whole"]
    alone = SCRIPTED["trained"](small, case, tmp_path / "alone")
    single, _ = bundle.read(alone.last)
    # Half precision turns a different order of sums into different signs of small gradients.
    atol = 1e-2 if case.endswith("fp16") else 2e-3
    for mine, theirs in zip(single.parameters(), network.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=atol)


def test_only_the_first_process_reports_to_its_listener(
    launched: tuple[Path, dict[str, list[Any]]],
) -> None:
    heard = {each["rank"]: each["kinds"] for each in launched[1][SCRIPTED["HEARD"]]}
    assert heard == {0: ["evaluated", "saved", "stepped"], 1: []}


def test_a_missing_device_is_an_error() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("tpu", "cuda:x", "mps"):
        with pytest.raises(UsageError, match=f"no device '{name}'; choose from: cpu, cuda"):
            choose_device(name)
    missing = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(UsageError, match=f"no device '{missing}': torch .* cpu or auto"):
        choose_device(missing)


def test_a_batch_that_does_not_divide_is_refused(small: SimpleNamespace) -> None:
    with pytest.raises(UsageError, match="batch=4 does not divide among 3"):
        World(0, 3, torch.device("cpu"), "ddp").check(small.SMALL)
