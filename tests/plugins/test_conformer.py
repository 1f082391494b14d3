"""The conformer and its options."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from musictk.errors import UsageError
from musictk.model.cost import parameters
from musictk.model.network import Network, NetworkConfig
from musictk.model.sizes import config_for
from musictk.testing.architectures import LAWS, SPACES, Law, tiny
from musictk.tokens import Space, Tokens
from musictk_conformer.config import ConformerConfig
from musictk_conformer.model import Conformer
from musictk_conformer.residuals import HyperConnection

# Windows and kernel far shorter than the 70 positions of the laws.
SHORT: dict[str, Any] = {"windows": (4, 8, 16), "kernel": 7, "max_length": 1024}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain residual": {"streams": 1},
    "dynamic bias": {"dynamic_bias": True},
    "global layer": {"global_layers": (1,), "windows": (5, 9)},
    "no query-key norm": {"qk_norm": False, "windows": (64, 256)},
}


@pytest.mark.parametrize("space", SPACES, ids=["tokens", "frames"])
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_laws(law: Law, space: Space) -> None:
    law(tiny(Conformer, space, **SHORT), space)


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_laws_of_every_option(law: Law, options: dict[str, Any]) -> None:
    law(tiny(Conformer, SPACES[0], **SHORT | options), SPACES[0])


def test_as_large_as_published() -> None:
    config = ConformerConfig(max_length=1024, streams=1)
    network = Network(Conformer(config), Tokens(434), {}, NetworkConfig(tied=False))
    assert parameters(network) == pytest.approx(36.8e6, rel=0.005)


def test_hyper_connections_start_as_a_plain_residual() -> None:
    torch.manual_seed(0)
    connection = HyperConnection(8, 4, index=2)
    streams = torch.randn(2, 5, 4, 8)
    branch, residual, gain = connection.branch(streams)
    torch.testing.assert_close(branch, streams[:, :, 2])
    out = torch.randn(2, 5, 8)
    torch.testing.assert_close(connection.merge(residual, gain, out), streams + out.unsqueeze(2))


def test_hyper_connections_follow_the_formula() -> None:
    torch.manual_seed(0)
    connection = HyperConnection(8, 4, index=1)
    for parameter in connection.parameters():
        torch.nn.init.normal_(parameter)
    h = torch.randn(4, 8)  # one position
    norm = h / h.square().mean(1, keepdim=True).sqrt() * connection.norm.weight
    alpha = connection.alpha + connection.alpha_scale * (norm @ connection.alpha_weight).tanh()
    beta = connection.beta + connection.beta_scale * (norm @ connection.beta_weight).tanh()[:, 0]
    mixed = torch.einsum("sk,sd->kd", alpha, h)
    branch, residual, gain = connection.branch(h[None, None])
    torch.testing.assert_close(branch[0, 0], mixed[0])
    out = torch.randn(1, 1, 8)
    torch.testing.assert_close(
        connection.merge(residual, gain, out)[0, 0], mixed[1:] + beta[:, None] * out[0]
    )


def test_scales_start_with_equal_shares() -> None:
    body = Conformer(ConformerConfig(dim=16, depth=1, heads=2))
    assert body.blocks[0].local.mix.softmax(0).tolist() == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"windows": ()}, r"windows=\(\)"),
        ({"windows": (64, 0)}, r"windows=\(64, 0\)"),
        ({"kernel": 0}, "kernel=0"),
        ({"streams": 0}, "streams=0"),
        ({"dim": 36, "heads": 4}, "dim=36 .* even number times heads=4"),
        ({"depth": 2, "global_layers": (7,)}, r"global_layers=\(7,\) .* from 0 to 1"),
    ],
)
def test_an_invalid_setting_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"setting of conformer {message}"):
        config_for(Conformer, "tiny", values)
