"""Merge the sources of a run's settings, in their order, into one RunConfig."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from math import inf
from typing import Any

from musictk.config import build, check_value, plain, renamed, translate
from musictk.errors import UnknownNameError, UsageError
from musictk.jobs.config import RunConfig
from musictk.jobs.export import known_kinds
from musictk.jobs.settings import setting_types
from musictk.jobs.sources import FIXED, Source
from musictk.model.network import NetworkConfig
from musictk.model.sizes import BACKBONE, SIZES, config_for
from musictk.plugin import registry
from musictk.training.preset import GROUPS, IN_EPOCHS
from musictk.training.settings import GROUP_OF, TrainSettings

Notice = Callable[[str], None]
NAMES = tuple(field.name for field in fields(RunConfig) if field.name not in GROUPS)


def merge(sources: Iterable[Source], notice: Notice = lambda text: None) -> RunConfig:
    """The settings of all `sources`; later sources override earlier ones.

    A source with `weights` comes first; the other sources cannot change the settings that its
    weights fix. Old names of settings are translated, each with a `notice`. Raises UnknownNameError
    for an unknown name and UsageError for an invalid value, both naming the source.
    """
    given = [_current_names(source, notice) for source in sources]
    base = next((source for source in given if source.weights is not None), None)
    if base is not None:
        given = [base, *(_keep_fixed(base, source) for source in given if source is not base)]
    merging = _Merge(_last(given, "arch"), _last(given, "tokenizer"), notice)
    for source in given:
        merging.add(source)
    config = merging.config()
    if base is not None and base.weights is not None:
        _require_same(base.weights, config)
    elif config.lora:
        raise UsageError("--lora adapts a trained model", "name it with --from RUN")
    return config


class _Merge:
    """The settings of the sources so far, and which source each is from."""

    def __init__(self, arch: str, tokenizer: str, notice: Notice) -> None:
        self._arch, self._tokenizer = arch, tokenizer
        self._kinds = setting_types(arch, tokenizer)
        self._keys = {
            group: {field.name for field in fields(kind)} for group, kind in self._kinds.items()
        } | {"train": set(GROUP_OF)}
        self._notice = notice
        self._names: dict[str, Any] = {}
        self._groups: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
        self._origins: dict[tuple[str, str], str] = {}

    def add(self, source: Source) -> None:
        """Set everything that `source` sets."""
        train = self._groups["train"]
        if "size" in source.values:  # replaces the dimensions that earlier sources set
            for key in SIZES["tiny"]:
                self._groups["model"].pop(key, None)
        for epochs, steps in IN_EPOCHS.items():
            if epochs in source.values:
                train.pop(steps, None)
        if source.values.get("minutes") is not None:
            train.pop("steps", None)
            self._names.pop("epochs", None)
        for name, value in source.values.items():
            if isinstance(value, Mapping):
                for key, each in value.items():
                    self._set(source, name, key, each)
            elif name in NAMES:
                with _naming(source.name):
                    self._names[name] = getattr(build(RunConfig, {name: value}), name)
                self._origins["", name] = source.name
            elif name in GROUPS:
                raise UsageError(
                    f"{name}={value!r} is not a table of settings", "give a mapping of its keys"
                )
            elif name != "summary":
                raise UnknownNameError(f"key of {source.name}", name, (*NAMES, *GROUPS))
        for epochs, steps in IN_EPOCHS.items():
            if steps in train:
                self._names.pop(epochs, None)
        if "steps" in train or self._names.get("epochs") is not None:
            self._names.pop("minutes", None)

    def config(self) -> RunConfig:
        """The merged settings, checked."""
        for name in IN_EPOCHS:
            value = self._names.get(name)
            if value is not None and not 0 < value < inf:
                raise UsageError(
                    f"{name}={value:g} must be above 0 (from {self._origins['', name]})",
                    "give a number of passes over the corpus",
                )
        minutes = self._names.get("minutes")
        if minutes is not None and not 0 <= minutes < inf:
            raise UsageError(
                f"minutes={minutes:g} must be at least 0 (from {self._origins['', 'minutes']})",
                "give the time that the run is to take",
            )
        size = self._names.get("size")
        if size is not None and size not in SIZES:
            raise UnknownNameError("size", size, SIZES)
        tokens = self._checked("tokens", partial(self._build, "tokens"))
        train = self._checked("train", lambda values: TrainSettings().but(**values)).flat()
        with _naming(self._origins.get(("", "export"), "")):
            export = known_kinds(self._names.get("export", ()))
        known = {offer.name for offer in registry().offers("tracker")}
        track = tuple(dict.fromkeys(self._names.get("track", ())))
        with _naming(self._origins.get(("", "track"), "")):
            for name in (name for name in track if name not in known):
                raise UnknownNameError("tracker", name, known)
        for group in ("data", "network", "sample"):
            self._checked(group, partial(self._build, group))
        self._checked("model", self._check_model)
        values: dict[str, Any] = {
            **self._names,
            **self._groups,
            "tokens": plain(tokens),
            "train": {key: train[key] for key in self._groups["train"]},
            "export": export,
            "track": track,
        }
        return RunConfig(**values)

    def _set(self, source: Source, group: str, key: str, value: Any) -> None:
        with _naming(source.name):
            group = group or self._group_of(key)
            if group not in GROUPS:
                raise UnknownNameError("group of settings", group, GROUPS)
            old = renamed(self._kinds[group])
            if key in old:
                if source.weights is None:
                    self._notice(f"{source.name}: {group}.{key} is now {group}.{old[key]}")
                key = old[key]
            if key not in self._keys[group]:
                raise self._unknown(f"setting of {group}", key, self._keys[group])
        self._groups[group][key] = value
        self._origins[group, key] = source.name

    def _group_of(self, key: str) -> str:
        """The group of a setting that is given without one."""
        found = [group for group in GROUPS if key in self._keys[group]]
        found = found or [group for group in GROUPS if key in renamed(self._kinds[group])]
        if not found:
            raise self._unknown("setting", key, set().union(*self._keys.values()))
        if len(found) > 1:
            exact = " or ".join(f"{group}.{key}" for group in found)
            raise UsageError(f"{key} is a setting of {' and of '.join(found)}", f"write {exact}")
        return found[0]

    def _unknown(self, kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
        error = UnknownNameError(kind, name, known)
        chosen = f" --tokenizer {self._tokenizer}" * (self._tokenizer != RunConfig.tokenizer)
        after = " " if error.hint.endswith("?") else "; "
        error.hint += f"{after}list them with: musictk settings {self._arch}{chosen}"
        return error

    def _check_model(self, values: Mapping[str, Any]) -> None:
        """Check the dimensions together if they are given, else each value; `fill` checks all."""
        kind, size = registry().load("architecture", self._arch), self._names.get("size")
        for key, value in values.items():
            check_value(kind.Config, key, value, kind.name, BACKBONE.get(key))
        if size in SIZES or (size is None and "dim" in self._groups["model"]):
            config_for(kind, size, values)

    def _build(self, group: str, values: Mapping[str, Any]) -> Any:
        return build(self._kinds[group], values, self._tokenizer if group == "tokens" else group)

    def _checked(self, group: str, check: Callable[[Mapping[str, Any]], Any]) -> Any:
        """The result of `check` on the values of a group; errors name the source of the value."""
        values = self._groups[group]
        try:
            return check(values)
        except UsageError as error:
            for key, value in values.items():
                try:
                    check({key: value})
                except UsageError as alone:
                    if alone.message == error.message:
                        with _naming(self._origins[group, key]):
                            raise error from error.__cause__
            raise


@contextmanager
def _naming(source: str) -> Iterator[None]:
    """Add the name of the source to the message of an error."""
    try:
        yield
    except UsageError as error:
        error.message += f" (from {source})"
        raise


def _current_names(source: Source, notice: Notice) -> Source:
    """The source with current names for those without a group."""
    for old, new in renamed(RunConfig).items():
        if old in source.values and source.weights is None:
            notice(f"{source.name}: {old} is now {new}")
    return Source(source.name, translate(source.values, renamed(RunConfig)), source.weights)


def _last(sources: Sequence[Source], name: str) -> str:
    """The last value of a name that is text, by default that of `RunConfig`."""
    found = [source.values[name] for source in sources if name in source.values]
    texts = [value for value in found if isinstance(value, str)]
    return texts[-1] if texts else str(getattr(RunConfig, name))


def _keep_fixed(base: Source, source: Source) -> Source:
    """The source without the settings that `base` fixes; raises UsageError if they differ."""
    assert base.weights is not None
    for name in (name for name in FIXED if name in source.values):
        has, wanted = getattr(base.weights, name), source.values[name]
        same = has == wanted
        if name == "size":
            if not isinstance(wanted, str) or wanted not in SIZES:
                with _naming(source.name):
                    raise UnknownNameError("size", str(wanted), SIZES)
            same = same or SIZES[wanted].items() <= base.weights.model.items()
        if not same:
            fixed = f"{name}, which is {has!r}" if has else "own dimensions"
            raise _fixed(base.values["start"], fixed, f"{name}={wanted} ({source.name})")
    values = {key: value for key, value in source.values.items() if key not in FIXED}
    return Source(source.name, values)


def _require_same(before: RunConfig, after: RunConfig) -> None:
    """Raise UsageError for a changed setting that weights depend on; none depends on dropout."""
    kinds = {
        "model": registry().load("architecture", after.arch).Config,
        "tokens": registry().load("tokenizer", after.tokenizer).Config,
        "network": NetworkConfig,
    }
    for group, kind in kinds.items():
        old, new = (plain(build(kind, getattr(config, group), group)) for config in (before, after))
        for key, value in new.items():
            if value != old[key] and (group, key) != ("model", "dropout"):
                name = f"{group}.{key}"
                raise _fixed(after.start or "", f"{name}, which is {old[key]}", f"{name}={value}")


def _fixed(start: str, what: str, wanted: str) -> UsageError:
    return UsageError(f"a run that fine-tunes {start} keeps its {what}", f"leave out {wanted}")
