"""Bar controls: facts about each bar that a model is conditioned on. Free of torch."""

from musictk.controls.bars import Bars
from musictk.controls.contract import Bounds, Control
from musictk.controls.controls import NO_CONTROLS, Controls
from musictk.controls.measure import BarFacts, measure
from musictk.controls.table import bar_table

__all__ = [
    "NO_CONTROLS",
    "BarFacts",
    "Bars",
    "Bounds",
    "Control",
    "Controls",
    "bar_table",
    "measure",
]
