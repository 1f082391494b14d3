"""What the weights of a new run start from: a run that is named, a built-in model, or random."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from musictk import builtin
from musictk.catalog import Catalog
from musictk.config import build, plain
from musictk.jobs.config import RunConfig
from musictk.jobs.merge import Notice, merge
from musictk.jobs.sources import Source, run_source
from musictk.model.network import NetworkConfig
from musictk.plugin import registry

SMALL = 2_000_000  # notes of a training split; with more, random weights learn as much


def merge_from(
    catalog: Catalog,
    sources: Iterable[Source],
    scratch: bool = False,
    notice: Notice = lambda text: None,
) -> RunConfig:
    """The settings of all `sources`, see `merge`; and what the weights start from.

    A run starts from a built-in model where nothing that is given contradicts it, unless
    `scratch` is set, a preset is given, or the corpus is not small.
    """
    given = list(sources)
    config = merge(given, notice)
    if scratch or not config.recipe or config.start is not None:
        return config
    for name in builtin.MODELS:
        base = run_source(catalog, name)
        if base.weights is not None and _fits(config, base.weights):
            return merge([base, *given]) if _small(catalog, config) else config
    return config


def _small(catalog: Catalog, config: RunConfig) -> bool:
    reads = registry().load("tokenizer", config.tokenizer).reads
    return sum(piece.notes or 0 for piece in catalog.pieces("train", reads)) <= SMALL


def _fits(config: RunConfig, own: RunConfig) -> bool:
    """Whether all settings that weights depend on are `own`, those of a model, or open."""
    if (config.arch, config.tokenizer) != (own.arch, own.tokenizer):
        return False
    if config.size not in (None, own.size) or config.controls not in (None, own.controls):
        return False
    kinds = {"tokens": registry().load("tokenizer", own.tokenizer).Config, "network": NetworkConfig}
    same = all(
        _full(kind, getattr(config, group)) == _full(kind, getattr(own, group))
        for group, kind in kinds.items()
    )
    return same and {**own.model, **config.model, "dropout": 0} == {**own.model, "dropout": 0}


def _full(kind: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the defaults of all others."""
    found: dict[str, Any] = plain(build(kind, values, kind.__name__))
    return found
