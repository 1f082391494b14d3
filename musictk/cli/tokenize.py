"""`musictk tokenize`."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from typing import Annotated

import typer

from musictk.cli.context import session
from musictk.cli.settings import assignments
from musictk.errors import UsageError

_COLUMNS = ("split", "pieces", "refused", "positions", "fingerprint", "path")
_SHOWN = 5  # refused pieces that are named


def tokenize(
    context: typer.Context,
    tokenizer: Annotated[
        str, typer.Argument(metavar="TOKENIZER", help="Tokenizer (see `plugins`).")
    ] = "remi",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Setting of the tokenizer, such as bpe=5000 (see `settings`).",
        ),
    ] = None,
) -> None:
    """Encode the music of all splits as tokens. `train` does this when needed."""
    from musictk.cli.ingest_progress import IngestBar
    from musictk.jobs.tokenize import tokenize_all

    here = session(context)
    groups = assignments(settings or [])
    for group in groups.keys() - {"", "tokens"}:
        key = next(iter(groups[group]))
        raise UsageError(
            f"tokenize does not use the setting {group}.{key}",
            f"list those of the tokenizer with: musictk settings --tokenizer {tokenizer} tokens",
        )
    config = groups.get("", {}) | groups.get("tokens", {})
    with here.catalog(write=True) as catalog, IngestBar(here.output) as bar:
        rows = tokenize_all(catalog, here.workspace, tokenizer, config, bar)
    here.output.table([asdict(row) for row in rows], _COLUMNS)
    reasons = {path: why for row in rows for path, why in row.reasons.items()}
    for path, why in islice(reasons.items(), _SHOWN):
        here.output.warn(f"{path}: {why}")
    if len(reasons) > _SHOWN:
        here.output.warn(f"{len(reasons) - _SHOWN:,} more; all of them: musictk tokenize --json")
