"""The built-in commands, in the order of the data flow."""

from __future__ import annotations

import typer

from musictk.cli import (
    attribute,
    catalog,
    config,
    doctor,
    evaluate,
    export,
    ingest,
    list_settings,
    play,
    plugins,
    render,
    runs,
    sample,
    show,
    sweep,
    tokenize,
    train,
)


def add_to(app: typer.Typer) -> None:
    """Register every built-in command."""
    app.command("ingest")(ingest.ingest)
    app.add_typer(catalog.app(), name="catalog")
    app.command("tokenize")(tokenize.tokenize)
    app.command("train")(train.train)
    app.command("sweep")(sweep.sweep)
    app.command("settings")(list_settings.settings)
    app.add_typer(runs.app(), name="runs")
    app.command("sample")(sample.sample)
    app.command("export")(export.export)
    app.command("evaluate")(evaluate.evaluate)
    app.command("originality")(evaluate.originality)
    app.command("attribute")(attribute.attribute)
    app.command("render")(render.render)
    app.command("show")(show.show)
    app.command("play")(play.play)
    app.command("plugins")(plugins.plugins)
    app.command("doctor")(doctor.doctor)
    app.command("config")(config.config)
