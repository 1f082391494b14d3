"""Keep a benchmark's table where the docs are generated from."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from musictk.files import write_json

RESULTS = Path(__file__).parent / "results"


def keep(
    name: str,
    title: str,
    flags: str,
    rows: Sequence[Mapping[str, Any]],
    note: str,
    file: str | None = None,
    named: bool = True,
) -> None:
    """Write `rows` to results/NAME.json (or FILE.json); `flags` make the same table again.

    `named`: whether `--save` takes the name of the file.
    """
    saved = file if file and named else ""
    command = " ".join(f"python -m benchmarks.{name} {flags} --save {saved}".split())
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    kept = {"title": title, "command": command, "machine": machine, "note": note}
    write_json(RESULTS / f"{file or name}.json", {**kept, "rows": list(rows)})
