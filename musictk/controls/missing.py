"""What takes the place of a control whose plugin is not installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musictk.controls.bars import Bars
from musictk.controls.contract import Control, Ids
from musictk.errors import MusictkError


class Layout(NamedTuple):
    """What a bundle keeps of a control, so that it opens without the control's plugin."""

    features: int  # of each value
    plugin: str  # that offered it, such as "loudness (musictk-loudness 0.1.0)"


class MissingControl(Control):
    """A control of which no bar has a value, and whose values have no effect."""

    width: ClassVar[int]

    def measure(self, bars: Bars) -> Ids:
        return np.zeros((len(bars), self.parts), np.uint8)

    def features(self) -> NDArray[np.float32]:
        return np.zeros((len(self.values), self.width), np.float32)


def stand_in(name: str, sizes: Sequence[int], layout: Layout) -> Control:
    """The control `name`, of whose parts each has `sizes` ids."""
    values = tuple(str(index) for index in range(1, max(sizes)))
    own = {"name": name, "values": values, "parts": len(sizes), "width": layout.features}
    kind: type[Control] = type("MissingControl", (MissingControl,), own)
    return kind()


def missing_notice(missing: Mapping[str, Layout]) -> str:
    """One line about the controls, by name, that cannot be followed; "" where there are none."""
    if not missing:
        return ""
    named = " and ".join(
        f"control {name!r} of plugin {layout.plugin}" for name, layout in missing.items()
    )
    return f"{named} {'is' if len(missing) == 1 else 'are'} not installed and cannot be followed"


def require_installed(missing: Mapping[str, Layout]) -> None:
    """Raise MusictkError where a control is missing."""
    if missing:
        raise MusictkError(missing_notice(missing), "install the plugin: musictk plugins lists all")
