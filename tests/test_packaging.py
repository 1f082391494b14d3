"""The hooks are real: the wheel is built, a third party's plugin is installed beside it, and the
core runs with no plugin at all. Nothing is fetched: the libraries are those of this environment.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from musictk import builtin

ROOT = Path(__file__).parents[1]
GRU = ROOT / "examples" / "musictk-gru"


def pip(*arguments: str) -> None:
    """Run pip without a network, and without anything beside what is named."""
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    command = [sys.executable, "-m", "pip", *arguments[:1], *options, *arguments[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def run(site: Path, code: str, folder: Path) -> str:
    """Run `code` in a fresh interpreter that sees `site` before this environment's packages."""
    environment = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--wheel-dir", str(folder), str(ROOT))
    (built,) = folder.glob("musictk-*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place where musictk and the third party's distribution are installed."""
    folder = tmp_path_factory.mktemp("site")
    pip("install", "--target", str(folder), str(wheel), str(GRU))
    return folder


def test_the_wheel_holds_core_and_plugins_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    plugins = {path.name for path in (ROOT / "plugins").glob("musictk_*")}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"musictk", *plugins}
    sources = {
        path.relative_to(base).as_posix()
        for base in (ROOT, ROOT / "plugins")
        for path in base.glob("musictk*/**/*.py")
    }
    assert sources <= set(names), "every module is in the wheel"
    assert any(name.endswith("licenses/LICENSE") for name in names)
    soundfont = "musictk/rendering/soundfont/"
    assert {f"{soundfont}FluidR3Mono_GM.sf3", f"{soundfont}LICENSE.md"} <= set(names)
    assert any(name.endswith(f"licenses/{soundfont}LICENSE.md") for name in names)
    files, parts = ["README.md", "SOURCES.md"], ("onnx/model.onnx", "weights/weights.safetensors")
    for model in builtin.MODELS.values():
        files += [f"{model.folder.name}/{name}" for name in parts]
    assert {f"musictk/builtin/{name}" for name in files} <= set(names)


def test_a_third_party_s_plugin_is_listed_with_its_own_origin(site: Path, tmp_path: Path) -> None:
    listed = run(
        site,
        "import sys, musictk; assert 'site' in musictk.__file__, musictk.__file__\n"
        "from musictk.cli.main import main\n"
        "main(['--json', 'plugins'])",
        tmp_path,
    )
    found = json.loads(listed)
    assert found["failures"] == []
    (gru,) = [offer for offer in found["offers"] if offer["name"] == "gru"]
    assert gru["kind"] == "architecture"
    assert gru["origin"] == "gru (musictk-gru 0.1.0)"
    origins = {offer["origin"] for offer in found["offers"]} - {gru["origin"]}
    assert all(re.fullmatch(r"\w+ \(musictk \S+\)", origin) for origin in origins)


def test_a_third_party_s_architecture_keeps_the_laws(site: Path, tmp_path: Path) -> None:
    """Those of the built-ins, run as its author would: by what musictk.testing offers."""
    code = """
import itertools, pathlib
from musictk.plugin import registry
from musictk.testing.architectures import LAWS, SPACES, tiny
from musictk.testing.exports import check_parity

kind = registry().load("architecture", "gru")
for space, law in itertools.product(SPACES, LAWS):
    law(tiny(kind, space), space)
    print(law.__name__)
check_parity("gru", SPACES[0], pathlib.Path("exports"), dim=32, depth=2, heads=1)
print("parity")
"""
    kept = run(site, code, tmp_path).split()
    assert kept[-1] == "parity"
    assert {"chunking", "causality", "rows"} <= set(kept)


def test_the_core_runs_with_no_plugin_at_all(wheel: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith("musictk/"):  # neither the plugins nor what announces them
                target = bare / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
    code = (
        "from importlib import metadata\n"
        "metadata.entry_points = lambda **query: metadata.EntryPoints()\n"
        "from musictk.cli.main import main\n"
        "from musictk.plugin import registry\n"
        "kinds = {{offer.kind for offer in registry().offers()}}\n"
        "assert kinds == {{'runtime', 'tracker', 'control'}}\n"
        "main({arguments})"
    )
    listed = run(bare, code.format(arguments="['--json', 'plugins']"), tmp_path)
    found = json.loads(listed)
    assert {offer["kind"] for offer in found["offers"]} == {
        "runtime",
        "tracker",
        "control",
    }  # those of musictk itself
    assert not found["failures"]
    (tmp_path / "midis").mkdir()
    run(bare, code.format(arguments="['--json', 'ingest', 'midis']"), tmp_path)
    run(bare, code.format(arguments="['--json', 'catalog', 'summary']"), tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code.format(arguments="['train', '--arch', 'gpt']")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(bare)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (1, 2), done.stderr
    assert "Traceback" not in done.stderr
