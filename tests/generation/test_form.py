"""Forms as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musictk.errors import UsageError
from musictk.generation.form import NAMED, Form, Section, parse


def names(text: str) -> list[str]:
    return [section.name for section in parse(text).sections]


@pytest.mark.parametrize(
    "text", ["AABA", "A A B A", "aaba", "a8 A b a8", "A-A-B-A", " AABA ", "A, A, B, A"]
)
def test_letters_with_and_without_spaces(text: str) -> None:
    assert str(parse(text)) == "A8 A8 B8 A8"


@pytest.mark.parametrize("text", ["A8 B4 A8", "A8B4A8"])
def test_bars_after_the_letter(text: str) -> None:
    assert parse(text, bars=2) == Form((Section("A", 8), Section("B", 4), Section("A", 8)))


def test_bars_for_those_that_do_not_say() -> None:
    assert str(parse("A B4 A", bars=2)) == "A2 B4 A2"


def test_primes_vary_the_same_section() -> None:
    form = parse("A A' B A''4")
    assert [section.primes for section in form.sections] == [0, 1, 0, 2]
    assert [section.label for section in form.sections] == ["A", "A", "B", "A"]
    assert names("A A′ A’") == ["A", "A'", "A'"]


def test_words_and_names() -> None:
    assert str(parse("intro4-verse-chorus8")) == "intro4 verse8 chorus8"
    assert names("verse-chorus-bridge")[2:] == ["verse", "chorus", "bridge", "chorus"]
    assert names("Theme and Variations")[:3] == ["A", "A'", "A''"]
    assert names("rondo") == list("ABACA")


@pytest.mark.parametrize(
    ("text", "form"),
    [("rondo 4", "A4 B4 A4 C4 A4"), ("rondo4", "A4 B4 A4 C4 A4"), ("Ternary form", "A8 B8 A8")],
)
def test_a_name_may_say_its_bars_or_that_it_is_a_form(text: str, form: str) -> None:
    assert str(parse(text)) == form
    assert str(parse("bar-form")) == "A8 A8 B8"


@pytest.mark.parametrize("name", NAMED)
def test_every_name_parses(name: str) -> None:
    assert parse(name).bars > 0


def test_returns() -> None:
    form = parse("ABACA")
    assert [form.returns(index) for index in range(5)] == [None, None, 0, None, 0]


LABELS = st.lists(
    st.builds(Section, st.sampled_from("ABCDXYZ"), st.integers(1, 40), st.integers(0, 3)),
    min_size=1,
    max_size=12,
)


@given(LABELS)
def test_written_out_it_reads_back(sections: list[Section]) -> None:
    form = Form(tuple(sections))
    assert parse(str(form)) == form


@given(LABELS, st.integers(0, 300))
def test_fit_gives_each_section_its_share(sections: list[Section], spare: int) -> None:
    form = Form(tuple(sections))
    total = len(sections) + spare
    fitted = form.fit(total)
    assert fitted.bars == total
    assert [section.name for section in fitted.sections] == [s.name for s in sections]
    for before, after in zip(form.sections, fitted.sections, strict=True):
        assert abs(after.bars - 1 - spare * before.bars / form.bars) <= 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "verse-chorus-bridge"),
        ("AAB?", "letters"),
        ("A0", "A8 B4 A8"),
        ("A9999", "1024"),
        ("[red]A[/red]", "rondo"),
        ("rondoo", "did you mean 'rondo'"),
        ("verse-korus", "chorus"),
        ("rondo-verse", "'rondo' cannot be part"),
        ("12-bar-blues 4", "cannot read the form"),
        ("A" * 65, "65 sections"),
        ("A" + "1" * 5000, "cannot read the form"),
    ],
)
def test_an_invalid_form_lists_the_valid_ones(text: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(text)
    assert says in str(error.value)


def test_too_few_bars_for_the_sections() -> None:
    with pytest.raises(UsageError, match="4 sections do not fit into 3 bars"):
        parse("AABA").fit(3)
