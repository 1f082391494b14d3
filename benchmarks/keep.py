"""Keep a benchmark's table where the docs are generated from."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from musictk.files import write_json

RESULTS = Path(__file__).parent / "results"
VENDORS = {"GenuineIntel": "Intel", "AuthenticAMD": "AMD"}
# What multiplies bf16 and int8, by the flag of Linux: speeds differ several times between them.
UNITS = {
    "amx_tile": "with AMX",
    "avx512_bf16": "with AVX-512 and bf16",
    "avx512f": "with AVX-512",
    "avx2": "with AVX2",
}


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
    machine = f"{processor()}, Python {platform.python_version()}"
    kept = {"title": title, "command": command, "machine": machine, "note": note}
    write_json(RESULTS / f"{file or name}.json", {**kept, "rows": list(rows)})


def processor() -> str:
    """The architecture of the CPU, its vendor, and the widest of UNITS that it has.

    What is not known (outside Linux) is left out.
    """
    try:
        first, _, _ = Path("/proc/cpuinfo").read_text("utf-8").partition("\n\n")
    except OSError:
        return platform.machine()
    facts = dict(re.findall(r"(?m)^([^\t:]+)\s*: (.*)$", first))
    flags = facts.get("flags", "").split()
    unit = next((name for flag, name in UNITS.items() if flag in flags), "")
    words = (platform.machine(), VENDORS.get(facts.get("vendor_id", ""), ""), unit)
    return " ".join(word for word in words if word)
