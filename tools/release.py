"""Checks and notes of a release: `python tools/release.py check|notes v1.2.3`.

Run it in the root of the repository. `check` fails unless the tag is the version of
pyproject.toml and of the package, and the changelog has a section for it. `notes` prints that
section. Uses only the standard library.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

VERSION = re.compile(r'(?m)^__version__ = "(.+)"$')


def check(tag: str) -> None:
    """Raise ValueError naming the first thing that does not fit the tag."""
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]["version"]
    package = VERSION.search(Path("musictk/__init__.py").read_text("utf-8"))
    if tag != f"v{project}":
        raise ValueError(f"the tag is {tag}, but pyproject.toml has version {project}")
    if package is None or package[1] != project:
        raise ValueError(f"pyproject.toml has version {project}, but musictk/__init__.py has not")
    title, _ = section(project)
    if "unreleased" in title:
        raise ValueError(f"CHANGELOG.md still calls {project} unreleased")


def section(version: str) -> tuple[str, str]:
    """(title, text) of a version in CHANGELOG.md; raises ValueError where it has none."""
    parts = re.split(r"(?m)^## (.+)$", Path("CHANGELOG.md").read_text("utf-8"))[1:]
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        if title.split()[0].strip("[]") == version:
            return title, text.strip()
    raise ValueError(f"CHANGELOG.md has no section for {version}")


def main(arguments: list[str]) -> int:
    """Run `check` or `notes`; 1 with one line on standard error where that fails."""
    if len(arguments) != 2 or arguments[0] not in ("check", "notes"):
        print("usage: python tools/release.py check|notes TAG", file=sys.stderr)
        return 2
    command, tag = arguments
    try:
        if command == "check":
            check(tag)
        else:
            print(section(tag.removeprefix("v"))[1])
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
