"""Settle a plan: a run it starts from < preset < file < --set < flags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from math import inf
from typing import Any

from musictk.catalog import Catalog
from musictk.config import build, plain
from musictk.errors import UnknownNameError, UsageError
from musictk.files import cause, read_bytes
from musictk.generation.sampling import Sampling
from musictk.jobs.corpus import DataSettings
from musictk.jobs.export import known_kinds
from musictk.jobs.plan import Plan, TrainRequest
from musictk.model.network import NetworkConfig
from musictk.model.sizes import SIZES
from musictk.plugin import registry
from musictk.training.preset import GROUPS, IN_EPOCHS, NAMES, load_preset, read_preset
from musictk.training.settings import GROUP_OF, TrainSettings

FIXED = ("arch", "tokenizer", "size")  # by the weights that a run starts from
FINE_TUNING = 0.1  # of the learning rate that the first run had
SettingsSource = Mapping[str, Any]


def plan_for(catalog: Catalog, request: TrainRequest) -> Plan:
    """Settle the settings in their order. Raises UnknownNameError for any name that is not.

    Raises UsageError for a value that cannot be, before anything is tokenized.
    """
    if request.steps is not None and request.epochs is not None:
        raise UsageError("--steps and --epochs cannot both be given", "leave one out")
    if request.epochs is not None and not 0 < request.epochs < inf:
        raise UsageError(f"{request.epochs:g} epochs cannot be", "give a number above 0")
    sources = [*_preset(request), *_file(request), *_flags(request)]
    if (source := _started(catalog, request)) is not None:
        sources = [_taken_over(source), *_without_names(request.start or "", source, sources)]
    named = {key: value for each in sources for key, value in each.items() if key in NAMES}
    arch, tokenizer = named.get("arch", "conformer"), named.get("tokenizer", "remi")
    groups, epochs = _settle(sources, _keys(arch, tokenizer))
    encoder = registry().load("tokenizer", tokenizer)
    train = TrainSettings().but(**groups["train"]).flat()
    plan = Plan(
        arch=arch,
        tokenizer=tokenizer,
        size=named.get("size"),
        model=groups["model"],
        tokens=plain(build(encoder.Config, groups["tokens"], tokenizer)),
        network=groups["network"],
        train={key: train[key] for key in groups["train"]},
        data=groups["data"],
        sample=groups["sample"],
        export=known_kinds(named.get("export", ())),
        conditions=request.conditions,
        start=request.start,
        lora=request.lora,
        epochs=epochs.get("epochs"),
        evaluate_epochs=epochs.get("evaluate_epochs"),
        checkpoint_epochs=epochs.get("checkpoint_epochs"),
    )
    build(DataSettings, plan.data, "data")
    build(NetworkConfig, plan.network, "network")
    build(Sampling, plan.sample, "sample")
    if source is not None:
        _require_same(request.start or "", source, plan)
        return replace(plan, train={"lr": _gentle(catalog, source), **plan.train})
    return plan


def _settle(
    sources: Sequence[SettingsSource], keys: Mapping[str, set[str]]
) -> tuple[dict[str, dict[str, Any]], dict[str, float]]:
    """Every group's values, and what is counted in epochs; later sources over earlier ones."""
    groups: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    epochs: dict[str, float] = {}
    for source in sources:
        if "size" in source:  # goes before the numbers of what came earlier
            for key in SIZES["tiny"]:
                groups["model"].pop(key, None)
        for name, steps in IN_EPOCHS.items():
            if name in source:
                epochs[name] = source[name]
                groups["train"].pop(steps, None)
        for group, values in source.items():
            for key, value in values.items() if group not in NAMES else ():
                groups[_group(group, key, keys)][key] = value
        for name, steps in IN_EPOCHS.items():
            if steps in groups["train"]:
                epochs.pop(name, None)
    return groups, epochs


def _group(group: str, key: str, keys: Mapping[str, set[str]]) -> str:
    """The group a setting belongs to; one given without a group ("") is looked for in all."""
    if group in GROUPS and key not in keys[group]:
        raise UnknownNameError(f"setting of {group}", key, keys[group])
    if group in GROUPS:
        return group
    if group:
        raise UnknownNameError("group of settings", group, (*GROUPS, *NAMES))
    found = [name for name, known in keys.items() if key in known]
    if not found:
        raise UnknownNameError("setting", key, set().union(*keys.values()))
    if len(found) > 1:
        exact = " or ".join(f"{name}.{key}" for name in found)
        raise UsageError(f"{key} is a setting of {' and of '.join(found)}", f"say {exact}")
    return found[0]


def _keys(arch: str, tokenizer: str) -> dict[str, set[str]]:
    """The settings of each group."""
    configs = {**_configs(arch, tokenizer), "data": DataSettings, "sample": Sampling}
    keys = {name: {each.name for each in fields(kind)} for name, kind in configs.items()}
    return {**keys, "train": set(GROUP_OF)}


def _configs(arch: str, tokenizer: str) -> dict[str, Any]:
    """What a model's weights depend on, by group."""
    return {
        "model": registry().load("architecture", arch).Config,
        "tokens": registry().load("tokenizer", tokenizer).Config,
        "network": NetworkConfig,
    }


def _preset(request: TrainRequest) -> Iterator[SettingsSource]:
    if request.preset is not None:
        yield load_preset(request.preset)


def _file(request: TrainRequest) -> Iterator[SettingsSource]:
    path = request.config
    if path is None:
        return
    try:
        text = read_bytes(path).decode("utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"{path} is not there") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {cause(error)}") from error
    yield read_preset(text, str(path))


def _flags(request: TrainRequest) -> Iterator[SettingsSource]:
    """--size, which suits what --set leaves open; then --set; then the other flags."""
    flags = {
        "arch": request.arch,
        "tokenizer": request.tokenizer,
        "epochs": request.epochs,
        "export": request.export or None,
    }
    train = {"steps": request.steps, "seed": request.seed}
    if request.size is not None:
        yield {"size": request.size}
    yield request.overrides
    yield {
        **{name: value for name, value in flags.items() if value is not None},
        "train": {name: value for name, value in train.items() if value is not None},
    }


def _started(catalog: Catalog, request: TrainRequest) -> Plan | None:
    """The plan of the run whose weights a fine-tuned one starts from."""
    if request.start is not None:
        return Plan.read(catalog.run(request.start).settings)
    if request.lora:
        raise UsageError("--lora adapts a trained model", "name it with --from RUN")
    return None


def _gentle(catalog: Catalog, source: Plan) -> float:
    """The learning rate of a run that starts from another, unless it is given one.

    The full rate undoes what was learned before the schedule can bring it back. However many runs
    lie between, it is that of the run that was trained from nothing.
    """
    while source.start is not None:
        source = Plan.read(catalog.run(source.start).settings)
    return FINE_TUNING * source.settings.optimisation.lr


def _taken_over(plan: Plan) -> SettingsSource:
    names = {name: value for name in FIXED if (value := getattr(plan, name)) is not None}
    groups = ("model", "tokens", "network", "data", "sample")
    return {**names, **{group: getattr(plan, group) for group in groups}}


def _without_names(
    start: str, plan: Plan, sources: Sequence[SettingsSource]
) -> Iterator[SettingsSource]:
    """The sources without what the weights fix; raises UsageError where they say otherwise."""
    for source in sources:
        for name in (name for name in FIXED if name in source):
            has, wanted = getattr(plan, name), source[name]
            same = has == wanted
            if name == "size":
                if wanted not in SIZES:
                    raise UnknownNameError("size", wanted, SIZES)
                same = same or SIZES[wanted].items() <= plan.model.items()
            if not same:
                said = f"{name}, which is {has!r}" if has else f"own {name}"
                raise _keeps(start, said, f"{name}={wanted}")
        yield {key: value for key, value in source.items() if key not in FIXED}


def _require_same(start: str, source: Plan, plan: Plan) -> None:
    """Raises UsageError for a setting that the weights fix; dropout has none."""
    for group, kind in _configs(plan.arch, plan.tokenizer).items():
        before, after = (plain(build(kind, getattr(each, group), group)) for each in (source, plan))
        for key, value in after.items():
            if value != before[key] and (group, key) != ("model", "dropout"):
                name = f"{group}.{key}"
                raise _keeps(start, f"{name}, which is {before[key]}", f"{name}={value}")


def _keeps(start: str, have: str, wanted: str) -> UsageError:
    return UsageError(f"a run started from {start} keeps its {have}", f"leave {wanted} out")
