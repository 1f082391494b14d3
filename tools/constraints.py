"""Write constraints.txt from the packages of this environment: `python tools/constraints.py`.

`make constraints` runs it in a new environment with the newest versions that pyproject.toml allows.
It takes Python 3.11: what supports the oldest Python of musictk supports the newer ones too. pip
reads the file with `-c`: a line fixes a version, and installs nothing by itself.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAD = """\
# Exact versions for development and continuous integration. `make constraints` writes this file.
# torch is not listed: the Makefile's TORCH chooses it, and with it the packages of its CUDA build.
"""
LEFT_OUT = re.compile(r"(torch|triton|nvidia|cuda|musictk|pip$|setuptools$|wheel$)")
# Packages that other systems install instead of, or beside, those of this one.
ELSEWHERE = {
    "colorama": "colorama==0.4.6",
    "onnxruntime": "onnxruntime==1.31.1",
}


def lines() -> Iterator[str]:
    """`name==version` of every installed distribution that constraints.txt lists."""
    for distribution in distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
        if not LEFT_OUT.match(name):
            yield f"{name}=={distribution.version.partition('+')[0]}"


def main() -> str | None:
    """Write the file, sorted by name; return an error message for another Python than 3.11."""
    if sys.version_info[:2] != (3, 11):
        return "error: constraints.txt needs Python 3.11; run: make constraints PYTHON=python3.11"
    found = {line.partition("=")[0]: line for line in lines()}
    body = "\n".join(line for _, line in sorted((ELSEWHERE | found).items()))
    (ROOT / "constraints.txt").write_text(f"{HEAD}{body}\n", "utf-8")
    return None


if __name__ == "__main__":
    sys.exit(main())
