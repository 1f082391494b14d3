"""The precision that `auto` stands for, and how fast a processor multiplies matrices in each."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch

from musictk.training.devices import DTYPES
from musictk.training.settings import PrecisionName, TrainSettings
from musictk.training.threads import use_threads

FASTER = 1.5  # the least gain of a matrix product in bf16 for which `auto` chooses it
_SIZE, _ROUNDS = 512, 5  # of the timed products; one takes about 3 ms in fp32
_LONGEST = 0.1  # seconds after which no further round begins
_X86 = ("x86_64", "amd64", "i386", "i686")


def resolve(settings: TrainSettings, device: str | torch.device) -> TrainSettings:
    """The settings with the precision that `auto` stands for on this device."""
    if settings.precision.precision != "auto":
        return settings
    chosen = replace(settings.precision, precision=fastest(device))
    return replace(settings, precision=chosen)


def fastest(device: str | torch.device) -> PrecisionName:
    """bf16 where the device has instructions for it and gains by them, else fp32."""
    if torch.device(device).type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if gain("bf16") >= FASTER else "fp32"


def slow(precision: str, device: str | torch.device) -> str:
    """Why a precision that was asked for is slow on this device; "" where it is not."""
    if torch.device(device).type == "cuda" or precision not in DTYPES:
        return ""
    if (faster := gain(precision)) >= 1:
        return ""
    how = f"{faster:.2g} × the speed of fp32" if faster else "emulated"
    return f"{precision} is slow on this CPU ({how}); precision={fastest(device)} is faster"


def gain(precision: str) -> float:
    """How many times faster than fp32 this CPU multiplies in `precision`; 1 for fp32.

    0 without a measurement where bf16 is emulated: its instructions are looked up first.
    """
    if precision == "fp32" or (precision == "bf16" and not bf16_instructions()):
        return float(precision == "fp32")
    return product_rate(precision) / product_rate("fp32")


def bf16_instructions() -> bool:
    """Whether this CPU multiplies bf16 with instructions of its own: AMX, AVX-512 BF16, or Arm's.

    `mkldnn` alone does not tell on x86: it also supports bf16 where it has to emulate it.
    """
    if platform.machine().lower() in _X86:
        return _any(torch.cpu, "_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return _any(torch.ops.mkldnn, "_is_mkldnn_bf16_supported")


@cache
def product_rate(precision: str) -> float:
    """FLOP/s of a matrix product on one core, the best of some; CPU time, so load matters little.

    Measured once per process. 0 if the product fails.
    """
    kind = DTYPES.get(precision, torch.float32)
    with use_threads(1):
        try:
            a = torch.ones(_SIZE, _SIZE).to(kind)
            seconds = [_thread_seconds(lambda: torch.mm(a, a))]  # the first also prepares kernels
            while len(seconds) <= _ROUNDS and sum(seconds) < _LONGEST:
                seconds.append(_thread_seconds(lambda: torch.mm(a, a)))
        except RuntimeError:  # not implemented for this type
            return 0.0
    return float(2 * _SIZE**3 / max(min(seconds), 1e-9))


def _thread_seconds(action: Callable[[], object]) -> float:
    """CPU seconds of this thread."""
    start = time.thread_time()
    action()
    return time.thread_time() - start


def _any(owner: object, *names: str) -> bool:
    """Whether any of these private functions of torch exists and returns True."""
    for name in names:
        try:
            if getattr(owner, name)():
                return True
        except (AttributeError, RuntimeError):
            continue
    return False
