"""What the methods of a control return, checked: those of a plugin may return anything.

Each function raises MusictkError naming the control and the fault.
"""

from __future__ import annotations

from reprlib import repr as brief
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.controls.bars import Bars
from musictk.controls.contract import Bounds, Control, Ids
from musictk.errors import MusictkError
from musictk.tokens import Tokenizer

Bools = NDArray[np.bool_]
Shape = tuple[int, ...]


def applies(control: Control, tokenizer: Tokenizer) -> bool:
    """Whether a control applies to a tokenizer."""
    found = control.applies(tokenizer)
    if not isinstance(found, bool | np.bool_):
        raise _wrong(control, f"gives {brief(found)} in applies, not True or False")
    return bool(found)


def measured(control: Control, bars: Bars) -> Ids:
    """(N, parts) ids of each bar."""
    return _ids(control, control.measure(bars), (len(bars), control.parts), "measured")


def parsed(control: Control, text: str) -> Ids:
    """(parts,) ids of what the user wrote. Raises UnknownNameError where that is no value."""
    return _ids(control, control.parse(text), (control.parts,), f"parsed {text!r} as")


def planned(control: Control, bars: int, known: bool) -> Ids | None:
    """(bars, parts) ids of a piece, or None: see `Control.planned`."""
    found = control.planned(bars, known)
    return None if found is None else _ids(control, found, (bars, control.parts), "planned")


def completed(control: Control, ids: Ids, given: int) -> Ids:
    """(N, parts) ids of a piece: see `Control.complete`."""
    return _ids(control, control.complete(ids, given), ids.shape, "completed")


def transposed(control: Control, ids: Ids, semitones: int) -> Ids:
    """The ids (…, parts) of the same music, transposed; 0 where they are unknown."""
    found = control.transpose(ids, semitones)
    return ids if found is ids else _ids(control, found, ids.shape, "transposed")


def closing(control: Control, key: int) -> Ids | None:
    """(parts,) ids of the last bar of a piece in a key, or None: see `Control.closing`."""
    found = control.closing(key)
    return None if found is None else _ids(control, found, (control.parts,), "closed with")


def roots(control: Control, ids: Ids) -> tuple[int, ...] | None:
    """The roots of the chords of a bar with these ids, or None: see `Control.roots`."""
    found: object = control.roots(ids)
    if found is None:
        return None
    if not isinstance(found, tuple) or not set(found) <= set(range(12)):
        raise _wrong(control, f"has roots {brief(found)}, which are no tuple of pitch classes")
    return found


def nearest(control: Control, tokenizer: Tokenizer, text: str) -> str | None:
    """The value of the tokenizer that is written for a text: see `Control.nearest`."""
    found = control.nearest(tokenizer, text)
    attribute = tokenizer.attributes().get(control.name)
    if found is not None and (attribute is None or found not in attribute.values):
        fault = f"has the nearest value {brief(found)}, which tokenizer {tokenizer.name} lacks"
        raise _wrong(control, fault)
    return found


def features(control: Control) -> NDArray[Any]:
    """(values, F) what values have in common: see `Control.features`."""
    found, rows = _array(control, control.features(), "has features that are"), len(control.values)
    if found.ndim != 2 or len(found) != rows:
        fault = f"has features of shape {found.shape} where ({rows}, F) is needed, F per value"
    elif found.dtype.kind not in "fiub" or not np.isfinite(found).all():
        fault = "has features that are not all finite numbers"
    else:
        return found
    raise _wrong(control, fault)


def allowed(control: Control, tokenizer: Tokenizer, ids: Ids, strict: bool = False) -> Bools | None:
    """(V,) what may be written in a bar with these ids (parts,), or None: see `Control.allowed`."""
    found = (control.allowed_strictly if strict else control.allowed)(tokenizer, ids)
    if found is None:
        return None
    mask, size = _array(control, found, "allowed"), tokenizer.space.classes
    if mask.shape != (size,):
        raise _wrong(control, f"allowed shape {mask.shape} where ({size},) is needed, (tokens,)")
    if mask.dtype != np.bool_:
        raise _wrong(control, f"allowed {mask.dtype} where bool is needed")
    return mask


def bounds(control: Control, ids: Ids) -> Bounds:
    """What is enforced of a bar with these ids (parts,): see `Control.bounds`."""
    found: object = control.bounds(ids)
    if not isinstance(found, Bounds):
        raise _wrong(control, f"has bounds {brief(found)}, which are no Bounds")
    for what, limits in (("notes", found.notes), ("voices", found.voices)):
        if not _is_range(limits):
            raise _wrong(control, f"has bounds of {what} {brief(limits)}: not from low to high")
    return found


def _ids(control: Control, found: object, shape: Shape, verb: str) -> Ids:
    """`found`, which the control gave for its ids of this shape."""
    ids, needed = _array(control, found, verb), "bars, parts" if len(shape) > 1 else "parts,"
    if ids.shape != shape:
        fault = f"{verb} shape {ids.shape} where {shape} is needed, ({needed})"
    elif ids.dtype.kind not in "ui":
        fault = f"{verb} {ids.dtype} where uint8 is needed"
    elif (wrong := _outside(ids, len(control.values))) is not None:
        fault = f"{verb} the id {wrong} where it has {len(control.values)} values"
    else:
        return ids.astype(np.uint8, copy=False)
    raise _wrong(control, fault)


def _outside(ids: NDArray[Any], values: int) -> int | None:
    """An id that no value has, if there is one."""
    if not ids.size:
        return None
    low, high = 0 if ids.dtype.kind == "u" else int(ids.min()), int(ids.max())
    return low if low < 0 else high if high > values else None


def _array(control: Control, found: object, verb: str) -> NDArray[Any]:
    try:
        array = None if found is None else np.asarray(found)
    except ValueError:  # rows of different lengths
        array = None
    if array is None:
        raise _wrong(control, f"{verb} {brief(found)} where an array is needed")
    return array


def _is_range(found: object) -> bool:
    kinds = int, float, np.integer, np.floating
    if not isinstance(found, tuple) or not all(isinstance(each, kinds) for each in found):
        return False
    return len(found) == 2 and bool(found[0] <= found[1])


def _wrong(control: Control, fault: str) -> MusictkError:
    hint = "check its plugin with musictk.testing.controls"
    return MusictkError(f"control {control.name!r} {fault}", hint)
