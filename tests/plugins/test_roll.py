"""The piano-roll transformer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from musictk.errors import UsageError
from musictk.model.sizes import config_for
from musictk.testing.architectures import LAWS, SPACES, Law, tiny
from musictk.tokens import Frames, Space
from musictk_roll.model import Roll, RollConfig


@pytest.mark.parametrize("history", [1, 5])
@pytest.mark.parametrize("space", SPACES, ids=["tokens", "frames"])
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_laws(law: Law, space: Space, history: int) -> None:
    law(tiny(Roll, space, history=history), space)


def test_its_layer_is_pytorchs_encoder_layer_under_a_causal_mask() -> None:
    network = tiny(Roll, Frames(16), depth=1, dropout=0.0)
    body = network.body
    assert isinstance(body, Roll)
    block = body.blocks[0]
    theirs = nn.TransformerEncoderLayer(32, 4, 128, dropout=0.0, batch_first=True)
    pairs = {
        theirs.self_attn.in_proj_weight: block.qkv.weight,
        theirs.self_attn.in_proj_bias: block.qkv.bias,
        theirs.self_attn.out_proj.weight: block.out.weight,
        theirs.self_attn.out_proj.bias: block.out.bias,
        theirs.linear1.weight: block.feedforward.up.weight,
        theirs.linear1.bias: block.feedforward.up.bias,
        theirs.linear2.weight: block.feedforward.down.weight,
        theirs.linear2.bias: block.feedforward.down.bias,
        theirs.norm1.weight: block.norm1.weight,
        theirs.norm1.bias: block.norm1.bias,
        theirs.norm2.weight: block.norm2.weight,
        theirs.norm2.bias: block.norm2.bias,
    }
    x = torch.randn(2, 9, 32)
    with torch.no_grad():
        for target, source in pairs.items():
            target.copy_(source)
        mask = nn.Transformer.generate_square_subsequent_mask(9)
        expected = theirs(x, src_mask=mask, is_causal=True)
        ours = block(
            x, torch.zeros(2, dtype=torch.int64), *[x.new_zeros(2, 4, 0, 8)] * 2, None, None
        )[0]
    torch.testing.assert_close(ours, expected)


def test_an_odd_width_is_refused() -> None:
    with pytest.raises(UsageError, match="setting of roll dim=33 must be even"):
        config_for(Roll, "tiny", {"dim": 33, "heads": 3})


def test_as_large_as_published() -> None:
    with torch.device("meta"):
        body = Roll(RollConfig())
    layer = nn.TransformerEncoderLayer(512, 8, 2048, device="meta")
    expected = 8 * sum(parameter.numel() for parameter in layer.parameters())
    assert sum(parameter.numel() for parameter in body.parameters()) == expected
