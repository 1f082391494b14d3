"""A typed error where a tensor does not fit into memory. Free of torch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from musictk.errors import MusictkError

_ASKED = re.compile(r"[Tt]ried to allocate ([\d.]+ \w+)")
_MARKS = (
    *("DefaultCPUAllocator: can't allocate", "DefaultCPUAllocator: not enough memory"),
    "Failed to allocate memory",  # ONNX Runtime
)


@contextmanager
def enough_memory(hint: str) -> Iterator[None]:
    """Turn an allocation that fails, of PyTorch or ONNX Runtime, into a MusictkError."""
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one, and ONNX Runtime's are
        text, on_gpu = str(error), type(error).__name__ == "OutOfMemoryError"
        if not on_gpu and not any(mark in text for mark in _MARKS):
            raise
        found = _ASKED.search(text)
        asked = f": {found[1]} were requested" if found else ""
        where = "GPU memory" if on_gpu else "memory"
        raise MusictkError(f"not enough {where}{asked}", hint) from error
