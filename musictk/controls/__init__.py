"""Bar controls: facts about each bar that a model is conditioned on. Free of torch."""

from musictk.controls.bars import Bars
from musictk.controls.contract import Control
from musictk.controls.controls import Controls
from musictk.controls.measure import BarFacts, measure
from musictk.controls.table import bar_table

__all__ = ["BarFacts", "Bars", "Control", "Controls", "bar_table", "measure"]
