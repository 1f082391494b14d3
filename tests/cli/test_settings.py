"""Settings files and --set."""

from __future__ import annotations

from pathlib import Path

import pytest

from musictk.cli.settings import assignments, defaults
from musictk.errors import UsageError


def test_assignments_are_read_as_toml_where_they_are_toml() -> None:
    found = assignments(["model.dim=64", "model.windows=[8, 16]", "optimizer=muon"])
    assert found == {"model": {"dim": 64, "windows": [8, 16]}, "": {"optimizer": "muon"}}


@pytest.mark.parametrize("broken", ["model.dim", "model.=3", "=", ""])
def test_a_broken_assignment_says_its_form(broken: str) -> None:
    with pytest.raises(UsageError, match="KEY=VALUE"):
        assignments([broken])


def test_defaults_come_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "musictk.toml"
    assert defaults(file) == {}
    file.write_text('[train]\narch = "gpt"\n')
    assert defaults(file) == {"train": {"arch": "gpt"}}
    file.write_text("[train\n")
    with pytest.raises(UsageError, match="not valid TOML"):
        defaults(file)
