"""The laws of an architecture: chunking, causality, independent rows, and what they rest on.

    @pytest.mark.parametrize("space", SPACES)
    @pytest.mark.parametrize("law", LAWS)
    def test_my_body(law: Law, space: Space) -> None:
        law(tiny(MyBody, space), space)

Parity of the exports is in `musictk.testing.exports`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from musictk.config import build
from musictk.model.contract import Architecture
from musictk.model.network import Network, NetworkConfig, loss
from musictk.tokens import Frames, Space, Tokens

Law = Callable[[Network, Space], None]

SPACES: tuple[Space, ...] = (Tokens(61), Frames(16))
SMALL = {"dim": 32, "depth": 2, "heads": 4}
LENGTH = 70
CLOSE = 1e-5  # in single precision, between ways of cutting the same sequence
STEPS = 1024


def tiny(architecture: type[Architecture], space: Space, **options: Any) -> Network:
    """A small untrained network in evaluation mode, no weight of it at rest at zero or one."""
    torch.manual_seed(0)
    config: Any = build(architecture.Config, SMALL | options, architecture.name)
    network = Network(architecture(config), space, {"composer": 3}, NetworkConfig()).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


def chunking(network: Network, space: Space) -> None:
    """One shot = step by step = ragged chunks = rows that stand at different positions."""
    sequence, condition = _noise(space, 2, LENGTH), _condition(network, 2)
    whole = _play(network, sequence, condition)
    for chunks in ([LENGTH], [1] * LENGTH, [7, 1, 1, 40, 2, 19], [33, 37]):
        played = _play(network, sequence, condition, chunks, network.begin(2, LENGTH + 3))
        _assert_close(played, whole, f"chunks of {chunks}")
    apart = _apart(network, sequence, condition, (3, 50))
    _assert_close(apart, torch.stack([whole[0, 3:12], whole[1, 50:59]]), "rows apart")


def fixed_state(network: Network, space: Space) -> None:
    """The state keeps its shapes, its rows lie along dimension 0, and it can be begun anew."""
    sequence, condition = _noise(space, 3, 5), _condition(network, 3)
    with torch.no_grad():
        before = network.begin(3, 9)
        shapes = [(tensor.shape, tensor.dtype) for tensor in before]
        _, after = network(sequence, condition, before)
    assert [(tensor.shape, tensor.dtype) for tensor in after] == shapes, "the state changed shape"
    assert all(tensor.shape[0] == 3 for tensor in after), "a state tensor has no row for each row"
    assert not any(tensor.any() for tensor in network.begin(3, 9)), "begin() gave a used state"


def causality(network: Network, space: Space) -> None:
    """A changed future changes nothing before it, not by one bit."""
    sequence, condition = _noise(space, 2, LENGTH), _condition(network, 2)
    changed = torch.cat([sequence[:, :41], _noise(space, 2, LENGTH)[:, 41:]], 1)
    for capacity in (0, LENGTH):
        one = _play(network, sequence, condition, state=network.begin(2, capacity))
        two = _play(network, changed, condition, state=network.begin(2, capacity))
        assert torch.equal(one[:, :41], two[:, :41]), "the future shows in the past"
        assert not torch.equal(one[:, 41:], two[:, 41:]), "the sequence does not show at all"


def rows(network: Network, space: Space) -> None:
    """What stands in one row changes nothing in another, not by one bit."""
    sequence, condition = _noise(space, 3, LENGTH), _condition(network, 3)
    changed = sequence.clone()
    changed[1] = _noise(space, 3, LENGTH)[1]
    for capacity, chunks in ((0, [LENGTH]), (LENGTH, [30, 1, 39])):
        one = _play(network, sequence, condition, chunks, network.begin(3, capacity))
        two = _play(network, changed, condition, chunks, network.begin(3, capacity))
        assert torch.equal(one[::2], two[::2]), "rows touch each other"
        assert not torch.equal(one[1], two[1]), "the sequence does not show at all"


def gradients(network: Network, space: Space) -> None:
    """Every weight learns: its gradient is finite and not zero."""
    sequence, condition = _noise(space, 2, LENGTH), network.condition(torch.tensor([[0], [2]]))
    logits, _ = network.train()(sequence[:, :-1], condition, network.begin(2, 0))
    loss(logits, sequence[:, 1:], space).mean().backward()  # type: ignore[no-untyped-call]
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, f"{name} is not used"
        assert parameter.grad.isfinite().all(), f"{name} has a gradient that is not finite"
        assert parameter.grad.any(), f"{name} does not learn"


def half_precision(network: Network, space: Space) -> None:
    """Under bfloat16 autocast it trains and steps, and says nearly the same."""
    sequence, condition = _noise(space, 2, LENGTH), _condition(network, 2)
    whole = _play(network, sequence, condition)
    with torch.autocast("cpu", torch.bfloat16):
        for capacity, chunks in ((0, [LENGTH]), (LENGTH, [LENGTH - 3, 1, 1, 1])):
            state = network.begin(2, capacity)
            rounded = _play(network, sequence, condition, chunks, state).float()
            assert (rounded - whole).abs().mean() < 0.1 * whole.std(), "far off in bfloat16"


def scripted(network: Network, space: Space) -> None:
    """TorchScript compiles it, and plays the same 1,024 greedy steps as eager PyTorch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        compiled = torch.jit.script(network)
    sequence, condition = _noise(space, 3, LENGTH), _condition(network, 3)
    for batch, chunks in ((3, [31, 1, 38]), (1, [1, 69])):
        heard, under = sequence[:batch], condition[:batch]
        one = _play(compiled, heard, under, chunks, compiled.begin(batch, LENGTH))
        _assert_close(one, _play(network, heard, under), f"{batch} scripted rows", 1e-4)
    heard, said = _greedy(compiled, space, condition[:1], STEPS)
    alone = _play(network, heard, condition[:1])
    _assert_close(said, alone, f"{STEPS} scripted steps", 1e-4)
    assert torch.equal(_choice(said, space), _choice(alone, space)), "greedy choices differ"


LAWS: tuple[Law, ...] = (
    chunking, fixed_state, causality, rows, gradients, half_precision, scripted,
)  # fmt: skip


@torch.no_grad()
def _play(
    network: Any,
    sequence: Tensor,
    condition: Tensor,
    chunks: Sequence[int] = (),
    state: list[Tensor] | None = None,
) -> Tensor:
    """(B, T, V) logits of `sequence`, in one shot or cut into `chunks` that go on from `state`."""
    state = network.begin(len(sequence), 0) if state is None else state
    parts, at = [], 0
    for size in chunks or [sequence.shape[1]]:
        logits, state = network(sequence[:, at : at + size], condition, state)
        parts.append(logits)
        at += size
    return torch.cat(parts, 1)


@torch.no_grad()
def _apart(network: Network, sequence: Tensor, condition: Tensor, starts: Iterable[int]) -> Tensor:
    """(B, 9, V): rows that have heard their sequence up to `starts`, going on together."""
    ends = list(enumerate(starts))
    states = [
        network(sequence[[row], :end], condition[[row]], network.begin(1, LENGTH))[1]
        for row, end in ends
    ]
    state = [torch.cat(slots) for slots in zip(*states, strict=True)]
    coming = torch.stack([sequence[row, end : end + 9] for row, end in ends])
    return _play(network, coming, condition, [1, 1, 1, 6], state)


@torch.no_grad()
def _greedy(network: Any, space: Space, condition: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """What was fed, beginning with the start, and the logits of each step."""
    state = network.begin(1, steps)
    fed, said = [torch.from_numpy(space.start(1))], []
    for _ in range(steps):
        logits, state = network(fed[-1], condition, state)
        said.append(logits)
        fed.append(_choice(logits, space))
    return torch.cat(fed[:-1], 1), torch.cat(said, 1)


def _choice(logits: Tensor, space: Space) -> Tensor:
    return (logits > 0).to(torch.uint8) if isinstance(space, Frames) else logits.argmax(-1)


def _noise(space: Space, batch: int, length: int) -> Tensor:
    """A random sequence; each call gives another."""
    if isinstance(space, Frames):
        return (torch.rand(batch, length, space.width) < 0.2).to(torch.uint8)
    return torch.randint(3, space.size, (batch, length))


def _condition(network: Network, batch: int) -> Tensor:
    return network.condition(torch.arange(batch).unsqueeze(1) % 3).detach()


def _assert_close(one: Tensor, two: Tensor, what: str, tolerance: float = CLOSE) -> None:
    difference = (one - two).abs().max().item()
    assert difference <= tolerance, f"{what}: logits differ by {difference:.2g}"
