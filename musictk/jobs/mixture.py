"""Parse labels and mixtures of labels as typed by the user."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from musictk.catalog import Catalog
from musictk.errors import UnknownNameError, UsageError
from musictk.generation.request import Weighted
from musictk.model.conditions import Conditions

_WEIGHTED = re.compile(r"(.+?):(\d*\.?\d+)(?:,\s*|$)")  # LABEL:WEIGHT; a label may contain commas


def mixtures(
    catalog: Catalog | None, known: Conditions, texts: Mapping[str, str]
) -> dict[str, Weighted]:
    """The weighted labels in the text of each category. Composers may be aliases of the catalog.

    Categories without a text have the label that most of a composer's pieces have. Raises
    UsageError for a text that is not LABEL or LABEL:WEIGHT, separated by commas.
    """
    found: dict[str, Weighted] = {}
    for category, text in texts.items():
        named = _namer(catalog, known, category)
        found[category] = tuple(
            (named(label) or label, weight) for label, weight in mixture(text, named)
        )
    return found | {name: ((label, 1.0),) for name, label in known.completed(found).items()}


def mixture(text: str, named: Callable[[str], str | None]) -> Weighted:
    """`Bach:0.6,Chopin:0.4` -> (("Bach", 0.6), ("Chopin", 0.4)).

    A text that `named` knows as a whole is one label, even if it has commas and colons.
    """
    text = text.strip()
    if named(text) is not None:
        return ((text, 1.0),)
    parts = _WEIGHTED.findall(text)
    if parts and "".join(_WEIGHTED.split(text)[::3]) == "":
        return tuple((label.strip(), float(weight)) for label, weight in parts)
    return tuple(_label(part.strip(), named) for part in text.split(","))


def _label(part: str, named: Callable[[str], str | None]) -> tuple[str, float]:
    label, colon, weight = part.rpartition(":")
    if not colon or named(part) is not None:
        return part, 1.0
    try:
        return label, float(weight)
    except ValueError as error:
        raise UsageError(f"{part!r} is not LABEL:WEIGHT", "such as Bach:0.6,Chopin:0.4") from error


def _namer(
    catalog: Catalog | None, known: Conditions, category: str
) -> Callable[[str], str | None]:
    """A function from a name to the label that the model knows by it, or None."""

    def named(text: str) -> str | None:
        if category not in known.labels:
            return None
        if known.knows(category, text):
            return text
        if category != "composer" or catalog is None:
            return None
        try:
            name = catalog.composer(text).name
        except UnknownNameError:
            return None
        return name if known.knows("composer", name) else None

    return named
