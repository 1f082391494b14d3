"""A plugin as an installed distribution, for the tests of one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from musictk.plugin import registry


def write_plugin(folder: Path, name: str, source: str) -> None:
    """The module plugin_NAME in a folder for PYTHONPATH, as the distribution NAME 1.0."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / f"plugin_{name}.py").write_text(source, "utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[musictk]\n{name} = plugin_{name}\n")


@contextmanager
def available(folder: Path, name: str) -> Iterator[None]:
    """The plugin that was written there is found by this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        registry.cache_clear()
        try:
            yield
        finally:
            sys.modules.pop(f"plugin_{name}", None)
            registry.cache_clear()
