"""torchrun with two gloo processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from musictk.errors import UsageError
from musictk.model import bundle
from musictk.training.distributed import World, choose_device


def _torchrun(script: Path, directory: Path, *arguments: str) -> list[list[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += [f"--master-port={port}", str(script), str(directory), *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    return [line.split() for line in done.stdout.splitlines()]


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_processes_train_the_network_that_one_does(
    small: SimpleNamespace, tmp_path: Path, parallel: str
) -> None:
    """Same weights on both; those of one process but for the order of sums; and resume is exact."""
    options = [f"parallel={parallel}", "accumulation=2", "dropout=0"]
    cut = _torchrun(small.script, tmp_path / "cut", *options, "stop=7")
    assert [line[:2] for line in cut] == [["interrupted", "7"]] * 2
    two = _torchrun(small.script, tmp_path / "cut", *options, "--resume")
    assert two[0] == two[1]
    assert two[0][:2] == ["finished", "12"]
    network, _ = bundle.read(tmp_path / "cut/last")
    assert bundle.weights_digest(network) == two[0][2]
    settings = small.SMALL.but(accumulation=2)
    small.run(tmp_path / "one", settings, dropout=0.0)
    single, _ = bundle.read(tmp_path / "one/last")
    for one, other in zip(single.parameters(), network.parameters(), strict=True):
        assert torch.allclose(one, other, atol=2e-3)


def test_a_device_that_is_not_there_is_named() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("tpu", "cuda:x", "mps"):
        with pytest.raises(UsageError, match=f"no device '{name}'; there is: cpu, cuda"):
            choose_device(name)
    missing = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(UsageError, match=f"no device '{missing}': torch .* cpu or auto"):
        choose_device(missing)


def test_a_batch_that_does_not_divide_is_refused(small: SimpleNamespace) -> None:
    with pytest.raises(UsageError, match="batch=4 does not divide among 3"):
        World(0, 3, torch.device("cpu"), "ddp").check(small.SMALL)
