"""`musictk settings`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musictk.cli.context import session
from musictk.errors import MusictkError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from musictk.jobs.settings import Setting


def settings(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARCH|WORD",
            help="Architecture, then words to search for in names and descriptions.",
            show_default=False,
        ),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Tokenizer (see `plugins`).", show_default="remi"),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(metavar="NAME", help="Show the values of this preset too.")
    ] = None,
) -> None:
    """List the settings that `train --set KEY=VALUE` accepts, and those of samplers.

    Without an architecture: those of every run. With one: also those of the architecture and of the
    tokenizer. With words only, such as the name of a sampler: all settings that match. An automatic
    default is chosen for the machine and the music. The group may be left out where the name is
    unique: lr is train.lr. A sampler's are for `sample --sampler`: top-k:k=40.
    """
    from musictk.jobs.settings import (
        CONFIGURED,
        component_settings,
        preset_settings,
        search_settings,
    )

    output, given = session(context).output, list(words or [])
    arch = given.pop(0) if given and given[0] in _architectures() else None
    values: Mapping[str, Any] = {}
    if preset is not None:
        own = preset_settings(preset)
        arch, tokenizer, values = arch or own[0], tokenizer or own[1], own[2]

    def failed(error: MusictkError) -> None:
        output.warn(str(error))

    parts = {kind: component_settings(kind, failed) for kind in CONFIGURED}
    everywhere = bool(given) and not (arch or tokenizer)
    found = _everything(parts) if everywhere else _chosen(arch, tokenizer)
    matching = search_settings(found, given)
    if not matching:
        if len(given) == 1 and (kinds := _kinds_of(given[0])):
            raise UsageError(f"{kinds[0]} {given[0]!r} has no settings")
        names = {*_architectures(), *parts["sampler"]}
        names |= {name for each in found for name in (each.key, each.name)}
        raise UnknownNameError("setting", " ".join(given), names)
    counts = {kind: {name: len(own) for name, own in part.items()} for kind, part in parts.items()}
    if output.json:
        rows = [asdict(each) | {"preset": values.get(each.key)} for each in matching]
        output.result(
            {"settings": rows} | {f"{kind}s": counted for kind, counted in counts.items()}
        )
        return
    output.table([_row(each, preset, values, everywhere) for each in matching])
    if not (arch or tokenizer or given):
        for kind, part in counts.items():
            added = ", ".join(f"{name} {count}" for name, count in part.items())
            output.note(f"more settings by {kind}: {added}")
        output.note("list them with: musictk settings ARCH --tokenizer NAME, or settings SAMPLER")


def _architectures() -> list[str]:
    from musictk.plugin import registry

    return [offer.name for offer in registry().offers("architecture")]


def _kinds_of(name: str) -> list[str]:
    """The kinds of component that one of this name is of."""
    from musictk.plugin import registry

    return [offer.kind for offer in registry().offers() if offer.name == name]


def _everything(parts: Mapping[str, Mapping[str, list[Setting]]]) -> list[Setting]:
    """The settings of every run, architecture, tokenizer and sampler."""
    from musictk.jobs.settings import list_settings

    own = [each for part in parts.values() for settings in part.values() for each in settings]
    return [*list_settings(), *own]


def _chosen(arch: str | None, tokenizer: str | None) -> list[Setting]:
    """The settings of every run, and those of an architecture with its tokenizer."""
    from musictk.jobs.config import RunConfig
    from musictk.jobs.settings import list_settings

    return list_settings(arch, tokenizer or (RunConfig.tokenizer if arch else None))


def _row(
    setting: Setting, preset: str | None, values: Mapping[str, Any], everywhere: bool
) -> dict[str, str]:
    """One row of the table; from `everywhere`, architectures have settings of the same name."""
    from musictk.jobs.settings import as_typed

    row = {"setting": setting.key, "default": setting.shown_default}
    if preset is not None:
        row[preset] = as_typed(values[setting.key]) if setting.key in values else ""
    needs = f" Needs {setting.needs}." * bool(setting.needs)
    row |= {"values": setting.values, "description": f"{setting.help}{needs}"}
    return row | {"part": setting.section} if everywhere else row
