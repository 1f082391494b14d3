"""Batches on their device, and mixed precision."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def tensors(arrays: Iterable[NDArray[Any]], device: torch.device) -> list[Tensor]:
    """The arrays as tensors on the device."""

    def move(array: NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if device.type == "cuda":
            return tensor.pin_memory().to(device, non_blocking=True)
        return tensor

    return [move(array) for array in arrays]


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Automatic mixed precision, off for fp32; "auto" has to be resolved before."""
    dtype = DTYPES.get(precision)
    return torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None)
