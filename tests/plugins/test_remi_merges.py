"""remi with merges: learned from music, and their grammar is the base grammar's, run by run."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from musictk.errors import MusictkError
from musictk.testing import tokenizers as laws
from musictk.tokens import Parser, Tokens
from musictk_remi.config import RemiConfig
from musictk_remi.grammar import RemiGrammar
from musictk_remi.merges import MergedGrammar
from musictk_remi.tokenizer import Remi

from .scores import pieces
from .test_remi import VARIANTS


def test_merges_shorten_and_decode_to_the_same() -> None:
    config, some = RemiConfig(bpe=600), pieces()[::5]
    learned = Remi(config).learn(some)
    assert Remi(config).learn(some) == learned
    tokenizer, base = Remi(config, learned), Remi(RemiConfig())
    assert tokenizer.space == Tokens(600)
    assert sum(map(len, map(tokenizer.encode, some))) < 0.7 * sum(map(len, map(base.encode, some)))
    laws.check_encoding(tokenizer, some)
    laws.check_names(tokenizer)
    laws.check_round_trip(tokenizer, some)
    laws.check_bar_starts(tokenizer, some)
    laws.check_total_decode(tokenizer)
    laws.check_grammar(tokenizer, some)
    laws.check_crops(tokenizer, some)
    laws.check_sampled(tokenizer, bars=100, one_spelling=False)
    laws.check_fork(tokenizer)
    for piece in some:
        whole = base.decode(base.encode(piece))
        assert laws.facts(tokenizer.decode(tokenizer.encode(piece))) == laws.facts(whole)


def test_merges_that_were_not_learned_are_asked_for() -> None:
    with pytest.raises(MusictkError, match="learned"):
        Remi(RemiConfig(bpe=600)).encode(pieces()[0])
    with pytest.raises(MusictkError, match="cannot be read"):
        Remi(RemiConfig(bpe=600), "{}")
    with pytest.raises(MusictkError, match="must be above"):
        Remi(RemiConfig(bpe=100)).learn([])
    learned = Remi(RemiConfig(bpe=500)).learn(pieces()[:1])
    with pytest.raises(MusictkError, match="other settings"):
        Remi(RemiConfig(bpe=600, programs=True), learned)


def spelled(parser: Parser, run: list[int]) -> bool:
    """Whether the base grammar takes every token of a run, one after the other."""
    parser = parser.fork()
    for token in run:
        if not parser.allowed()[token]:
            return False
        parser.advance(token)
    return True


def assert_exact(merged: MergedGrammar, base: Parser, found: NDArray[np.bool_]) -> None:
    expected = base.allowed()[merged.first]
    for index in np.flatnonzero(expected).tolist():
        expected[index] = spelled(base, merged.runs[index])
    wrong = np.flatnonzero(found != expected).tolist()
    assert not wrong, f"run {merged.runs[wrong[0]]}: {found[wrong[0]]}"


def wandering(grammar: RemiGrammar, rng: np.random.Generator, length: int) -> NDArray[np.int64]:
    """Grammatical tokens of every kind alike, low values often: short notes and many rests."""
    parser, sequence = grammar.parser(), list[int]()
    for _ in range(length):
        choices = np.flatnonzero(parser.allowed())
        kinds = np.array([grammar.kinds[token] for token in choices])
        usual = sorted({*kinds.tolist()} - {"EOS"})
        kind = usual[int(rng.integers(len(usual)))]
        if "Rest" in usual and rng.random() < 0.4:  # chains of rests are rare otherwise
            kind = "Rest"
        choices = choices[kinds == kind]
        sequence.append(int(choices[int(len(choices) * rng.random() ** 3)]))
        parser.advance(sequence[-1])
    return np.array(sequence)


def made_up(
    music: list[NDArray[Any]], base: int, bar: int, rng: np.random.Generator
) -> list[NDArray[Any]]:
    """Every base id, and runs within bars: grammatical ones, and each spoilt in some ways."""
    runs = [np.array([index]) for index in range(base)]
    for sequence in music:
        for start in rng.integers(len(sequence) - 1, size=40).tolist():
            run = sequence[start : start + int(rng.integers(2, 12))]
            run = run[: 1 + next(iter(np.flatnonzero(run[1:] == bar)), len(run))]
            runs.append(run)
            for _ in range(6 if len(run) > 1 else 0):
                spoilt = run.copy()
                place = int(rng.integers(1, min(len(run), 4)))
                spoilt[place] = np.clip(run[place] + rng.integers(-3, 4), bar + 1, base - 1)
                runs.append(spoilt)
    return runs


@settings(max_examples=16)
@given(seed=st.integers(0, 2**32), variant=st.sampled_from([{}, *VARIANTS]))
def test_a_run_may_follow_where_the_base_grammar_takes_it(
    seed: int, variant: dict[str, Any]
) -> None:
    tokenizer, rng = Remi(RemiConfig(**variant)), np.random.default_rng(seed)
    grammar = tokenizer.grammar()
    assert isinstance(grammar, RemiGrammar)
    music = [wandering(grammar, rng, 60) for _ in range(2)]
    music.append(tokenizer.encode(pieces()[int(rng.integers(42))])[:60])
    merged = MergedGrammar(grammar, made_up(music, grammar.size, tokenizer.vocabulary.bar, rng))
    for sequence in music:
        base, parser = grammar.parser(), merged.parser()
        garbage = rng.integers(0, grammar.size, 8)
        for token in [*sequence.tolist(), *garbage.tolist()]:
            assert_exact(merged, base, parser.allowed())
            base.advance(token)
            parser.advance(token)


@pytest.mark.parametrize("programs", [False, True])
def test_every_pair_of_rests_positions_and_notes_in_a_small_vocabulary(programs: bool) -> None:
    config = RemiConfig(
        pitch_range=(60, 61), beat_res=((0, 2, 4),), rest_res=((0, 1, 2), (1, 3, 1)),
        num_velocities=2, num_tempos=2, metres=((4, 4), (3, 8)), programs=programs,
    )  # fmt: skip
    grammar, rng = Remi(config).grammar(), np.random.default_rng(0)
    assert isinstance(grammar, RemiGrammar)
    ids = {kind: list(range(span.start, span.stop)) for kind, span in grammar.spans.items()}
    near = ids["Program"][:4] if programs else []
    pairs = [
        *product(ids["Rest"], ids["Rest"] + ids["Position"]),
        *product(ids["Rest"], ids["Rest"], ids["Position"]),
        *product(ids["Duration"][:1], near or ids["Pitch"]),
        *product(ids["Duration"][:1], near, ids["Pitch"]),
    ]
    runs = [*([index] for index in range(grammar.size)), *map(list, pairs)]
    merged = MergedGrammar(grammar, [np.array(run) for run in runs])
    base, parser = grammar.parser(), merged.parser()
    for token in wandering(grammar, rng, 400).tolist():
        assert_exact(merged, base, parser.allowed())
        base.advance(token)
        parser.advance(token)


def test_learned_runs_may_follow_where_the_base_grammar_takes_them() -> None:
    config = RemiConfig(bpe=1500)
    tokenizer = Remi(config, Remi(config).learn(pieces()[::6]))
    merged = tokenizer.grammar()
    assert isinstance(merged, MergedGrammar)
    rng = np.random.default_rng(0)
    base, parser = merged.base.parser(), merged.parser()
    for _ in range(60):
        allowed = parser.allowed()
        assert_exact(merged, base, allowed)
        choices = np.flatnonzero(allowed)
        token = int(choices[int(rng.random() * len(choices))])
        parser.advance(token)
        for part in merged.runs[token]:
            base.advance(part)
