"""Which versions of a package requirements accept, such as "musictk>=0.2,<1"."""

from __future__ import annotations

from collections.abc import Iterable

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name


def required(name: str, lines: Iterable[str]) -> str:
    """The versions of a package that requirements ask for here, such as ">=0.2,<1"; "" for any.

    Requirements of an extra or of another system are left out, and what is no requirement.
    """
    found = SpecifierSet()
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        marker = requirement.marker
        if canonicalize_name(requirement.name) == canonicalize_name(name) and (
            marker is None or marker.evaluate({"extra": ""})
        ):
            found &= requirement.specifier
    return str(found)


def within(found: str, wanted: str) -> bool:
    """Whether a version, also one before a release, is one of those."""
    return SpecifierSet(wanted).contains(found, prereleases=True)
