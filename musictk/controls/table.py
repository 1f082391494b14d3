"""The bar table of a shard: measured once, and kept beside it."""

from __future__ import annotations

from hashlib import sha256
from inspect import getfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from musictk.controls.contract import Control
from musictk.controls.controls import Controls
from musictk.controls.measure import measure
from musictk.controls.missing import require_installed
from musictk.files import atomic, digest
from musictk.tokens import Tokenizer
from musictk.tokens.bar_table import BarTable
from musictk.tokens.shards import Shard

VERSION = 1  # increase it when the built-in controls measure differently


def bar_table(tokenizer: Tokenizer, shard: Shard, controls: Controls) -> BarTable:
    """The bars of a shard's pieces, and the ids of their controls.

    Read from the file beside the shard, which is written if it is missing or damaged. Raises
    MusictkError for a control whose plugin is not installed.
    """
    require_installed(controls.missing)
    kept = digest([VERSION, controls.ids_of_each, list(map(_source, controls.made))])
    path = shard.path.with_name(f"{shard.path.stem}.bars-{kept}.safetensors")
    try:
        arrays = load_file(path)
        return _table(arrays, controls)
    except (FileNotFoundError, SafetensorError, KeyError, ValueError):
        arrays = _measured(tokenizer, shard, controls)
    with atomic(path, SafetensorError) as temporary:
        save_file(arrays, str(temporary))
    return _table(arrays, controls)


def _source(control: Control) -> str:
    """A digest of the module that defines a control: once edited, it may measure differently."""
    try:
        return sha256(Path(getfile(type(control))).read_bytes()).hexdigest()
    except (TypeError, OSError):  # defined in no file, or inside an archive
        return ""


def _table(arrays: dict[str, NDArray[np.generic]], controls: Controls) -> BarTable:
    offsets = np.asarray(arrays["offsets"], np.int64)
    starts = np.asarray(arrays["starts"], np.int64)
    ids = np.asarray(arrays["ids"], np.uint8)
    if ids.shape != (len(starts), controls.width) or offsets[-1:].tolist() != [len(starts)]:
        raise ValueError("the tables do not match")
    return BarTable(offsets, starts, ids, controls.transpose)


def _measured(
    tokenizer: Tokenizer, shard: Shard, controls: Controls
) -> dict[str, NDArray[np.generic]]:
    found = [measure(tokenizer, shard.piece(index), controls) for index in range(len(shard.files))]
    counts = [len(each.starts) for each in found]
    none = np.zeros((0, controls.width), np.uint8)
    return {
        "offsets": np.cumsum([0, *counts]).astype(np.int64),
        "starts": np.concatenate([np.zeros(0, np.int64), *(each.starts for each in found)]),
        "ids": np.concatenate([none, *(each.ids for each in found)]),
    }
