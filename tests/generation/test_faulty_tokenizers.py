"""Values that a tokenizer returns wrongly are named in one line, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.errors import MusictkError
from musictk.generation.compose import compose
from musictk.generation.request import PieceRequest
from musictk.offers import make_component
from musictk.testing import tokenizers as laws
from musictk.tokens import Grammar, Parser, Piece, Tokens
from musictk.tokens.attributes import MIDI_PITCHES, PITCH, Attribute
from musictk_events.tokenizer import Events, EventsConfig

from .pieces import MIDIS, load_untrained

SCORE = ScoreTick.from_file(min(MIDIS.rglob("*.mid")))
Change = Callable[[NDArray[np.bool_], int], Any]


class Changed(Parser):
    """A parser of events with another result of `allowed`, given how much was written."""

    def __init__(self, own: Parser, change: Change, length: int = 0) -> None:
        self.own, self.change, self.length = own, change, length

    def allowed(self) -> Any:
        return self.change(self.own.allowed(), self.length)

    def advance(self, token: int) -> None:
        self.own.advance(token)
        self.length += 1

    def fork(self) -> Parser:
        return Changed(self.own.fork(), self.change, self.length)


def events(**methods: Any) -> Any:
    """A subclass of Events, which is registered nowhere, with these methods."""
    return type("Odd", (Events,), {"name": "odd", **methods})


def with_grammar(change: Change) -> Any:
    class Rules(Grammar):
        def parser(self) -> Parser:
            own = Events(EventsConfig()).grammar()
            assert own is not None
            return Changed(own.parser(), change)

    return events(grammar=lambda self: Rules())


def written(kind: Any, form: str = "A") -> int:
    """The length of a piece."""
    made = kind(EventsConfig())
    request = PieceRequest.read({"bars": 2, "seed": 4, "form": form})
    return len(compose(load_untrained(made), made, request)[0].sequence)


def only(*tokens: int) -> Change:
    """From position 7 on, nothing but these."""
    return lambda allowed, length: (
        np.isin(np.arange(len(allowed)), tokens) if length >= 7 else allowed
    )


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (
            lambda allowed, length: allowed & False,
            "has a grammar that allows no token at position 0",
        ),
        (only(), "has a grammar that allows no token at position 7"),
        (only(Tokens.eos), "that allows no token at position 7"),
        (lambda allowed, length: allowed[1:], r"grammar, allowed\(\) is \(335,\) and not \(336,\)"),
        (lambda allowed, length: allowed * 1, r"of its grammar, allowed\(\) is int64 and not bool"),
        (lambda allowed, length: None, r"allowed\(\) is NoneType and not an array"),
    ],
)
def test_a_grammar_that_allows_nothing_is_named(change: Change, what: str) -> None:
    kind = with_grammar(change)
    message = rf"^tokenizer 'odd' .*{what}; check its plugin with musictk\.testing\.tokenizers$"
    with pytest.raises(MusictkError, match=message):
        written(kind, "ABA")


def test_a_grammar_that_allows_nothing_breaks_a_law() -> None:
    for change, message in (
        (lambda allowed, length: allowed & False, "allows nothing at the beginning"),
        (lambda allowed, length: None, r"allowed\(\) is NoneType and not an array"),
    ):
        with pytest.raises(AssertionError, match=message):
            laws.check_grammar(with_grammar(change)(EventsConfig()), [])
    with pytest.raises(AssertionError, match="nothing may follow"):
        laws.check_sampled(with_grammar(only())(EventsConfig()))


def test_bars_that_are_not_ascending_are_named() -> None:
    kind = events(bar_starts=lambda self, sequence: Events.bar_starts(self, sequence)[::-1].copy())
    message = "tokenizer 'odd' breaks its contract: bar_starts are not ascending; .*testing"
    with pytest.raises(MusictkError, match=message):
        written(kind, "ABA")


def no_space(self: Any, config: Any, learned: str | None = None) -> None:
    self.config, self.learned, self.space = config, learned, 336


@pytest.mark.parametrize(
    ("methods", "what"),
    [
        (
            {"attributes": lambda self: {PITCH: Attribute(MIDI_PITCHES, np.zeros((5, 128), bool))}},
            r"contract: the states of the attribute 'pitch' are \(5, 128\) and not \(336, 128\)",
        ),
        ({"attributes": lambda self: None}, r"contract: attributes\(\) does not return a mapping"),
        ({"__init__": no_space}, "has the space 336, neither Tokens nor Frames"),
    ],
)
def test_what_init_and_attributes_do_wrongly_is_named(methods: Any, what: str) -> None:
    message = rf"^tokenizer 'odd' .*{what}; check its plugin with musictk\.testing\.tokenizers$"
    with pytest.raises(MusictkError, match=message):
        make_component(events(**methods), {})


def unset(self: Any, config: Any, learned: str | None = None) -> None:
    Events.__init__(self, config, learned)
    del self.space


Law = Callable[[Any, list[Piece]], None]
LAWS: tuple[Law, ...] = (
    laws.check_encoding,
    laws.check_round_trip,
    laws.check_bar_starts,
    laws.check_transposition,
    laws.check_velocity,
    laws.check_attributes,
    laws.check_grammar,
    laws.check_crops,
)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ids: ids.tolist(), r"encode returned list instead of an array of \(T,\) ids"),
        (lambda ids: None, r"encode returned NoneType instead of an array of \(T,\) ids"),
        (lambda ids: ids[:, None], r"encode returned int64 of shape \(\d+, 1\) instead of"),
        (lambda ids: np.append(ids, 2), r"eos \(id 2\) is inside an encoding"),
        (lambda ids: np.append(1, ids), r"bos \(id 1\) is inside an encoding"),
        (lambda ids: -ids, r"id -\d+ is outside a vocabulary of 336"),
    ],
)
def test_laws_name_what_is_no_encoding(law: Law, change: Any, message: str) -> None:
    kind = events(encode=lambda self, piece: change(Events.encode(self, piece)))
    with pytest.raises(AssertionError, match=message):
        law(kind(EventsConfig()), [SCORE])


@pytest.mark.parametrize("law", LAWS)
def test_laws_name_a_space_that_is_not_set(law: Law) -> None:
    kind = type("Odd", (Events,), {"__init__": unset})
    with pytest.raises(AssertionError, match="space is None, neither Tokens nor Frames"):
        law(kind(EventsConfig()), [SCORE])
