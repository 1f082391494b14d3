"""Memory that runs out is one line, with what to change."""

from __future__ import annotations

import pytest
import torch

from musictk.errors import MusictkError
from musictk.model.memory import enough_memory


def test_a_tensor_that_does_not_fit_is_typed() -> None:
    with pytest.raises(MusictkError) as found, enough_memory("use a smaller batch"):
        torch.empty(1 << 52)
    assert str(found.value).startswith("not enough memory: ")
    assert str(found.value).endswith(" bytes were requested; use a smaller batch")


def test_the_gpu_is_named() -> None:
    said = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79 GiB"
    with pytest.raises(MusictkError) as found, enough_memory("use a smaller batch"):
        raise torch.OutOfMemoryError(said)
    expected = "not enough GPU memory: 20.00 GiB were requested; use a smaller batch"
    assert str(found.value) == expected


def test_other_errors_are_not_changed() -> None:
    with pytest.raises(RuntimeError, match="shape"), enough_memory("use a smaller batch"):
        raise RuntimeError("shape")
