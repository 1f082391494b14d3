"""text: what was written comes back to the letter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musictk.errors import MusictkError, UsageError
from musictk.testing import tokenizers as laws
from musictk.tokens import Tokens
from musictk_text.tokenizer import Text, TextConfig

TUNE = "X:1\nT:Scale\nM:3/4\nL:1/4\nK:G\nGAB|cde|\nfga|[gb]3||\n"
CONFIG = TextConfig(size=280)
TEXT = Text(CONFIG, Text(CONFIG).learn([TUNE, TUNE.replace("A", "B")] * 20))


def test_it_keeps_the_laws() -> None:
    assert isinstance(TEXT.space, Tokens)
    assert 259 < TEXT.space.size <= 280
    laws.check(TEXT, [TUNE, "abc", "<bos>"])


@given(st.text(min_size=1))
def test_any_text_comes_back(text: str) -> None:
    assert TEXT.decode(TEXT.encode(text)) == text


def test_bars_begin_after_bar_lines() -> None:
    ids = TEXT.encode(TUNE)
    starts = TEXT.bar_starts(ids).tolist()
    bars = [TEXT.decode(ids[a:b]) for a, b in zip(starts, [*starts[1:], None], strict=True)]
    assert [bar.strip("\n|") for bar in bars[:4]] == ["GAB", "cde", "fga", "[gb]3"]
    header = TEXT.decode(ids[: starts[0]])
    assert header.startswith("X:")
    assert header.endswith("K:G\n")
    assert not len(TEXT.bar_starts(TEXT.encode("X:1\nT:A tit")))  # still in its header


@pytest.mark.parametrize("line", ["%%score (1 | 2)", "T:a|b", "T:| |"])
def test_no_bar_begins_in_the_header_of_a_tune(line: str) -> None:
    tune = f"X:1\nT:a\n{line}\nK:C\nCDEF|GABc|"
    ids = TEXT.encode(tune)
    starts = TEXT.bar_starts(ids).tolist()
    bars = [TEXT.decode(ids[a:b]) for a, b in zip(starts, [*starts[1:], None], strict=True)]
    assert [bar.strip("\n|") for bar in bars] == ["CDEF", "GABc"]


def test_lines_may_be_the_bars() -> None:
    config = TextConfig(size=280, bar="line")
    text = Text(config, Text(config).learn([TUNE]))
    assert len(text.bar_starts(text.encode("one\ntwo\nthree"))) == 3


@pytest.mark.parametrize(("texts", "bars"), [([TUNE, TUNE, "a\nb"], 5), (["a\nb", "c\nd"], 7)])
def test_the_bar_is_what_most_texts_have(texts: list[str], bars: int) -> None:
    learned = Text(CONFIG, Text(CONFIG).learn(texts))
    assert len(learned.bar_starts(learned.encode(TUNE))) == bars


def test_it_asks_to_learn_first_and_for_text() -> None:
    with pytest.raises(MusictkError, match="learned no tokens"):
        Text(CONFIG).encode(TUNE)
    with pytest.raises(MusictkError, match="cannot be read"):
        Text(CONFIG, "nonsense")
    with pytest.raises(ValueError, match="empty"):
        TEXT.encode("")
    with pytest.raises(UsageError):
        TextConfig(size=100)
