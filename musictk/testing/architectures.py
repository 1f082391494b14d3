"""Check the laws of architectures: shapes, chunking, causality, rows and what these need.

    @pytest.mark.parametrize("space", SPACES)
    @pytest.mark.parametrize("law", LAWS)
    def test_laws(law: Law, space: Space) -> None:
        law(tiny(MyArchitecture, space), space)

Parity of exports is in `musictk.testing.exports`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from musictk.controls import Controls
from musictk.controls.arrangement import Remaining, Role
from musictk.errors import MusictkError
from musictk.model.contract import Architecture
from musictk.model.network import Network, NetworkConfig, loss
from musictk.offers import make_component
from musictk.tokens import Frames, Space, Tokens

Law = Callable[[Network, Space], None]

SPACES: tuple[Space, ...] = (Tokens(61), Frames(16))
SMALL = {"dim": 32, "depth": 2, "heads": 4}
LENGTH = 70
CLOSE = 1e-5  # single precision, between ways to cut the same sequence into chunks
STEPS = 1024  # of greedy decoding
CONTROLS = Controls.of([Role(), Remaining()])  # those of the core; of bars of _BAR positions
_BAR = 16


def tiny(architecture: type[Architecture], space: Space, **options: Any) -> Network:
    """A small untrained network in evaluation mode; noise is added so that no weight is 0 or 1."""
    torch.manual_seed(0)
    try:
        config = _room(architecture) | SMALL | options
        body = make_component(architecture, config)
    except MusictkError as error:
        raise AssertionError(str(error)) from error
    network = Network(body, space, {"composer": 3}, NetworkConfig(), CONTROLS)
    network.eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


def _room(architecture: type[Architecture]) -> dict[str, int]:
    """A `max_length` for STEPS positions, where the default of the Config is below it."""
    default = {each.name: each.default for each in fields(architecture.Config)}["max_length"]
    return {} if isinstance(default, int) and default >= STEPS else {"max_length": 2 * STEPS}


def shapes(network: Network, space: Space) -> None:
    """(B, T, D) in gives (B, T, D) out and a list of tensors, and all logits are finite."""
    body, batch, length = network.body, 2, 5
    expected = (batch, length, body.dim)
    for capacity in (0, LENGTH):
        state = body.begin(batch, capacity)
        _assert_state(state, "begin()", batch)
        with torch.no_grad():
            found = body(torch.randn(expected), state)
        assert isinstance(found, tuple), f"forward() returns {_kind(found)} and not a pair"
        assert len(found) == 2, f"forward() returns {len(found)} values and not a pair"
        output, after = found
        assert isinstance(output, Tensor), f"the output is {_kind(output)} and not a tensor"
        shape = tuple(output.shape)
        assert shape == expected, f"the output is {shape} and not (B, T, D) = {expected}"
        _assert_state(after, "forward()", batch)
        assert len(after) == len(state), (
            f"begin() returns {len(state)} tensors of state, and forward() {len(after)}"
        )
    logits = _run(network, _noise(space, batch, LENGTH), _condition(network, batch))
    assert logits.isfinite().all(), "logits are not finite"


def _assert_state(state: Any, what: str, batch: int) -> None:
    assert isinstance(state, list), f"the state of {what} is {_kind(state)} and not a list"
    for each in state:
        assert isinstance(each, Tensor), f"the state of {what} has {_kind(each)}, not only tensors"
        shape = tuple(each.shape)
        assert shape[:1] == (batch,), (
            f"the state of {what} has a tensor of shape {shape}: the first dimension is not the"
            f" {batch} rows of the batch"
        )


def _kind(value: Any) -> str:
    return f"a value of type {type(value).__name__}"


def chunking(network: Network, space: Space) -> None:
    """One pass = step by step = ragged chunks = rows at different positions."""
    sequence, condition = _noise(space, 2, LENGTH), _condition(network, 2).detach()
    whole = _run(network, sequence, condition)
    for chunks in ([LENGTH], [1] * LENGTH, [7, 1, 1, 40, 2, 19], [33, 37]):
        logits = _run(network, sequence, condition, chunks, network.begin(2, LENGTH + 3))
        _assert_close(logits, whole, _named(chunks))
    staggered = _staggered(network, sequence, condition, (3, 50))
    expected = torch.stack([whole[0, 3:12], whole[1, 50:59]])
    assert not torch.allclose(whole, _run(network, sequence, condition[:, :1])), "no bar controls"
    _assert_close(staggered, expected, "rows at different positions")


def _named(chunks: Sequence[int]) -> str:
    """Such as "70 chunks of 1", or "chunks of 33, 37"."""
    if len(set(chunks)) == 1:
        return f"{len(chunks)} chunk{'s' if len(chunks) > 1 else ''} of {chunks[0]}"
    return f"chunks of {', '.join(map(str, chunks))}"


def fixed_state(network: Network, space: Space) -> None:
    """The state keeps its shapes, has its rows along dimension 0, and `begin` gives a fresh one."""
    sequence, condition = _noise(space, 3, 5), _condition(network, 3, 5).detach()
    with torch.no_grad():
        before = network.begin(3, 9)
        fresh = [tensor.clone() for tensor in before]
        shapes = [(tensor.shape, tensor.dtype) for tensor in before]
        _, after = network(sequence, condition, before)
    assert [(tensor.shape, tensor.dtype) for tensor in after] == shapes, "the state changed shape"
    assert all(tensor.shape[0] == 3 for tensor in after), "a state tensor lacks the batch dimension"
    again = zip(fresh, network.begin(3, 9), strict=True)
    assert all(torch.equal(*pair) for pair in again), "begin() returned a state that was used"


def causality(network: Network, space: Space) -> None:
    """Changing a position, or the control of a bar, does not change earlier logits, bit for bit.

    Neither in training mode, with the same random numbers for dropout.
    """
    sequence, condition = _noise(space, 2, LENGTH), _condition(network, 2).detach()
    changed = torch.cat([sequence[:, :41], _noise(space, 2, LENGTH)[:, 41:]], 1)
    others = torch.cat([condition[:, :41], condition[:, 41:].flip(1)], 1)
    given = ((sequence, condition), (changed, condition), (sequence, others))
    for training, capacity in ((False, 0), (False, LENGTH), (True, 0)):
        mode = "in training mode " * training
        runs = []
        for music, controls in given:
            tried = deepcopy(network).train(training)  # training may change buffers
            torch.manual_seed(0)
            runs.append(_run(tried, music, controls, state=tried.begin(2, capacity)))
        one = runs[0]
        for two in runs[1:]:
            same_past = torch.equal(one[:, :41], two[:, :41])
            assert same_past, f"{mode}logits depend on the future"
            same_future = torch.equal(one[:, 41:], two[:, 41:])
            assert not same_future, f"{mode}logits do not depend on the sequence"


def rows(network: Network, space: Space) -> None:
    """Changing one row does not change other rows, bit for bit."""
    sequence, condition = _noise(space, 3, LENGTH), _condition(network, 3).detach()
    changed = sequence.clone()
    changed[1] = _noise(space, 3, LENGTH)[1]
    for capacity, chunks in ((0, [LENGTH]), (LENGTH, [30, 1, 39])):
        one = _run(network, sequence, condition, chunks, network.begin(3, capacity))
        two = _run(network, changed, condition, chunks, network.begin(3, capacity))
        assert torch.equal(one[::2], two[::2]), "rows depend on each other"
        assert not torch.equal(one[1], two[1]), "logits do not depend on the sequence"


def gradients(network: Network, space: Space) -> None:
    """Every parameter gets a gradient that is finite and not zero."""
    sequence = _noise(space, 2, LENGTH)
    condition = _condition(network.train(), 2, LENGTH - 1)
    logits, _ = network(sequence[:, :-1], condition, network.begin(2, 0))
    loss(logits, sequence[:, 1:], space).mean().backward()  # type: ignore[no-untyped-call]
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, f"{name} is not used"
        assert parameter.grad.isfinite().all(), f"{name} has a gradient that is not finite"
        assert parameter.grad.any(), f"{name} has a gradient of zero"


def half_precision(network: Network, space: Space) -> None:
    """Under bfloat16 autocast, whole passes and steps give nearly the same logits."""
    sequence, condition = _noise(space, 2, LENGTH), _condition(network, 2).detach()
    whole = _run(network, sequence, condition)
    with torch.autocast("cpu", torch.bfloat16):
        for capacity, chunks in ((0, [LENGTH]), (LENGTH, [LENGTH - 3, 1, 1, 1])):
            state = network.begin(2, capacity)
            rounded = _run(network, sequence, condition, chunks, state).float()
            assert (rounded - whole).abs().mean() < 0.1 * whole.std(), "logits differ in bfloat16"


def scripted(network: Network, space: Space) -> None:
    """TorchScript compiles it, and 1,024 greedy steps agree with eager PyTorch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        compiled = torch.jit.script(network)
    sequence, condition = _noise(space, 3, LENGTH), _condition(network, 3).detach()
    for batch, chunks in ((3, [31, 1, 38]), (1, [1, 69])):
        some, theirs = sequence[:batch], condition[:batch]
        logits = _run(compiled, some, theirs, chunks, compiled.begin(batch, LENGTH))
        _assert_close(logits, _run(network, some, theirs), f"{batch} scripted rows", 1e-4)
    condition = _condition(network, 1, STEPS).detach()
    inputs, logits = _greedy(compiled, space, condition, STEPS)
    eager = _run(network, inputs, condition)
    _assert_close(logits, eager, f"{STEPS} scripted steps", 1e-4)
    assert torch.equal(_choice(logits, space), _choice(eager, space)), "greedy choices differ"


LAWS: tuple[Law, ...] = (
    shapes, chunking, fixed_state, causality, rows, gradients, half_precision, scripted,
)  # fmt: skip


@torch.no_grad()
def _run(
    network: Any,
    sequence: Tensor,
    condition: Tensor,
    chunks: Sequence[int] = (),
    state: list[Tensor] | None = None,
) -> Tensor:
    """(B, T, V) logits of `sequence`, in one pass or in `chunks`, starting from `state`."""
    state = network.begin(len(sequence), 0) if state is None else state
    parts, at = [], 0
    for size in chunks or [sequence.shape[1]]:
        given = condition if condition.shape[1] == 1 else condition[:, at : at + size]
        logits, state = network(sequence[:, at : at + size], given, state)
        parts.append(logits)
        at += size
    return torch.cat(parts, 1)


@torch.no_grad()
def _staggered(
    network: Network, sequence: Tensor, condition: Tensor, starts: Iterable[int]
) -> Tensor:
    """(B, 9, V): logits of rows that start at different positions and are stepped together."""
    starting = list(enumerate(starts))
    states = [
        network(sequence[[row], :start], condition[[row], :start], network.begin(1, LENGTH))[1]
        for row, start in starting
    ]
    state = [torch.cat(slots) for slots in zip(*states, strict=True)]
    following, given = (
        torch.stack([each[row, start : start + 9] for row, start in starting])
        for each in (sequence, condition)
    )
    return _run(network, following, given, [1, 1, 1, 6], state)


@torch.no_grad()
def _greedy(network: Any, space: Space, condition: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """The inputs of greedy decoding from the start token or frame, and the logits of each step."""
    state = network.begin(1, steps)
    inputs, outputs = [torch.from_numpy(space.start(1))], []
    for at in range(steps):
        logits, state = network(inputs[-1], condition[:, at : at + 1], state)
        outputs.append(logits)
        inputs.append(_choice(logits, space))
    return torch.cat(inputs[:-1], 1), torch.cat(outputs, 1)


def _choice(logits: Tensor, space: Space) -> Tensor:
    return (logits > 0).to(torch.uint8) if isinstance(space, Frames) else logits.argmax(-1)


def _noise(space: Space, batch: int, length: int) -> Tensor:
    """A random sequence, different on each call."""
    if isinstance(space, Frames):
        return (torch.rand(batch, length, space.width) < 0.2).to(torch.uint8)
    return torch.randint(3, space.size, (batch, length))


def _condition(network: Network, batch: int, length: int = LENGTH) -> Tensor:
    """(B, T, D): other labels in each row, other controls in each bar, some of them not given."""
    bars = torch.arange(length).expand(batch, length) // _BAR
    sizes = [size for sizes in CONTROLS.sizes for size in sizes]
    count = length // _BAR + 1
    controls = torch.stack([torch.randint(0, size, (batch, count)) for size in sizes], 2)
    return network.condition(torch.arange(batch).unsqueeze(1) % 3, controls, bars)


def _assert_close(one: Tensor, two: Tensor, what: str, tolerance: float = CLOSE) -> None:
    difference = (one - two).abs().max().item()
    assert difference <= tolerance, f"{what}: logits differ by {difference:.2g}"
