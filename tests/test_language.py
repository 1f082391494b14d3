"""What users read has the standard terms of the field: see docs/style.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from musictk.cli.main import build_command

ROOT = Path(__file__).parents[1]

# Where string literals are checked: directories and files, from the root of the repository.
PLACES = ("musictk", "plugins")


# A pattern, with word boundaries around it, and what to write instead.
BANNED = {
    r"mend(s|ed|ing)?": "fix, hint",
    r"dials?": "option, setting",
    r"(un)?heed(s|ed|ing)?": "ignore",
    r"anew": "again, re-",
    r"reckon\w*": "estimate",
    r"(un)?settle[sd]?": "resolve",
    r"suits?|suited": "fit, choose automatically",
    r"(go|goes|gone|going|went) on( with| from)?": "resume, continue",
    r"(go|goes|gone) further": "fine-tune",
    r"(begin|began|begun)s? (anew|again)": "start a new run",
    r"stands?|stood": "is",
    r"lies|lie nowhere|placeless": "is, orphaned",
    r"says?|said|tells?|told": "state the fact; use, give",
    r"hears?|heard|unheard": "use, condition on, encode",
    r"obeys?|obeyed": "follow, condition on",
    r"wilder": "more random",
    r"likeliest": "most likely",
    r"deals?|dealt": "split",
    r"twins?": "near-duplicates",
    r"(is|are) not there": "does not exist",
    r"(is|are) gone": "is missing",
    r"(put|give) (it|them) back": "restore",
    r"makes? (it|them) again": "repeat, write again",
    r"all is as": "no problems found",
    r"as (it|they) (is|are|was|were)": "unchanged",
    r"(of|by) (its|their|one's) own": "own, itself",
    r"so (many|much)": "number of",
    r"what (suits|stands|lies)": "name the thing",
    r"looks? (up|into|alike|while)": "inspect, log, be similar",
    r"takes? (it )?away": "remove",
    r"in vain": "without effect",
    r"cut short": "truncated",
    r"wholly": "completely",
    r"cannot be[;,.]|cannot be$": "must be …",
    r"mean(s)? no": "match no",
    r"holds? (no|a|an|only)": "contain, have",
    r"speechless|nowhere|idle": "must sound, ignored, no effect",
    r"asked? (of|for)|unasked": "required, given",
    r"nothing was kept": "removed",
    r"there is:": "choose from:",
}

# Literals that may have such a word, each with the reason.
ALLOWED: dict[str, str] = {}


class Text(NamedTuple):
    """A text that a user may read, and where it is."""

    place: str
    text: str


def help_texts(command: Any, name: str = "") -> Iterator[Text]:
    """The help of a command, its arguments and options, and the commands below it."""
    yield Text(name or "musictk", command.help or "")
    for parameter in command.params:
        place = f"{name} {parameter.opts[0]}".strip()
        yield Text(place, f"{parameter.help or ''} {getattr(parameter, 'show_default', '')}")
    for child, below in getattr(command, "commands", {}).items():
        yield from help_texts(below, f"{name} {child}".strip())


def literals(source: str, place: str) -> Iterator[Text]:
    """Every string literal of two words and more; docstrings apart. Values are shown as {}."""
    tree = ast.parse(source)
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if " " in text.strip():
            yield Text(f"{place}:{node.lineno}", text)


def source_texts() -> Iterator[Text]:
    """The literals of all files in PLACES."""
    for place in PLACES:
        path = ROOT / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            name = file.relative_to(ROOT).as_posix()
            yield from literals(file.read_text("utf-8"), name)


def faults(text: str) -> list[str]:
    """The banned words in a text, each with what to write instead."""
    if text in ALLOWED:
        return []
    found = ((re.search(rf"(?<![\w-])(?:{each})(?![\w-])", text, re.I), each) for each in BANNED)
    return [f"{word[0]!r} (write: {BANNED[each]})" for word, each in found if word]


def test_help_has_standard_terms() -> None:
    _check(list(help_texts(build_command())))


def test_literals_have_standard_terms() -> None:
    _check(list(source_texts()))


def _check(texts: list[Text]) -> None:
    assert len(texts) > 50, "the texts are not collected"
    wrong = [(each, faults(each.text)) for each in texts]
    lines = [f"{each.place}: {', '.join(why)} in {each.text!r}" for each, why in wrong if why]
    assert not lines, "\n".join(lines)


def test_every_command_and_option_has_help() -> None:
    assert not [each.place for each in help_texts(build_command()) if not each.text.split()]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("goes on as the run began", "goes on"),
        ("Deal train, valid and test anew", "anew"),
        ("unheeded by this model", "unheeded"),
        ("a file that is not there", "is not there"),
        ("ongoing dialogue about standards, dealers and lieder", ""),
    ],
)
def test_banned_words_are_found_as_words(text: str, wrong: str) -> None:
    assert bool(wrong) == bool(faults(text))
    assert not wrong or any(repr(wrong) in each for each in faults(text))


def test_literals_are_joined_and_docstrings_are_left_alone() -> None:
    source = '"""Anew."""\nraise E(f"a {x} goes" f" on {y}", "hint")\nnote("one" " two")\n'
    assert [each.text for each in literals(source, "x")] == ["a {} goes on {}", "one two"]


def test_the_allow_list_has_no_leftovers() -> None:
    known = {each.text for each in (*source_texts(), *help_texts(build_command()))}
    assert set(ALLOWED) <= known
