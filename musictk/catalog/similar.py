"""Pairs of names that may be one composer. They are proposed to the user, never joined.

A name is read as a family name and given names: `Bach, J.S.`, `Johann Sebastian Bach` and
`Bach` can be one person, `Bach` and `C.P.E. Bach` cannot.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations
from typing import NamedTuple

from musictk.spelling import keys, plain

# Who is meant by a family name alone, where several composers have it; (): nobody in particular.
_ALONE: Mapping[str, tuple[str, ...]] = {
    "bach": ("johann", "sebastian"),
    "haydn": ("franz", "joseph"),
    "mozart": ("wolfgang", "amadeus"),
    "schumann": ("robert",),
    "mendelssohn": ("felix",),
    "couperin": ("francois",),
    "purcell": ("henry",),
    "mahler": ("gustav",),
    **dict.fromkeys(("strauss", "scarlatti", "gabrieli", "stamitz", "benda", "boulanger"), ()),
    **dict.fromkeys(("williams", "adams", "smith", "martin", "young", "davies", "brown"), ()),
}
_FIRST_NAMES = """
alexander alessandro andre anna anton antonin antonio arnold arthur bela benjamin bernhard carl
charles christian clara claude claudio clement daniel david dmitri domenico edvard edward elton
emanuel eric erik ernst fanny felix ferdinand ferenc franz francesco francis francois frederic
friedrich fryderyk gabriel georg george georges giovanni girolamo giuseppe gustav hans heinrich
henry hector igor isaac jacques jan james jean joaquin johann johannes john jose josef joseph
joaquim juan karl leos leopold louis louise ludwig luigi manuel maria maurice max michael mikhail
modest muzio nikolai niccolo olivier paul peter philipp pietro pyotr ralph richard robert samuel
scott sergei thomas tomas wilhelm william wolfgang
"""
_SMALL_WORDS = "van von de di da del della der den du la le zu the sir"
_GIVEN = frozenset(_FIRST_NAMES.split())
_PARTICLES = frozenset(_SMALL_WORDS.split())
_GENERATIONS = frozenset(("ii", "iii", "jr", "sr", "junior", "senior", "elder", "younger"))
_NOISE = re.compile(r"\([^)]*\)|\[[^]]*\]|\b\d{4}\s*[-–]\s*\d{4}\b")
_SEVERAL = re.compile(r"[/&;+]|\b(and|und|et|arr|feat|with)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?:['’\-‐‑][^\W_]+)*")
_TYPING = 86  # percent of common letters of two family names where one may be a typing error
_LONG = 7  # letters from which that counts: Bach and Beach are two names


class Reading(NamedTuple):
    """One way to read a name."""

    family: str  # letters only
    given: tuple[str, ...]  # names or initials
    generation: frozenset[str]
    words: int  # in the family name


def likely_pairs(files: Mapping[str, int]) -> list[tuple[str, str]]:
    """Pairs (the name to keep, the other) of composers; `files` is the number of files of each.

    The name with more files is kept. A name that fits two different composers is in no pair.
    """
    equal, similar = _equal(list(files)), _similar(list(files))
    partners: dict[str, set[str]] = defaultdict(set)
    for one, other in equal | similar:
        partners[one].add(other)
        partners[other].add(one)
    clear = {name for name, near in partners.items() if _agree(near, partners)}
    kept = equal | {pair for pair in similar if clear.issuperset(pair)}
    return sorted(_to_commands(kept, files))


def _agree(names: set[str], partners: Mapping[str, set[str]]) -> bool:
    return all(other in partners[one] for one, other in combinations(names, 2))


def _to_commands(
    pairs: set[tuple[str, str]], files: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    """For each name, the pair with the best of its partners; the best names are in none."""

    def rank(name: str) -> tuple[int, bool, int, str]:
        return -files[name], name.isascii(), -len(name), name

    better: dict[str, str] = {}
    for pair in pairs:
        keep, other = sorted(pair, key=rank)
        better[other] = min(better.get(other, keep), keep, key=rank)
    yield from ((keep, other) for other, keep in better.items())


def _equal(names: Sequence[str]) -> set[tuple[str, str]]:
    """Pairs of names with the same words, in any order and without accents."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        for key in keys(name):
            words = re.findall(r"[^\W_]+", key)
            if any(map(str.isalpha, words)):
                groups[" ".join(sorted(words))].append(name)
                groups["".join(words)].append(name)
    return {pair for group in groups.values() for pair in combinations(sorted(set(group)), 2)}


def _similar(names: Sequence[str]) -> set[tuple[str, str]]:
    """Pairs of names that can be read as the same family name with given names that agree."""
    families: dict[str, list[tuple[str, Reading]]] = defaultdict(list)
    for name in names:
        for reading in _readings(name):
            families[reading.family].append((name, reading))
    groups = [*families.values()]
    words = [family for family, found in families.items() if found[0][1].words == 1]
    groups += [families[one] + families[other] for one, other in _typing_errors(words)]
    return {
        (min(one, other), max(one, other))
        for group in groups
        for (one, first), (other, second) in combinations(group, 2)
        if one != other and _may_be_one(first, second)
    }


def _is_given(word: str) -> bool:
    return len(word) == 1 or word in _GIVEN


def _readings(name: str) -> list[Reading]:
    if _SEVERAL.search(name):
        return []
    text = _NOISE.sub(" ", name)
    before, comma, after = text.partition(",")
    words = [word for word in _words(before) if word not in _GENERATIONS]
    given = [word for word in _words(after) if word not in _GENERATIONS]
    generation = frozenset(_words(text)) & _GENERATIONS
    if comma and given:
        found = [(words, given)]
    else:
        found = [(words[index:], words[:index]) for index in range(len(words))]
        if len(words) > 1 and _is_given(words[1]):
            found.append((words[:1], words[1:]))
    return [
        Reading(
            spelling, tuple("-".join(first).split("-")) if first else (), generation, len(family)
        )
        for family, first in found
        for spelling in dict.fromkeys(map(_sound, ("".join(family), "".join(family).split("-")[0])))
        if len(spelling) > 1 and spelling.isalpha()
        if spelling not in _GIVEN or comma or (first and _is_given(first[0]))
    ]


def _words(text: str) -> list[str]:
    """The words in lower case without accents and particles; initials (`J.S.`, `JS`) one by one."""
    found: list[str] = []
    mixed = not text.isupper()
    for word in _WORD.findall(text):
        bare = plain(word)
        initials = mixed and word.isupper() and 1 < len(bare) < 5 and bare not in _GENERATIONS
        if bare not in _PARTICLES:
            found += list(bare) if initials else [bare.replace("'", "")]
    return found


def _sound(family: str) -> str:
    """A family name without hyphens, umlauts and the variants of Slavic transliterations."""
    name = re.sub(r"t?s?ch", "ch", family.replace("-", "")).replace("w", "v")
    return re.sub(r"ff$", "v", re.sub(r"sk(y|ij|ii)$", "ski", re.sub("([aou])e", r"\1", name)))


def _may_be_one(one: Reading, other: Reading) -> bool:
    """Whether generation and given names agree; for a family name alone see `_ALONE`."""
    if one.generation != other.generation:
        return False
    if bool(one.given) == bool(other.given):
        return _fits(one.given, other.given)
    alone = _meant_alone().get(one.family)
    if alone is None:
        return True
    return bool(alone) and _fits(alone, one.given or other.given)


@cache
def _meant_alone() -> Mapping[str, tuple[str, ...]]:
    return {_sound(family): given for family, given in _ALONE.items()}


def _fits(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether the shorter list occurs in the longer in its order, initials and short forms too."""
    few, many = sorted((one, other), key=len)
    rest = iter(many)
    return all(any(_same_given(name, longer) for longer in rest) for name in few)


def _same_given(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return one == other or (len(short) < 4 and long.startswith(short))


def _typing_errors(families: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of long family names with almost the same letters.

    Of two names with that many common letters, some three in a row are the same: at least
    86 % of the letters match, in one run more than there are letters that do not.
    """
    from rapidfuzz import fuzz, process  # imported only for the proposals

    found = []
    known: dict[str, list[str]] = defaultdict(list)  # names before, by three letters in a row
    for name in sorted(family for family in families if len(family) >= _LONG):
        parts = {name[start : start + 3] for start in range(len(name) - 2)}
        likely = list({other for part in parts for other in known[part]})
        near = process.extract_iter(name, likely, scorer=fuzz.ratio, score_cutoff=_TYPING)
        found += [(other, name) for other, _, _ in near]
        for part in parts:
            known[part].append(name)
    return found
