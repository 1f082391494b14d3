"""Importing is not free: what a command does not use, it must not load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from musictk.catalog import Catalog
from musictk.export import export_onnx
from musictk.testing.exports import write_untrained
from musictk_remi.config import RemiConfig
from musictk_remi.tokenizer import Remi

HEAVY = ("torch", "miditok", "onnxruntime", "matplotlib", "mido", "symusic")
CATALOG = ("sqlalchemy", "alembic")


def loaded(code: str, folder: Path) -> set[str]:
    """The top-level modules loaded after `code` ran in a fresh interpreter."""
    script = f"""
import atexit, sys
atexit.register(lambda: print(*{{name.partition(".")[0] for name in sys.modules}}, file=sys.stderr))
{code}
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def command(*arguments: str) -> str:
    """Code that runs `musictk` with these arguments."""
    return (
        f"import sys; sys.argv = {['musictk', *arguments]!r}\n"
        "from musictk.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("plugins",),
        ("catalog", "--help"),
        ("train", "--help"),
        ("sample", "--help"),
    ],
    ids=" ".join,
)
def test_light_commands_load_nothing_heavy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    found = loaded(command(*arguments), tmp_path)
    assert "typer" in found
    assert not found & {*HEAVY, *CATALOG}


@pytest.mark.parametrize("arguments", [("catalog", "summary"), ("catalog", "files")], ids=" ".join)
def test_the_catalog_needs_no_model(arguments: tuple[str, ...], tmp_path: Path) -> None:
    Catalog.open(f"sqlite:///{tmp_path}/catalog.db", tmp_path).close()
    found = loaded(command(*arguments), tmp_path)
    assert "sqlalchemy" in found
    assert not found & set(HEAVY)


def test_sampling_an_onnx_export_loads_no_torch(tmp_path: Path) -> None:
    write_untrained(
        tmp_path / "source", "gpt", Remi(RemiConfig()), dim=32, depth=1, heads=2, max_length=512
    )
    export_onnx(tmp_path / "source", tmp_path / "export")
    flags = ("--bundle", "export", "--runtime", "onnx", "--bars", "2", "--output", "piece.mid")
    found = loaded(command("sample", *flags), tmp_path)
    assert "onnxruntime" in found
    assert (tmp_path / "piece.mid").stat().st_size > 0
    assert not found & {"torch", "miditok", "onnx", "onnxscript"}


def test_importing_the_package_is_free(tmp_path: Path) -> None:
    before = loaded("", tmp_path)
    assert loaded("import musictk", tmp_path) - before <= {"musictk"}


@pytest.mark.parametrize(
    "module",
    [
        "musictk.plugin",
        "musictk.tokens",
        "musictk.tokens.shards",
        "musictk.tokens.crops",
        "musictk.model.manifest",
        "musictk.catalog",
        "musictk.ingest",
        "musictk.generation",
        "musictk.generation.compose",
        "musictk.runtime.onnx",
        "musictk.rendering.midi",
        "musictk.rendering.pianoroll",
        "musictk.evaluation.features",
        "musictk.evaluation.attribution",
        "musictk.evaluation.figures",
        "musictk.evaluation.originality",
        "musictk.evaluation.reference",
    ],
)
def test_a_process_without_torch_can_do_it(module: str, tmp_path: Path) -> None:
    assert "torch" not in loaded(f"import {module}", tmp_path)
