"""Each kernel against attention written out pair by pair."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from musictk.model.banded import banded_attention
from musictk.model.decoder import CausalAttention
from musictk.model.relative import RelativeAttention
from musictk.model.windowed import WindowedAttention, WindowMask

HEADS, WIDTH = 2, 8


def qkv(length: int, batch: int = 2) -> list[Tensor]:
    return [torch.randn(batch, HEADS, length, WIDTH) for _ in range(3)]


def spelled_out(
    q: Tensor, k: Tensor, v: Tensor, window: int, extra: Tensor, scale: float = WIDTH**-0.5
) -> Tensor:
    """Attention to the `window` positions before; `extra` (B, H, L, L) is added to the logits."""
    length = q.shape[2]
    logits = q @ k.transpose(2, 3) * scale + extra
    i, j = torch.arange(length)[:, None], torch.arange(length)
    far = (j > i) | (j < i - window)
    return logits.masked_fill(far, -math.inf).softmax(-1) @ v


def empty(batch: int, length: int) -> list[Tensor]:
    return [torch.zeros(batch, HEADS, length, WIDTH) for _ in range(2)]


@pytest.mark.parametrize("capacity", [0, 40])
def test_causal(capacity: int) -> None:
    q, k, v = qkv(33)
    out, *_ = CausalAttention()(q, k, v, torch.zeros(2, dtype=torch.int64), *empty(2, capacity))
    torch.testing.assert_close(out, spelled_out(q, k, v, 99, torch.zeros(33, 33)))


@settings(max_examples=40)
@given(window=st.integers(1, 12), length=st.integers(1, 40), chunk=st.integers(1, 40))
def test_windowed(window: int, length: int, chunk: int) -> None:
    torch.manual_seed(window)
    q, k, v = qkv(length)
    expected = spelled_out(q, k, v, window, torch.zeros(length, length))
    kernel, mask = WindowedAttention(window, WIDTH), WindowMask(window)
    past, parts = empty(2, window), []
    for at in range(0, length, chunk):
        part = [x[:, :, at : at + chunk] for x in (q, k, v)]
        seen = mask(torch.full((2,), at), part[0].shape[2], True)
        out, *past = kernel(*part, seen, *past)
        parts.append(out)
    torch.testing.assert_close(torch.cat(parts, 2), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("window", [5, 64])
def test_windowed_with_a_bias_by_distance(window: int) -> None:
    q, k, v = qkv(50)
    bias = torch.randn(HEADS, window + 1)
    distance = (torch.arange(50)[:, None] - torch.arange(50)).clamp(0, window)
    mask = WindowMask(window)(torch.zeros(2, dtype=torch.int64), 50, False, bias)
    out, *_ = WindowedAttention(window, WIDTH)(q, k, v, mask, *empty(2, 0))
    torch.testing.assert_close(out, spelled_out(q, k, v, window, bias[:, distance]))


@pytest.mark.parametrize("window", [3, 16, 64])
def test_xpos_decays_with_distance_only(window: int) -> None:
    q, k, v = qkv(50)
    kernel = WindowedAttention(window, WIDTH, xpos=True)
    distance = (torch.arange(50)[:, None] - torch.arange(50)).clamp(0, window)
    decayed = torch.exp(distance[..., None] * kernel.decay)  # (L, L, Dh)
    logits = torch.einsum("bhid,bhjd,ijd->bhij", q, k, decayed) * WIDTH**-0.5
    plain = q @ k.transpose(2, 3) * WIDTH**-0.5
    mask = WindowMask(window)(torch.zeros(2, dtype=torch.int64), 50, False)
    out, *_ = kernel(q, k, v, mask, *empty(2, 0))
    expected = spelled_out(q, k, v, window, logits - plain)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    assert (decayed.diff(dim=0) <= 0).all()


def test_xpos_stays_finite_however_far() -> None:
    kernel, mask = WindowedAttention(4, WIDTH, xpos=True), WindowMask(4)
    q, k, v = qkv(5000, batch=1)
    out, *past = kernel(q, k, v, mask(torch.tensor([10**6]), 5000, True), *empty(1, 4))
    assert out.isfinite().all()
    assert all(each.isfinite().all() for each in past)


def relative(distances: int) -> RelativeAttention:
    torch.manual_seed(0)
    return RelativeAttention(HEADS, WIDTH, distances)


@pytest.mark.parametrize("distances", [64, 33, 9, 1])
@pytest.mark.parametrize("capacity", [0, 40])
@torch.no_grad()
def test_relative_attention_adds_q_times_e_of_the_distance(distances: int, capacity: int) -> None:
    kernel = relative(distances)
    q, k, v = qkv(33)
    extra = torch.zeros(2, HEADS, 33, 33)
    for i in range(33):
        for j in range(i + 1):
            e = kernel.table[:, min(i - j, distances - 1)]
            extra[:, :, i, j] = (q[:, :, i] * e).sum(-1) * WIDTH**-0.5  # both terms are scaled
    out, *_ = kernel(q, k, v, torch.zeros(2, dtype=torch.int64), *empty(2, capacity))
    torch.testing.assert_close(out, spelled_out(q, k, v, 99, extra), atol=1e-5, rtol=1e-5)


class Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the size of the largest intermediate result, in elements."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for each in result if isinstance(result, tuple | list) else (result,):
            if isinstance(each, Tensor):
                self.elements = max(self.elements, each.numel())
        return result


def test_skewing_stores_no_vector_per_pair() -> None:
    kernel, length = relative(64), 64
    q, _, _ = qkv(length, batch=1)
    with Largest() as largest, torch.no_grad():  # type: ignore[no-untyped-call]
        kernel.skew(q)
    assert largest.elements <= HEADS * length * (length + 1)  # not length² · Dh


def test_every_kernel_applies_dropout() -> None:
    q, k, v = qkv(20)
    start = torch.zeros(2, dtype=torch.int64)
    runs = [
        (CausalAttention(0.5), (start, *empty(2, 0))),
        (WindowedAttention(4, WIDTH, 0.5), (WindowMask(4)(start, 20, False), *empty(2, 0))),
        (RelativeAttention(HEADS, WIDTH, 8, 0.5), (start, *empty(2, 0))),
    ]
    for kernel, rest in runs:
        assert not torch.equal(kernel(q, k, v, *rest)[0], kernel(q, k, v, *rest)[0])
        kernel.eval()
        assert torch.equal(kernel(q, k, v, *rest)[0], kernel(q, k, v, *rest)[0])


@pytest.mark.parametrize("length", [300, 3000])  # the probabilities take 3 MB, and 288 MB
def test_a_long_row_keeps_no_probabilities(length: int) -> None:
    """They are computed again, with the same gradient."""
    q, k, v = (torch.randn(1, 16, length, 8, requires_grad=True) for _ in "qkv")
    saved = 0

    def count(tensor: Tensor) -> Tensor:
        nonlocal saved
        saved += tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        out = banded_attention(q, k, v)
    kept = saved - sum(each.nbytes for each in (q, k, v))
    assert kept == (16 * 4 * (128 * 128 + 128 * 256 + 44 * 300) if length == 300 else 0)
    slope = torch.randn_like(out)
    found = torch.autograd.grad(out, (q, k, v), slope)
    plain = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    for ours, theirs in zip(found, torch.autograd.grad(plain, (q, k, v), slope), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)
