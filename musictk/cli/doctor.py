"""`musictk doctor`."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer

from musictk import versions
from musictk.cli.context import session
from musictk.errors import MusictkError, install_command
from musictk.files import cause, require_writable_folder
from musictk.plugin import registry
from musictk.workspace import Workspace

PACKAGES = ("torch", "onnx", "onnxruntime-gpu", "onnxruntime", "symusic", "miditok", "safetensors")
WAL_FIXED = (3, 51, 3)  # SQLite before this has a WAL-reset bug with several connections
OK, OPTIONAL, FIX = "ok", "optional", "fix"  # optional: everything else works without it
ROOM = 1 << 30  # bytes of free disk space below which a small run may not fit

Row = dict[str, Any]
Probe = Callable[[], Iterator[Row]]


def doctor(context: typer.Context) -> None:
    """Check this installation and machine.

    Exit code 1 means that something has to be fixed.
    """
    here = session(context)
    probes: dict[str, Probe] = {
        "python": _python,
        **{name: partial(_package, name) for name in PACKAGES},
        "sqlite": _sqlite,
        "torch devices": _devices,
        "onnxruntime providers built in": _providers,
        "precision": _precision,
        "cores": _cores,
        "workspace": partial(_workspace, here.workspace),
        "free disk": partial(_disk, here.workspace.root),
        "temporary folder": _temporary,
        "terminal encoding": _encoding,
        "soundfont": _soundfont,
        "audio formats": _audio,
        "audio player": _player,
        "midi ports": _ports,
        "lora": _lora,
        "plugins": _plugins,
    }
    rows = [row for thing, probe in probes.items() for row in _guarded(thing, probe)]
    here.output.table(rows, ("thing", "found", "verdict", "fix"))
    if any(row["verdict"] == FIX for row in rows):
        raise typer.Exit(1)


def _guarded(thing: str, probe: Probe) -> list[Row]:
    """The rows of a probe; a single one if it fails, as a broken library may in any way."""
    try:
        return list(probe())
    except (Exception, SystemExit) as error:
        found = f"cannot be checked: {type(error).__name__}: {cause(error)}"
        return [_row(thing, found, FIX, "reinstall the package that raises this error")]


def _row(thing: str, found: Any, verdict: str = OK, fix: str = "") -> Row:
    return {"thing": thing, "found": found, "verdict": verdict, "fix": fix}


def _python() -> Iterator[Row]:
    fine = sys.version_info < (3, 14)
    fix = "" if fine else "use Python 3.11 to 3.13: TorchScript does not work on 3.14"
    yield _row("python", platform.python_version(), OK if fine else FIX, fix)


def _package(name: str) -> Iterator[Row]:
    """The version of a package, compared with the range that musictk requires."""
    wanted = _required(name)
    try:
        found = version(name)
    except PackageNotFoundError:
        if not name.startswith("onnxruntime"):  # of these, one is enough: see `_providers`
            yield _row(name, "not installed", FIX, f"pip install '{name}{wanted}'")
        return
    if versions.within(found, wanted):
        yield _row(name, found)
    else:
        yield _row(name, f"{found}, not {wanted}", FIX, f"pip install '{name}{wanted}'")


def _required(name: str) -> str:
    """The versions of a package that musictk requires, such as ">=2.11,<2.14"."""
    try:
        lines = requires("musictk") or []
    except PackageNotFoundError:  # it runs from a folder without being installed
        return ""
    return versions.required(name, lines)


def _sqlite() -> Iterator[Row]:
    fine = sqlite3.sqlite_version_info >= WAL_FIXED
    fix = "" if fine else "run one command at a time that writes, or use a newer Python"
    yield _row("sqlite", sqlite3.sqlite_version, OK if fine else OPTIONAL, fix)


def _devices() -> Iterator[Row]:
    import torch

    yield _row("threads", torch.get_num_threads())
    count = torch.cuda.device_count()
    for index in range(count):
        properties = torch.cuda.get_device_properties(index)
        yield _row(f"cuda:{index}", f"{properties.name}, {properties.total_memory / ROOM:.0f} GiB")
    if count:
        return
    if Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi"):
        found = f"an NVIDIA GPU, but PyTorch {torch.__version__} cannot use it"
        yield _row("gpu", found, OPTIONAL, "install PyTorch with CUDA, and the NVIDIA driver")
    else:
        yield _row("gpu", "none: training and sampling run on the CPU")


def _precision() -> Iterator[Row]:
    """What `precision=auto` is here, and the measured speed of a matrix product."""
    import torch

    from musictk.training.precision import fastest, product_rate

    device = "cuda" if torch.cuda.is_available() else "cpu"
    yield _row("precision", f"{fastest(device)} (chosen by precision=auto on {device})")
    rates = [f"{name} {product_rate(name) / 1e9:,.0f} GFLOP/s" for name in ("fp32", "bf16")]
    yield _row("matrix product on one core", ", ".join(rates))


def _providers() -> Iterator[Row]:
    """Those that musictk runs exports with. TensorRT is built in too, but never used."""
    thing = "onnxruntime providers built in"
    if find_spec("onnxruntime") is None:
        name = _onnxruntime()
        yield _row(thing, "not installed", FIX, f"pip install '{name}{_required(name)}'")
        return
    import onnxruntime

    built_in = onnxruntime.get_available_providers()
    names = [name for name in ("CUDA", "CPU") if f"{name}ExecutionProvider" in built_in]
    yield _row(thing, ", ".join(names))


def _onnxruntime() -> str:
    """The package of ONNX Runtime that pyproject.toml requires on this machine."""
    linux = sys.platform == "linux" and platform.machine() == "x86_64"
    return "onnxruntime-gpu" if linux or sys.platform == "win32" else "onnxruntime"


def _cores() -> Iterator[Row]:
    yield _row("cores", os.cpu_count())


def _workspace(workspace: Workspace) -> Iterator[Row]:
    has = "with a catalog" if workspace.catalog.is_file() else "no catalog yet"
    found = f"{workspace.root} ({has})"
    try:
        require_writable_folder(workspace.root)
    except MusictkError as error:
        yield _row("workspace", f"{found}: {error.message}", FIX, "make it writable, or copy it")
    else:
        yield _row("workspace", found)


def _disk(root: Path) -> Iterator[Row]:
    free = shutil.disk_usage(root).free
    fix = "" if free > ROOM else "free some disk space"
    yield _row("free disk", f"{free / ROOM:.1f} GiB", OK if free > ROOM else FIX, fix)


def _temporary() -> Iterator[Row]:
    try:
        yield _row("temporary folder", tempfile.gettempdir())
    except OSError:
        fix = "free disk space, or set TMPDIR to another path"
        yield _row("temporary folder", "none is writable", FIX, fix)


def _encoding() -> Iterator[Row]:
    found = getattr(sys.stdout, "encoding", None) or "none"
    fine = found.lower().replace("-", "") == "utf8"
    fix = "" if fine else "set PYTHONIOENCODING=utf-8 to print all letters and piano rolls"
    yield _row("terminal encoding", found, OK if fine else OPTIONAL, fix)


def _soundfont() -> Iterator[Row]:
    from musictk.rendering.soundfonts import check_soundfont, find_soundfont

    try:
        found = find_soundfont()
        check_soundfont(found)
        yield _row("soundfont", str(found))
    except MusictkError as error:
        yield _row("soundfont", error.message, OPTIONAL, f"to render audio: {error.hint}")


def _audio() -> Iterator[Row]:
    from musictk.rendering.audio import COMPRESSED, require_format

    for suffix, name in COMPRESSED.items():
        try:
            require_format(Path(f"out{suffix}"))
            yield _row(f"audio {name}", "can be written")
        except MusictkError as error:
            yield _row(f"audio {name}", error.message, OPTIONAL, error.hint)


def _player() -> Iterator[Row]:
    from musictk.rendering.speaker import require_player

    try:
        require_player()
        yield _row("audio player", f"miniaudio {version('miniaudio')}")
    except MusictkError as error:
        yield _row("audio player", error.message, OPTIONAL, f"for --play: {error.hint}")


def _ports() -> Iterator[Row]:
    from musictk.rendering.live import ports

    try:
        names = ports()
    except MusictkError as error:
        yield _row("midi ports", error.message, OPTIONAL, f"for musictk play: {error.hint}")
        return
    fix = "" if names else "for musictk play: start a synthesizer or a DAW"
    yield _row("midi ports", ", ".join(names) or "none", OK if names else OPTIONAL, fix)


def _lora() -> Iterator[Row]:
    try:
        yield _row("lora", f"peft {version('peft')}")
    except PackageNotFoundError:
        yield _row("lora", "peft is not installed", OPTIONAL, install_command("lora"))


def _plugins() -> Iterator[Row]:
    for failure in registry().failures:
        fix = "repair or uninstall that plugin"
        yield _row(f"plugin {failure.origin}", failure.reason, FIX, fix)
    names = {offer.origin for offer in registry().offers()}
    yield _row("plugins", f"{len(names)} without errors")
