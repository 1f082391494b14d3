"""The controls of a model, in order: the layout of their ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.controls import returned
from musictk.controls.arrangement import AFTER, BESIDE, REMAINING, ROLE
from musictk.controls.contract import Control, Ids
from musictk.controls.missing import Layout, MissingControl, stand_in
from musictk.errors import MusictkError, UnknownNameError
from musictk.plugin import registry
from musictk.tokens import Tokenizer
from musictk.tokens.bar_table import BarTable
from musictk.tokens.beside import TwoParts
from musictk.tokens.infill import InfillRows
from musictk.tokens.shards import Shard

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Controls:
    """The names of a model's controls, and the number of values of each part of each.

    Ids of a bar are one row (S,): the parts of the first control, of the second, and so on.
    """

    names: tuple[str, ...] = ()
    sizes: tuple[tuple[int, ...], ...] = ()  # of each control, the ids of each part
    # What a bundle kept of them, by name; bundles made before 0.2 have nothing.
    layouts: Mapping[str, Layout] = field(default_factory=dict, compare=False)

    @staticmethod
    def available(tokenizer: Tokenizer, wanted: Sequence[str] | None = None) -> Controls:
        """Those that apply to this tokenizer; of `wanted`, if given.

        Raises UnknownNameError for a name that no plugin offers.
        """
        names = [offer.name for offer in registry().offers("control")] if wanted is None else wanted
        made = [registry().load("control", name)() for name in names]
        return Controls.of([each for each in made if returned.applies(each, tokenizer)])

    @staticmethod
    def of(made: Sequence[Control]) -> Controls:
        """The layout of these controls."""
        sizes = tuple((len(each.values) + 1,) * each.parts for each in made)
        return Controls(tuple(each.name for each in made), sizes)

    def __bool__(self) -> bool:
        return bool(self.names)

    def need_guidance(self, names: Iterable[str]) -> bool:
        """Whether a model has to be guided to follow any of these: no mask enforces its values."""
        open_ones = {each.name for each in self.made if type(each).allowed is Control.allowed}
        return not open_ones.isdisjoint(names)

    @cached_property
    def made(self) -> tuple[Control, ...]:
        """The controls. One whose plugin is not installed has a stand-in without effect.

        Raises MusictkError where a plugin has changed, or where it is missing and the bundle kept
        nothing of it.
        """
        return tuple(map(self._make, self.names, self.sizes))

    def named(self, name: str) -> Control:
        """The control of a name that is among `names`."""
        return self.made[self.names.index(name)]

    def items(self) -> Iterator[tuple[Control, slice]]:
        """Each control, and where its parts are in a row of ids."""
        return zip(self.made, self.columns.values(), strict=True)

    def _make(self, name: str, sizes: tuple[int, ...]) -> Control:
        layout = self.layouts.get(name)
        try:
            control: Control = registry().load("control", name)()
        except UnknownNameError:
            if layout is None:
                raise
            return stand_in(name, sizes, layout)
        width = returned.features(control).shape[1]
        if Controls.of([control]).sizes != (sizes,) or (layout and layout.features != width):
            raise MusictkError(
                f"control {name!r} has other values than when the model was trained",
                "install the version of its plugin that the model was trained with",
            )
        return control

    @property
    def missing(self) -> Mapping[str, Layout]:
        """The controls whose plugins are not installed, by name."""
        return {
            each.name: self.layouts[each.name]
            for each in self.made
            if isinstance(each, MissingControl)
        }

    @property
    def width(self) -> int:
        """S, the number of ids of a bar."""
        return sum(map(len, self.sizes))

    @property
    def rows(self) -> int:
        """The number of vectors of all ids together."""
        return sum(map(sum, self.sizes))

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """(rows, F) the features of every id, of each part in columns of its own.

        Rows have a length of 1; those of id 0 are 0.
        """
        blocks = [block for each in self.made for block in [_features(each)] * each.parts]
        found = np.zeros((self.rows, sum(block.shape[1] for block in blocks)), np.float32)
        column = 0
        for start, block in zip(self.offsets.tolist(), blocks, strict=True):
            found[start : start + len(block), column : column + block.shape[1]] = block
            column += block.shape[1]
        return found

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """(S,) the row of id 0 of each part, in one table of all vectors."""
        flat = [size for sizes in self.sizes for size in sizes]
        return np.cumsum([0, *flat])[:-1].astype(np.int64)

    @cached_property
    def columns(self) -> Mapping[str, slice]:
        """Where the parts of each control are in a row of ids."""
        found, start = {}, 0
        for name, sizes in zip(self.names, self.sizes, strict=True):
            found[name] = slice(start, start + len(sizes))
            start += len(sizes)
        return found

    @cached_property
    def structural(self) -> NDArray[np.bool_]:
        """(S,) True for the ids of controls that users do not choose and training does not drop."""
        return np.repeat([each.structural for each in self.made], list(map(len, self.sizes)))

    @property
    def strict(self) -> frozenset[str]:
        """The names of the controls that enforce more where the user asks for it."""
        plain = Control.allowed_strictly
        return frozenset(
            each.name for each in self.made if type(each).allowed_strictly is not plain
        )

    def transpose(self, ids: Ids, semitones: int) -> Ids:
        """The ids (…, S) of the same music, transposed; 0 where they are unknown."""
        if not semitones or not self:
            return ids
        moved = ids.copy()
        for control, columns in self.items():
            moved[..., columns] = returned.transposed(control, ids[..., columns], semitones)
        return moved

    def infill(self, rate: float) -> InfillRows | None:
        """How rows are arranged for infilling; None for a model without the controls it needs."""
        if not {ROLE, REMAINING} <= set(self.names):
            return None
        role, left = (self.columns[name].start for name in (ROLE, REMAINING))
        return InfillRows(rate, role, left, AFTER)

    def beside(
        self, shard: Shard, bars: BarTable, pieces: Ints, rate: float, between: float
    ) -> TwoParts | None:
        """How rows are made of the parts of pieces (see `TwoParts`), and of them the share
        `between` given bars; None for a model without the control it needs."""
        if ROLE not in self.names:
            return None
        role = self.columns[ROLE].start
        return TwoParts(shard, bars, pieces, rate, role, BESIDE, self.infill(between))

    def plain(self) -> list[dict[str, Any]]:
        """JSON-able; `Controls.read` reads it back."""
        pairs = zip(self.ids_of_each, self.made, strict=True)
        return [each | self._layout(control)._asdict() for each, control in pairs]

    @property
    def ids_of_each(self) -> list[dict[str, Any]]:
        """JSON-able: the name of each control, and the number of ids of each of its parts."""
        pairs = zip(self.names, self.sizes, strict=True)
        return [{"name": name, "sizes": list(sizes)} for name, sizes in pairs]

    def _layout(self, control: Control) -> Layout:
        """What to keep of a control; of a missing one, what was kept."""
        if isinstance(control, MissingControl):
            return self.layouts[control.name]
        (offer,) = (each for each in registry().offers("control") if each.name == control.name)
        return Layout(returned.features(control).shape[1], offer.origin)

    @staticmethod
    def read(value: Sequence[Mapping[str, Any]]) -> Controls:
        """The inverse of `plain`."""
        return Controls(
            tuple(each["name"] for each in value),
            tuple(tuple(each["sizes"]) for each in value),
            {
                each["name"]: Layout(each["features"], each["plugin"])
                for each in value
                if "plugin" in each
            },
        )


def _features(control: Control) -> NDArray[np.float32]:
    """(values + 1, F) the features of a control's ids."""
    found = returned.features(control)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.pad(found / np.maximum(lengths, 1e-9), ((1, 0), (0, 0))).astype(np.float32)


NO_CONTROLS = Controls()
