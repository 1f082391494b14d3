"""A short run of the fuzz target; `python -m tests.fuzz.midi` runs it for as long as one likes."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.midi import run_batch


def test_damaged_files_are_rejected_or_encoded(tmp_path: Path) -> None:
    found = run_batch(seed=1, first=0, count=600, keep=tmp_path)
    assert not [what for what in found if what.startswith("FAULT")]
    assert found["accepted"] > 50
    assert sum(found.values()) == 600
