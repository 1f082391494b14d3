"""`musictk tokenize`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from musictk.cli.context import session
from musictk.cli.settings import assignments
from musictk.errors import UsageError


def tokenize(
    context: typer.Context,
    tokenizer: Annotated[str, typer.Argument(help="See `musictk plugins`.")] = "remi",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE of it, such as bpe=5000."),
    ] = None,
) -> None:
    """Encode every split of the catalog into shards. `train` does it by itself when needed."""
    from musictk.cli.ingest_progress import IngestBar
    from musictk.jobs.tokenize import tokenize_all

    here = session(context)
    groups = assignments(settings or [])
    for group in groups.keys() - {"", "tokens"}:
        key = next(iter(groups[group]))
        raise UsageError(
            f"tokenize reads no setting {group}.{key}",
            "give settings of the tokenizer, such as bpe=5000 or tokens.bpe=5000",
        )
    config = groups.get("", {}) | groups.get("tokens", {})
    with here.catalog() as catalog, IngestBar(here.output) as bar:
        rows = tokenize_all(catalog, here.workspace, tokenizer, config, bar)
    here.output.table([asdict(row) for row in rows])
