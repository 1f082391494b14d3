"""Heat maps of attention, one for each layer and head."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musictk.errors import MusictkError
from musictk.rendering.pictures import save

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(maps: Sequence[NDArray[np.floating]], path: Path, bar_lines: Sequence[int] = ()) -> None:
    """Write a picture: one row of heat maps per layer, one column per head.

    `maps[layer]` is (H, T, T): row i has the attention weights of query i. `bar_lines` are the
    positions at which bars begin. Each map has its own colour scale, over the square root of the
    weights so that faint bands are visible. Raises MusictkError if there are no maps.
    """
    from matplotlib.figure import Figure

    if not maps or any(layer.ndim != 3 or 0 in layer.shape for layer in maps):
        raise MusictkError("the model has no attention to draw", "choose a model with attention")
    rows, columns = len(maps), max(len(layer) for layer in maps)
    side = float(np.clip(14 / columns, 1.5, 3.2))  # of one map, in inches
    size = (side * columns + 0.9, side * rows + 1.1)
    figure = Figure(figsize=size, dpi=150, facecolor="#fdfcfa")
    grid = figure.add_gridspec(
        rows,
        columns,
        left=0.62 / size[0],
        right=1 - 0.28 / size[0],
        bottom=0.32 / size[1],
        top=1 - 0.78 / size[1],
        wspace=0.08,
        hspace=0.08,
    )
    for row, layer in enumerate(maps):
        for column, head in enumerate(layer):
            axes = figure.add_subplot(grid[row, column])
            _draw_map(axes, head, bar_lines)
            if column == 0:
                axes.set_ylabel(f"layer {row + 1}", fontsize=9, color="#22262e")
            if row == 0:
                axes.set_title(f"head {column + 1}", fontsize=9, color="#22262e", pad=4)
    heading = figure.text(0.62 / size[0], 1 - 0.38 / size[1], "Attention")
    heading.set(fontsize=14, fontweight="bold", color="#22262e", parse_math=False)
    save(figure, path)


def _draw_map(axes: Axes, weights: NDArray[np.floating], bar_lines: Sequence[int]) -> None:
    """One (T, T) map; masked positions are blank."""
    from matplotlib.colors import PowerNorm

    seen = np.ma.masked_array(weights, np.triu(np.ones(weights.shape, np.bool_), 1))
    scale = PowerNorm(0.5, 0, max(float(seen.max()), 1e-9))
    axes.imshow(seen, cmap="magma", norm=scale, aspect="equal", interpolation="antialiased")
    for line in bar_lines:
        axes.axhline(line - 0.5, color="white", lw=0.3, alpha=0.35)
        axes.axvline(line - 0.5, color="white", lw=0.3, alpha=0.35)
    axes.set_facecolor("#eceae4")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
