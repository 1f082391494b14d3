"""The number of threads: given, shared among processes, or the faster of those measured."""

from __future__ import annotations

import pytest
import torch

from musictk.errors import UsageError
from musictk.training.threads import candidates, faster, given_threads, use_threads
from musictk.training.torchrun import variable


@pytest.mark.parametrize(
    ("environment", "threads"),
    [
        ({}, 0),  # is measured
        ({"OMP_NUM_THREADS": "1"}, 1),
        ({"MKL_NUM_THREADS": "1"}, 1),
        ({"LOCAL_WORLD_SIZE": "1"}, 0),
        ({"LOCAL_WORLD_SIZE": "4"}, 2),
        ({"LOCAL_WORLD_SIZE": "4", "OMP_NUM_THREADS": "1"}, 2),  # as torchrun sets it
        ({"LOCAL_WORLD_SIZE": "16", "OMP_NUM_THREADS": "1"}, 1),
    ],
)
def test_the_environment_and_torchrun_give_the_number(
    environment: dict[str, str], threads: int
) -> None:
    """On eight cores; torch itself has one thread here."""
    assert given_threads("cpu", 8, environment) == threads


def test_a_variable_of_torchrun_that_is_no_number_is_named() -> None:
    with pytest.raises(UsageError, match="LOCAL_WORLD_SIZE=many is no number; start several"):
        given_threads("cpu", 8, {"LOCAL_WORLD_SIZE": "many"})
    with pytest.raises(UsageError, match="WORLD_SIZE is set, but not RANK; start several"):
        variable("RANK", environment={"WORLD_SIZE": "2"})


def test_a_number_that_the_user_sets_counts_under_torchrun() -> None:
    with use_threads(3):
        environment = {"LOCAL_WORLD_SIZE": "4", "OMP_NUM_THREADS": "3"}
        assert given_threads("cpu", 8, environment) == 3


def test_nothing_is_measured_for_cuda() -> None:
    with use_threads(3):
        assert given_threads("cuda", 8, {}) == 3


def test_one_thread_and_all_are_measured_unless_a_number_is_given() -> None:
    assert candidates(0) == (1,)
    with use_threads(3):
        assert candidates(0) == (1, 3)
        assert candidates(2) == (2,)


@pytest.mark.parametrize(
    ("seconds", "threads"),
    [
        ({1: 1.0}, 1),
        ({1: 1.0, 2: 0.6}, 2),
        ({1: 1.0, 2: 0.9}, 2),
        ({1: 1.0, 2: 0.95}, 1),  # gains too little
        ({1: 0.003, 2: 0.07}, 1),  # other processes want the cores
    ],
)
def test_more_threads_are_used_if_they_gain_enough(seconds: dict[int, float], threads: int) -> None:
    assert faster(seconds) == threads


def test_beside_other_processes_more_threads_have_to_gain_more() -> None:
    assert faster({1: 1.0, 2: 0.8}, core=0.4) == 1
    assert faster({1: 1.0, 2: 0.6}, core=0.4) == 2
    assert faster({1: 1.0, 2: 0.8}, core=0.99) == 2


def test_the_number_is_restored() -> None:
    before = torch.get_num_threads()
    with use_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        with use_threads(0):
            assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
