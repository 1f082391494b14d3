"""Completion of values in the shell: names from the catalog, from plugins and of settings.

It reads the catalog without creating or changing it, loads no torch, and is silent about errors:
a shell has no place for them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from musictk.spelling import plain

if TYPE_CHECKING:
    from musictk.catalog import Catalog
    from musictk.cli.location import CatalogLocation

_FEW = 200  # files that are offered at most
_SPECIAL = re.compile(r"""([\s'"\\$`&;|<>(){}\[\]*?!#~])""")  # characters that bash reads itself
_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Item:
    """One completion, as the program's shell support reads it."""

    value: str
    help: str | None = None
    type: str = "plain"


Source = Callable[[Any, str], Iterable[str | Item]]  # of the context and the word so far


def add_completion(command: Any, path: tuple[str, ...] = ()) -> Any:
    """Complete the values of every option and argument at and below a command."""
    for parameter in command.params:
        flag = parameter.opts[0]
        metavar = (parameter.metavar or "").strip("[].")
        source = PARAMETERS.get((*path, flag)) or PARAMETERS.get((flag,)) or METAVARS.get(metavar)
        if source is not None:
            parameter.shell_complete = partial(_complete, source)
    for name, child in getattr(command, "commands", {}).items():
        add_completion(child, (*path, name))
    return command


def _complete(source: Source, context: Any, word: str) -> list[Item]:
    """The items that begin with the word, without case and accents.

    If one is the word, accents count: a shell would shorten `dvorak` to what it has in common with
    `Dvořák`.
    """
    try:
        items = [_item(each) for each in source(context, word)]
    except Exception:  # a damaged catalog, a plugin that fails: no completions
        return []
    whole = any(each.value.casefold() == word.casefold() for each in items)
    fold = str.casefold if whole else plain
    return [
        Item(_quoted(each.value), each.help)
        for each in items
        if fold(each.value).startswith(fold(word))
    ]


def _item(value: str | Item) -> Item:
    return value if isinstance(value, Item) else Item(value)


def _quoted(value: str) -> str:
    """The value as bash needs it in a word without quotes; other shells quote it themselves."""
    if "complete_bash" not in (value for key, value in os.environ.items() if "_COMPLETE" in key):
        return value
    words, index = os.environ.get("COMP_WORDS", "").split("\n"), os.environ.get("COMP_CWORD", "0")
    word = words[int(index)] if index.isdecimal() and int(index) < len(words) else ""
    return value if word[:1] in ("'", '"') else _SPECIAL.sub(r"\\\1", value)


def _location(context: Any) -> CatalogLocation:
    """Where the catalog of the command line is."""
    from musictk.cli.location import locate

    location, _ = locate(context.find_root().params.get("catalog") or "")
    return location


@contextmanager
def _catalog(context: Any) -> Iterator[Catalog]:
    """The catalog of the command line, opened for reading only. Raises OSError if there is none."""
    from musictk.catalog import Catalog

    location = _location(context)
    location.require()
    if not location.url.startswith(_SQLITE):
        raise OSError("only a file can be opened for reading alone")
    path = Path(location.url.removeprefix(_SQLITE))
    path.stat()
    log = path.with_name(path.name + "-wal")  # without commits in it, SQLite needs no other file
    mode = "" if log.exists() and log.stat().st_size else "&immutable=1"
    with Catalog.open(
        f"{_SQLITE}file:{quote(str(path))}?mode=ro&uri=true{mode}", path.parent
    ) as found:
        yield found


def composers(context: Any, word: str) -> Iterator[Item]:
    """The names of composers, and their other spellings."""
    with _catalog(context) as catalog:
        for row in catalog.composers():
            yield Item(row["name"], f"{row['files']:,} files")
            yield from (Item(alias, row["name"]) for alias in row["aliases"])


def aliases(context: Any, word: str) -> Iterator[Item]:
    """Spellings that are joined with a composer."""
    with _catalog(context) as catalog:
        for row in catalog.composers():
            yield from (Item(alias, row["name"]) for alias in row["aliases"])


def mixtures(context: Any, word: str) -> Iterator[Item]:
    """Composers, also after the comma of a mixture: `Bach:0.6,Ch`."""
    before, comma, _ = word.rpartition(",")
    if _location(context).found:
        items = composers(context, word)
    else:  # the built-in model is used
        items = map(Item, _built_in_labels()["composer"])
    for item in items:
        yield Item(before + comma + item.value, item.help)


def runs(context: Any, word: str) -> Iterator[Item]:
    """The names of the built-in models, and those of runs, the newest first."""
    from musictk.builtin import MODELS

    yield from (Item(name, "comes with musictk") for name in MODELS)
    if _location(context).found:
        with _catalog(context) as catalog:
            yield from (Item(run.name, run.status) for run in reversed(catalog.runs()))


def labels(context: Any, word: str) -> Iterator[str]:
    """`CATEGORY=VALUE` of every label in the catalog."""
    with _catalog(context) as catalog:
        for category, values in catalog.label_values().items():
            yield from (f"{category}={value}" for value in values)


def sample_labels(context: Any, word: str) -> Iterator[str]:
    """The same for `sample`: without a catalog, those of the built-in model, which it uses."""
    if _location(context).found:
        yield from labels(context, word)
        return
    for category, values in _built_in_labels().items():
        yield from (f"{category}={value}" for value in values if category != "composer")


def _built_in_labels() -> dict[str, tuple[str, ...]]:
    from musictk import builtin
    from musictk.model.manifest import Manifest

    return Manifest.read(builtin.DEFAULT.onnx).conditions.embedded


def categories(context: Any, word: str) -> Iterator[str]:
    """The categories of labels, also after a comma."""
    before, comma, _ = word.rpartition(",")
    with _catalog(context) as catalog:
        yield from (f"{before}{comma}{name}" for name in ("composer", *catalog.label_values()))


def codes(context: Any, word: str) -> Iterator[str]:
    """The codes of rejected files."""
    with _catalog(context) as catalog:
        yield from catalog.summary()["rejected"]


def files(context: Any, word: str) -> Iterator[Item]:
    """The ids of files, or their titles."""
    with _catalog(context) as catalog:
        number = not word or word.isdecimal()
        for row in catalog.files(limit=_FEW) if number else catalog.search(word, _FEW):
            shown = str(row["id"]) if number else row["title"]
            yield Item(shown, row["path"])


def selections(context: Any, word: str) -> Iterator[Item]:
    """What `catalog label` takes: composers and files."""
    yield from composers(context, word)
    yield from files(context, word)


def offers(kind: str) -> Source:
    """The names of the components of one kind."""

    def source(context: Any, word: str) -> Iterator[Item]:
        from musictk.plugin import registry

        return (Item(offer.name, offer.summary) for offer in registry().offers(kind))

    return source


def among(*names: str) -> Source:
    """These names."""
    return lambda context, word: names


def several(*names: str) -> Source:
    """These names, also after a comma."""

    def source(context: Any, word: str) -> Iterator[str]:
        before, comma, _ = word.rpartition(",")
        return (before + comma + name for name in names)

    return source


def sizes(context: Any, word: str) -> Iterable[str]:
    """The sizes of models."""
    from musictk.model.sizes import SIZES

    return SIZES


def presets(context: Any, word: str) -> Iterable[str]:
    """The names of presets."""
    from musictk.training.preset import preset_names

    return preset_names()


def settings(context: Any, word: str) -> Iterator[str]:
    """The keys of `--set` that need no component to be loaded: those of training and data."""
    from dataclasses import fields

    from musictk.jobs.data import DataSettings
    from musictk.training.settings import TrainSettings

    keys = {"train": TrainSettings().flat(), "data": [each.name for each in fields(DataSettings)]}
    for group, names in keys.items():
        for name in names:
            yield f"{name}="
            yield f"{group}.{name}="


def statuses(context: Any, word: str) -> Iterable[str]:
    """The statuses of files."""
    from musictk.catalog.records import FILE_STATUSES

    return FILE_STATUSES


def splits(context: Any, word: str) -> Iterable[str]:
    """The names of the splits."""
    from musictk.catalog import SPLITS

    return SPLITS


EXPORTS = ("onnx", "torchscript", "onnx-int8", "onnx-fp16")
# By flag or argument, with the command before it where the name alone says too little.
PARAMETERS: Mapping[tuple[str, ...], Source] = {
    ("--arch",): offers("architecture"),
    ("--composer",): composers,
    ("--preset",): presets,
    ("--sampler",): offers("sampler"),
    ("--tokenizer",): offers("tokenizer"),
    ("--track",): offers("tracker"),
    ("sample", "--composer"): mixtures,
    ("sample", "--label"): sample_labels,
    ("catalog", "show", "file"): files,
}
METAVARS: Mapping[str, Source] = {
    "ALIAS": aliases,
    "ARCH": offers("architecture"),
    "CATEGORIES": categories,
    "CATEGORY=VALUE": labels,
    "CODE": codes,
    "COMPOSER": composers,
    "DEVICE": among("auto", "cpu", "cuda"),
    "KEY=VALUE": settings,
    "KINDS": several(*EXPORTS),
    "RUN": runs,
    "RUNTIME": offers("runtime"),
    "SELECTION": selections,
    "SIZE": sizes,
    "SPELLING": composers,
    "SPLIT": splits,
    "STATUS": statuses,
    "TOKENIZER": offers("tokenizer"),
}
