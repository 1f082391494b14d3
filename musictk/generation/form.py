"""The form plan: `AABA`, `A8 B4 A8`, `A A' B`, `verse-chorus-bridge`: sections and their bars."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from musictk.errors import UnknownNameError, UsageError

# The sections of each named form, as a user would write them.
NAMED = {
    "strophic": "A A A A",
    "binary": "A B",
    "rounded-binary": "A B A'",
    "ternary": "A B A",
    "song": "A A B A",
    "32-bar": "A8 A8 B8 A8",
    "bar-form": "A A B",
    "arch": "A B C B A",
    "rondo": "A B A C A",
    "sonata-rondo": "A B A C A B A",
    "theme-and-variations": "A A' A'' A''' A''''",
    "verse-chorus": "verse chorus verse chorus",
    "verse-chorus-bridge": "verse chorus verse chorus bridge chorus",
    "12-bar-blues": "A12 A'12 A''12",
    "through-composed": "A B C D",
}
WORDS = (
    *("intro", "verse", "prechorus", "chorus", "refrain", "hook", "bridge", "interlude", "solo"),
    *("outro", "coda", "theme", "exposition", "development", "recapitulation", "minuet", "trio"),
)
BARS = 8  # of a section whose bars are not given
MOST_SECTIONS, MOST_BARS = 64, 1024

_LETTERS = re.compile(r"(?:[A-Z]'*(?:\d{1,18})?)+")
_SMALL = re.compile(r"(?:[a-f]'*(?:\d{1,18})?)+")  # as in `aaba`: no word is of these letters alone
_NAME = re.compile(r"(.+?)(?:-form)?-?(\d{1,18})?")
_LETTER = re.compile(r"([A-Z])('*)(\d{1,18})?")
_WORD = re.compile(r"([a-z]+)('*)(\d{1,18})?")


@dataclass(frozen=True)
class Section:
    """One section of a form: "A'" of 8 bars has label "A" and one prime."""

    label: str
    bars: int
    primes: int = 0  # A' is a freer return of A

    @property
    def name(self) -> str:
        """The label with its primes, as in the form and in a MIDI marker."""
        return self.label + "'" * self.primes


@dataclass(frozen=True)
class Form:
    """Sections in the order they are played."""

    sections: tuple[Section, ...]

    @property
    def bars(self) -> int:
        """Bars of the whole piece."""
        return sum(section.bars for section in self.sections)

    def returns(self, index: int) -> int | None:
        """The index of the first section with the label of section `index`; None if it is that."""
        labels = [section.label for section in self.sections[:index]]
        label = self.sections[index].label
        return labels.index(label) if label in labels else None

    def repeats(self, before: int) -> dict[int, int]:
        """The bar that each bar of a return repeats, counted with `before` others."""
        starts, found = list[int](), dict[int, int]()
        for index, section in enumerate(self.sections):
            starts.append(before)
            theme = self.returns(index)
            if theme is not None:
                first, bars = starts[theme], self.sections[theme].bars
                found |= {before + bar: first + bar % bars for bar in range(section.bars)}
            before += section.bars
        return found

    def fit(self, total: int) -> Form:
        """The same form in `total` bars, each section in proportion; none gets less than one.

        Raises UsageError where there are fewer bars than sections.
        """
        if total < len(self.sections):
            raise UsageError(
                f"{len(self.sections)} sections do not fit into {total} bars",
                f"give {len(self.sections)} bars or more",
            )
        spare, whole = total - len(self.sections), self.bars
        ends, before = [], 0
        for section in self.sections:  # rounding the running sum never loses a bar
            before += section.bars
            ends.append(round(spare * before / whole))
        shares = [1 + end - start for start, end in zip([0, *ends], ends, strict=False)]
        return Form(
            tuple(
                replace(section, bars=bars)
                for section, bars in zip(self.sections, shares, strict=True)
            )
        )

    def __str__(self) -> str:
        """`A8 A8 B8 A8`: `parse` reads it back."""
        return " ".join(f"{section.name}{section.bars}" for section in self.sections)


def parse(text: str, bars: int = BARS) -> Form:
    """A form from letters, words or a name. `bars` is for sections that give no number.

    Letters may be separated or not (`AABA`, `A A B A`), and each may have primes and a number of
    bars (`A8 A'8 B4`); words are joined by spaces or hyphens (`intro4-verse-chorus`). Names are the
    keys of `NAMED`, words those of `WORDS`. Raises UsageError, which lists what is known.
    """
    if not 1 <= bars <= MOST_BARS:
        raise UsageError(f"a section cannot have {bars} bars", f"choose 1 to {MOST_BARS} bars")
    written, bars = _named(text.strip().strip("-, "), bars)
    sections = []
    for part in re.split(r"[\s,\-]+", written):
        sections += _part(part, bars, text)
    return _checked(sections, text)


def check_bars(count: int) -> None:
    """Raise UsageError for more bars of given music than are written at once."""
    if count > MOST_BARS:
        raise UsageError(f"{count} bars are more than {MOST_BARS}", "give fewer --bars")


def _named(written: str, bars: int) -> tuple[str, int]:
    """The sections of a name, and its bars: `rondo`, `Ternary form`, `rondo 4`."""
    name = re.sub(r"[\s_-]+", "-", written.casefold())
    if name in NAMED:
        return NAMED[name], bars
    match = _NAME.fullmatch(name)
    meant = NAMED.get(match[1], "") if match else ""
    if match is None or not meant or (match[2] and any(map(str.isdigit, meant))):
        return written, bars  # a digit in the name: 12-bar-blues
    return meant, int(match[2] or bars)


def _part(part: str, bars: int, text: str) -> list[Section]:
    part = part.replace("’", "'").replace("′", "'")
    if _SMALL.fullmatch(part):
        part = part.upper()
    if _LETTERS.fullmatch(part):
        found: Sequence[tuple[str, str, str]] = _LETTER.findall(part)
    elif match := _WORD.fullmatch(part.casefold()):
        if match[1] in NAMED:
            raise UsageError(
                f"the form {match[1]!r} cannot be part of another", f"give --form {match[1]} alone"
            )
        if match[1] not in WORDS:
            raise UnknownNameError("form or section", match[1], [*NAMED, *WORDS])
        found = [(match[1], match[2], match[3] or "")]
    else:
        raise UsageError(f"cannot read the form {text!r} at {part!r}", _hint())
    return [Section(label, int(own) if own else bars, len(primes)) for label, primes, own in found]


def _checked(sections: list[Section], text: str) -> Form:
    if any(not 1 <= section.bars <= MOST_BARS for section in sections):
        raise UsageError(
            f"the form {text!r} has a section of 0 bars or of more than {MOST_BARS}",
            "write the bars after the letter: A8 B4 A8",
        )
    if len(sections) > MOST_SECTIONS:
        raise UsageError(
            f"the form {text!r} has {len(sections)} sections", f"give at most {MOST_SECTIONS}"
        )
    return Form(tuple(sections))


def _hint() -> str:
    return (
        "write letters (AABA, A8 B4 A8, A A' B), words (intro4-verse-chorus) or one of: "
        + ", ".join(NAMED)
    )
