"""What a trained model attends to in a piece."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from symusic.core import ScoreTick

from musictk.catalog import Catalog
from musictk.jobs.bundles import best_of
from musictk.rendering import attention
from musictk.workspace import Workspace

POSITIONS = 256  # more would not be legible in a picture


def draw_attention(
    catalog: Catalog, workspace: Workspace, score: ScoreTick, run: str | None, path: Path
) -> None:
    """Draw the attention of every layer and head over the beginning of `score` to `path`.

    The lines in the picture are bar lines.
    """
    import torch

    from musictk.model import bundle
    from musictk.model.inspect import attention_maps
    from musictk.training.distributed import choose_device

    _, directory = best_of(catalog, workspace, run)
    network, manifest = bundle.read(directory)
    tokenizer = manifest.make_tokenizer()
    # As in training and sampling: the start positions first. Without any label.
    start, music = tokenizer.space.start(1)[0], tokenizer.encode(score)
    sequence = np.concatenate([start, music])[: min(POSITIONS, manifest.max_length)]
    bar_lines = len(start) + tokenizer.bar_starts(music)
    device = choose_device()
    network = network.to(device)
    condition = network.condition(torch.zeros(1, len(network.tables), dtype=torch.long).to(device))
    maps = attention_maps(network, torch.from_numpy(sequence)[None].to(device), condition)
    attention.draw(
        [each.numpy() for each in maps], path, bar_lines[bar_lines < len(sequence)].tolist()
    )
