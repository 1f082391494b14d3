"""Check the laws of tokenizers. Each check raises AssertionError with the broken law.

    from musictk.testing import tokenizers as laws

    laws.check(MyTokenizer(MyConfig()), pieces)

`pieces` are real music (or text) of the kinds the tokenizer reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.controls import Bars
from musictk.music import notes
from musictk.reading.kinds import KINDS
from musictk.testing.attributes import check_attributes as check_attributes
from musictk.testing.comparing import assert_same as assert_same
from musictk.testing.comparing import encoded, space_of
from musictk.testing.comparing import facts as facts
from musictk.testing.crops import check_crops as check_crops
from musictk.testing.velocity import check_velocity as check_velocity
from musictk.tokens import Frames, Piece, Tokenizer, Tokens
from musictk.tokens.augment import transposed
from musictk.tokens.faults import allowed_fault, starts_fault

Closing = Callable[
    [NDArray[np.bool_]], int
]  # chooses, of the allowed tokens (V,), one that leads to the end


def check(tokenizer: Tokenizer, pieces: Sequence[Piece], bars: int = 1000) -> None:
    """Check all laws; `pieces` are real ones, `bars` is the number of bars to sample."""
    check_encoding(tokenizer, pieces)
    check_names(tokenizer)
    check_round_trip(tokenizer, pieces)
    check_bar_starts(tokenizer, pieces)
    check_total_decode(tokenizer)
    check_transposition(tokenizer, pieces)
    check_velocity(tokenizer, pieces)
    check_attributes(tokenizer, pieces)
    check_grammar(tokenizer, pieces)
    check_texture(tokenizer, pieces)
    check_crops(tokenizer, pieces)
    if tokenizer.grammar() is not None:
        check_sampled(tokenizer, bars)
        check_fork(tokenizer)


def check_encoding(tokenizer: Tokenizer, pieces: Iterable[Piece]) -> None:
    """Encodings are in the space, without pad, bos and eos, and deterministic."""
    space = space_of(tokenizer)
    again = type(tokenizer)(tokenizer.config, tokenizer.learned)
    assert again.fingerprint == tokenizer.fingerprint, "equal settings give unequal fingerprints"
    for piece in pieces:
        sequence = encoded(tokenizer, piece)
        assert len(sequence), "a piece with music in it encodes to nothing"
        assert np.array_equal(encoded(again, piece), sequence), "encoding twice gives two results"
        if isinstance(space, Frames):
            assert sequence.dtype == np.uint8, f"frames are {sequence.dtype} and not uint8"
            assert sequence.max() <= 1, "frames hold more than 0 and 1"
        else:
            assert sequence.dtype == np.int64, f"ids are {sequence.dtype} and not int64"


def check_names(tokenizer: Tokenizer) -> None:
    """Every token (of frames: every column) has a name of its own; merged ones have base parts."""
    space, names, parts = space_of(tokenizer), tokenizer.names(), tokenizer.parts()
    count = space.classes
    assert len(names) == count, f"{len(names)} names for {count} tokens"
    assert all(names), "a name is empty"
    assert len(set(names)) == count, "two tokens have one name"
    for token, base in parts.items():
        assert 0 <= token < count, f"parts of token {token}, which is outside the space"
        assert len(base) > 1, f"token {token} has only one part"
        assert not parts.keys() & set(base), f"a part of token {token} has parts itself"


def check_round_trip(tokenizer: Tokenizer, pieces: Iterable[Piece]) -> None:
    """Encoding a decoded sequence gives it again: only the first encoding may lose information."""
    for piece in pieces:
        sequence = encoded(tokenizer, piece)
        decoded = tokenizer.decode(sequence)
        assert_same(encoded(tokenizer, decoded), sequence, "encode(decode(encode(piece)))")
        again = tokenizer.decode(encoded(tokenizer, decoded))
        assert facts(again) == facts(decoded), "decoded music does not come back"


def check_bar_starts(tokenizer: Tokenizer, pieces: Iterable[Piece]) -> None:
    """Bar starts are ascending positions in the sequence, where the bars of the music begin.

    The first bar of music begins at 0; a text may have a header before it.
    """
    kinds = set(KINDS.values())
    assert tokenizer.reads <= kinds, f"reads has other kinds of file than {sorted(kinds)}"
    empty = np.zeros_like(space_of(tokenizer).start(1)[0][:0])
    assert len(tokenizer.bar_starts(empty)) == 0, "an empty sequence has bars"
    for piece in pieces:
        sequence = encoded(tokenizer, piece)
        starts = tokenizer.bar_starts(sequence)
        fault = starts_fault(starts, len(sequence))
        assert not fault, fault
        assert len(starts), "a piece has no bar"
        if "midi" in tokenizer.reads:
            assert starts[0] == 0, "the first bar does not begin the sequence"
        if "midi" in tokenizer.reads:
            _check_bars_of_music(tokenizer, sequence, starts)


def _check_bars_of_music(
    tokenizer: Tokenizer, sequence: NDArray[Any], starts: NDArray[np.int64]
) -> None:
    """What is before a bar's start begins before its bar line, and has the notes that end there."""
    score = tokenizer.decode(sequence)
    assert not isinstance(score, str), "music decodes to text"
    lines, every = Bars.of(score, len(starts)).lines, notes(score)
    for bar in np.unique(np.linspace(0, len(starts) - 1, 8).astype(int)).tolist()[1:]:
        before = tokenizer.decode(sequence[: starts[bar]])
        assert not isinstance(before, str), "music decodes to text"
        begun, ended = notes(before).start, every.end < lines[bar]
        assert not len(begun) or begun.max() < lines[bar], (
            f"the tokens before bar {bar} have notes after its bar line"
        )
        assert len(begun) >= ended.sum(), (
            f"the tokens before bar {bar} have {len(begun)} notes, and {ended.sum()} end before it"
        )


def check_total_decode(tokenizer: Tokenizer, count: int = 50, length: int = 256) -> None:
    """Any sequence of the space can be decoded, whatever its length."""
    rng = np.random.default_rng(0)
    space = space_of(tokenizer)
    for index in range(count):
        size = index if index < 8 else length
        if isinstance(space, Tokens):
            sequence: NDArray[Any] = rng.integers(0, space.size, size)
        else:
            sequence = (rng.random((size, space.width)) < rng.random()).astype(np.uint8)
        facts(tokenizer.decode(sequence))
        tokenizer.bar_starts(sequence)


def check_transposition(tokenizer: Tokenizer, pieces: Iterable[Piece]) -> None:
    """Transposing tokens equals transposing music, unless `transpose` returns None."""
    for piece in pieces:
        sequence = encoded(tokenizer, piece)
        for semitones in (-3, 5):
            moved = tokenizer.transpose(sequence, semitones)
            if moved is None:
                continue
            assert moved.shape == sequence.shape, "transposition changed the length"
            decoded = tokenizer.decode(sequence)
            assert not isinstance(decoded, str), "text cannot be transposed"
            expected = transposed(decoded, semitones)
            assert expected is not None, "transposed a note out of the range of MIDI"
            assert_same(moved, encoded(tokenizer, expected), "transpose(sequence)")


def check_grammar(tokenizer: Tokenizer, pieces: Iterable[Piece]) -> None:
    """The grammar accepts every encoding and its end, and no empty piece."""
    grammar, space = tokenizer.grammar(), space_of(tokenizer)
    if grammar is None or isinstance(space, Frames):
        return
    start = grammar.parser().allowed()
    fault = allowed_fault(start, space.size)
    assert not fault, fault
    assert start.any(), "the grammar allows nothing at the beginning"
    assert not start[space.eos], "a piece may end before it begins"
    for piece in pieces:
        parser = grammar.parser()
        for place, token in enumerate(encoded(tokenizer, piece).tolist()):
            assert parser.allowed()[token], f"the grammar refuses token {token} at {place}"
            parser.advance(token)
        assert parser.allowed()[space.eos], "the grammar does not let an encoded piece end"


def check_texture(tokenizer: Tokenizer, pieces: Iterable[Piece]) -> None:
    """What a parser knows of the notes of a bar is what the decoded bar has."""
    grammar = tokenizer.grammar()
    if grammar is None or grammar.parser().texture() is None:
        return
    for piece in pieces:
        sequence = encoded(tokenizer, piece)
        starts, parser = set(tokenizer.bar_starts(sequence).tolist()), grammar.parser()
        found = []
        for index, token in enumerate([*sequence.tolist(), None]):
            now = parser.texture()
            assert now is not None, f"texture() is None at {index}, but not at the beginning"
            if index and (token is None or index in starts):
                found.append((now.length, now.begun, round(parser.voices(now.length), 3)))
            if token is not None:
                parser.advance(token)
        expected = _textures(tokenizer.decode(sequence), len(starts))
        assert len(found) == len(expected), f"{len(found)} bars parsed of {len(expected)}"
        for bar, (parsed, decoded) in enumerate(zip(found, expected, strict=True)):
            assert parsed == decoded, (
                f"(length, notes, voices) of bar {bar} are {decoded}, but parsed as {parsed}"
            )


def _textures(score: Piece, count: int) -> list[tuple[float, int, float]]:
    """The length of each bar, the notes that begin in it, and how many sound at once."""
    assert not isinstance(score, str), "text has no texture"
    bars = Bars.of(score, count)
    begun = np.bincount(bars.bar_of(bars.notes.start), minlength=count)
    found = []
    for bar, (low, high) in enumerate(zip(bars.lines[:-1], bars.lines[1:], strict=True)):
        sounding = np.zeros(high - low, np.int64)
        for start, end in zip(bars.pitched.start, bars.pitched.end, strict=True):
            sounding[max(start - low, 0) : max(end - low, 0)] += 1
        mean = sounding.sum() / max((sounding > 0).sum(), 1)
        found.append((float(bars.beats[bar]), int(begun[bar]), round(float(mean), 3)))
    return found


def check_sampled(
    tokenizer: Tokenizer,
    bars: int = 10_000,
    seed: int = 0,
    closing: Closing | None = None,
    one_spelling: bool = True,
) -> None:
    """Pieces sampled from uniform logits under the grammar are not empty and encode to themselves.

    Samples `bars` bars or more. `closing` chooses tokens at the end of a piece if random ones would
    rarely end it. With `one_spelling=False` only the music has to be equal.
    """
    written = 0
    for sequence in sampled(tokenizer, seed, closing):
        written += max(len(tokenizer.bar_starts(sequence)), 1)
        decoded = tokenizer.decode(sequence)
        assert facts(decoded)[0], "a sampled piece is empty"
        again = encoded(tokenizer, decoded)
        if one_spelling:
            assert_same(again, sequence, "encode(decode(sampled))")
        assert facts(tokenizer.decode(again)) == facts(decoded), "sampled music does not come back"
        if written >= bars:
            return


def sampled(
    tokenizer: Tokenizer, seed: int = 0, closing: Closing | None = None, length: int = 400
) -> Iterator[NDArray[np.int64]]:
    """An endless iterator of random grammatical pieces of about `length` tokens, without eos."""
    grammar, space = tokenizer.grammar(), space_of(tokenizer)
    assert grammar is not None, "the tokenizer has no grammar"
    assert isinstance(space, Tokens), "frames have no grammar"
    rng = np.random.default_rng(seed)
    while True:
        parser, sequence = grammar.parser(), list[int]()
        aim = int(rng.integers(1, 2 * length))
        while True:
            allowed = parser.allowed()
            choices = np.flatnonzero(allowed)
            assert len(choices), f"nothing may follow {sequence[-8:]}"
            assert not allowed[[space.pad, space.bos]].any(), "pad or bos may be sampled"
            if allowed[space.eos] and len(sequence) >= aim:
                break
            choices = choices[choices != space.eos]
            assert len(choices), "a piece may do nothing but end"
            token = int(choices[int(rng.random() * len(choices))])
            if closing is not None and len(sequence) >= aim:
                token = closing(allowed)
            assert len(sequence) < aim + 100 * length, "the piece finds no end; give `closing`"
            parser.advance(token)
            sequence.append(token)
        yield np.array(sequence, np.int64)


def check_fork(tokenizer: Tokenizer, seed: int = 1) -> None:
    """A fork is independent of its origin, and a parser always allows some token."""
    grammar, space = tokenizer.grammar(), space_of(tokenizer)
    assert grammar is not None, "the tokenizer has no grammar"
    assert isinstance(space, Tokens), "frames have no grammar"
    rng = np.random.default_rng(seed)
    parser = grammar.parser()
    for _ in range(200):
        before = parser.allowed().copy()
        other = parser.fork()
        assert np.array_equal(other.allowed(), before), "a fork differs from its origin"
        for token in rng.integers(0, space.size, 5).tolist():
            other.advance(token)
            assert other.allowed().any(), f"nothing may follow after garbage ({token})"
        assert np.array_equal(parser.allowed(), before), "a fork changed its origin"
        choices = np.flatnonzero(before)
        parser.advance(int(choices[int(rng.random() * len(choices))]))
