"""Names that may be one composer are proposed; names of different composers never are."""

from __future__ import annotations

import pytest

from musictk.catalog.similar import likely_pairs
from musictk.spelling import plain, same_spelling


@pytest.mark.parametrize(
    "names",
    [
        ("Dvorak", "Dvořák"),
        ("Haendel", "Händel"),
        ("Handel", "Händel"),
        ("Lukasiewicz", "Łukasiewicz"),
        ("Saint-Saëns", "Saint_Saens"),
        ("Bach, J.S.", "J.S. Bach"),
        ("Bach, J.S.", "Johann Sebastian Bach"),
        ("Bach", "Johann Sebastian Bach"),
        ("Bach", "JS Bach"),
        ("C.P.E. Bach", "CPE_Bach"),
        ("Bach, Carl Philipp Emanuel", "CPE_Bach"),
        ("Beethoven", "Ludwig van Beethoven"),
        ("Beethoven, Ludwig van", "Ludwig van Beethoven"),
        ("Clara Schumann", "Schumann_Clara"),
        ("Haydn", "Joseph Haydn"),
        ("Chopin", "Frédéric Chopin (1810–1849)"),
        ("Jean-Philippe Rameau", "Rameau, J.-Ph."),
        ("Ralph Vaughan Williams", "Vaughan Williams"),
        ("Felix Mendelssohn-Bartholdy", "Mendelssohn"),
        ("Prokofieff", "Sergei Prokofiev"),
        ("Tchaikovsky", "Tschaikowsky"),
        ("Rachmaninoff", "Rachmaninov"),
        ("Beatles", "The Beatles"),
    ],
)
def test_spellings_of_one_name_are_a_pair(names: tuple[str, str]) -> None:
    one, other = names
    assert likely_pairs({one: 2, other: 1}) == [(one, other)]
    assert likely_pairs({one: 1, other: 2}) == [(other, one)]  # the one with more files is kept


@pytest.mark.parametrize(
    "names",
    [
        ("Bach", "CPE_Bach"),
        ("Bach", "Beach"),
        ("J.S. Bach", "J.C. Bach"),
        ("Johann Sebastian Bach", "Johann Christian Bach"),
        ("Haydn", "Michael Haydn"),
        ("Schumann", "Schumann_Clara"),
        ("Strauss", "Richard Strauss"),
        ("Johann Strauss", "Richard Strauss"),
        ("Johann Strauss", "Johann Strauss II"),
        ("Strauss_Richard", "Reichardt"),
        ("Lehmann_Amelia", "Lehmann_Liza"),
        ("Franz", "Franz Liszt"),
        ("Queen", "Queen Latifah"),
        ("Johann Sebastian Bach", "Johann Sebastian Bach / Ferruccio Busoni"),
        ("2004", "2006"),
        ("Composer 1", "Composer 2"),
    ],
)
def test_different_composers_are_no_pair(names: tuple[str, str]) -> None:
    assert likely_pairs(dict.fromkeys(names, 1)) == []


def test_a_name_that_fits_two_composers_is_left_alone() -> None:
    names = ("J. Bach", "J.S. Bach", "Johann Sebastian Bach", "J.C. Bach")
    assert likely_pairs(dict.fromkeys(names, 1)) == [("Johann Sebastian Bach", "J.S. Bach")]
    assert likely_pairs(dict.fromkeys(("Jackson", "Michael Jackson", "Janet Jackson"), 1)) == []


def test_all_spellings_are_joined_with_one() -> None:
    files = {
        "Bach": 30,
        "J.S. Bach": 4,
        "Bach, J.S.": 1,
        "Johann Sebastian Bach": 2,
        "W.F. Bach": 9,
    }
    assert likely_pairs(files) == [
        ("Bach", "Bach, J.S."),
        ("Bach", "J.S. Bach"),
        ("Bach", "Johann Sebastian Bach"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dvořák", "dvorak"),
        ("Dvor\u030ca\u0301k", "dvorak"),  # combining forms
        ("STRAẞE weiß", "strasse weiss"),
        ("Łódź_Ø", "lodz o"),
        ("Æneas  œuvre", "aeneas oeuvre"),
        ("Чайковский", "чаиковскии"),
        ("", ""),
    ],
)
def test_plain_text(text: str, expected: str) -> None:
    assert plain(text) == plain(plain(text)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Dvořák", ["Dvořák"]),  # the same text
        ("dvorak", ["Dvorak"]),  # but for case
        ("dvôrak", ["Dvořák", "Dvorak"]),  # without accents
        ("haendel", ["Händel"]),  # with umlauts as digraphs
        ("Bach", []),
    ],
)
def test_the_strictest_rule_that_finds_a_name_counts(name: str, expected: list[str]) -> None:
    assert same_spelling(name, ["Dvořák", "Dvorak", "Händel"]) == expected
