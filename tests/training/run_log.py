"""The log of a run, as a user reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_log(directory: Path) -> list[dict[str, Any]]:
    """Every line of the log in the directory of a run."""
    return [json.loads(line) for line in (directory / "log.jsonl").read_text("utf-8").splitlines()]
