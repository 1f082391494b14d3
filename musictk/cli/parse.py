"""Parse the values of options: lists of names, labels and samplers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from musictk.errors import UsageError
from musictk.generation.chosen_controls import ChosenControl
from musictk.generation.control_text import parse_control
from musictk.generation.sampling import Links


def names(text: str) -> tuple[str, ...]:
    """`"composer, period"` -> ("composer", "period")."""
    return tuple(name for part in text.split(",") if (name := part.strip()))


def conditions(composer: str | None, labels: Sequence[str]) -> Mapping[str, str]:
    """`"Bach", ["period=Baroque"]` -> {"composer": "Bach", "period": "Baroque"}."""
    chosen: dict[str, str] = {"composer": composer} if composer else {}
    for pair in labels:
        category, equals, text = pair.partition("=")
        if not (equals and category and text):
            raise UsageError(f"--label {pair!r} is not CATEGORY=VALUE", "such as period=Baroque")
        if category in chosen:
            raise UsageError(
                f"{category} is given twice", "to mix labels: composer=Bach:0.6,Chopin:0.4"
            )
        chosen[category] = text
    return chosen


def controls(texts: Sequence[str]) -> tuple[ChosenControl, ...]:
    """`["key=C major", "9-12: polyphony=4"]` -> two choices, for the piece and for some bars."""
    example = "such as 'key=E minor' or '9-12: polyphony=4'"
    chosen = [one for text in texts for one in parse_control(text, "--control", example)]
    for one in chosen:
        if one.for_section:
            raise UsageError(
                f"--control {one.where}: is for bars, such as '9-12: …'",
                f"for a section, write --section '{one.where}: {one.name}={one.value}'",
            )
    return tuple(chosen)


def sections(texts: Sequence[str]) -> tuple[ChosenControl, ...]:
    """`["B: key=E minor, density=high"]` -> two choices for section B."""
    example = "such as 'B: key=E minor, density=high'"
    for text in texts:
        if "=" not in text:
            hint = f"{example}; to rewrite it, add --like ID"
            raise UsageError(f"--section {text!r} gives no control", hint)
    chosen = [one for text in texts for one in parse_control(text, "--section", example)]
    for one in chosen:
        if not one.for_section:
            raise UsageError(
                "--section needs the section: LABEL: NAME=VALUE,…",
                f"{example}; for the piece or some bars, write --control",
            )
    return tuple(chosen)


def section_to_rewrite(texts: Sequence[str]) -> str | None:
    """`["B2"]` -> "B2", with --like; None for the whole sample."""
    if not texts:
        return None
    if len(texts) > 1 or ":" in texts[0] or not texts[0].strip():
        raise UsageError(
            "with --like, --section is one section of the sample", "such as --section B or B2"
        )
    return texts[0].strip()


def samplers(texts: Sequence[str]) -> Links:
    """`["top-k:k=40", "mine"]` -> [("top-k", {"k": "40"}), ("mine", {})]."""
    links = []
    for text in texts:
        name, _, values = text.partition(":")
        pairs = [pair.partition("=") for pair in values.split(",") if pair]
        if not name or not all(equals and key for key, equals, _ in pairs):
            raise UsageError(f"--sampler {text!r} is not NAME:key=value,…", "such as top-k:k=40")
        links.append((name, {key.strip(): value for key, _, value in pairs}))
    return tuple(links)
