"""Whole pieces, from real though untrained networks: what holds whatever a model has learned."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from symusic import Score
from symusic.core import ScoreTick

from musictk.errors import UnknownNameError, UsageError
from musictk.evaluation.form import form_report
from musictk.generation.compose import Composition, compose, remake
from musictk.generation.markers import section_ticks
from musictk.generation.opening import described
from musictk.generation.request import PieceRequest, to_prompt
from musictk.generation.sampling import CONTROL_GUIDANCE, Sampling, options, resolve_sampling
from musictk.generation.spans import Span
from musictk.generation.theme import Theme
from musictk.music import bars
from musictk.offers import make_component
from musictk.tokens import METRE, Tokenizer

from .pieces import MIDIS, load_untrained, tokenizer, untrained

NAMES = ("remi", "events", "pianoroll")
BACH = {"composer": [["Bach", 1.0]]}


def write(name: str, **asked: Any) -> list[Composition]:
    sampling = {key: asked.pop(key) for key in options() if key in asked}
    request = PieceRequest.read({"bars": 2, "seed": 4, "sampling": sampling} | asked)
    return compose(untrained(name), tokenizer(name), request)


def music(name: str, piece: Composition) -> ScoreTick:
    score = tokenizer(name).decode(piece.sequence)
    assert isinstance(score, ScoreTick)
    return score


@pytest.mark.parametrize("name", NAMES)
def test_a_piece_has_the_form_asked_for(name: str) -> None:
    for piece in write(name, form="A B2 A'1", count=3, conditions=BACH):
        assert [span.label for span in piece.sections] == ["A", "B", "A'"]
        starts = tokenizer(name).bar_starts(piece.sequence)
        counts = [int(((starts >= s.start) & (starts < s.end)).sum()) for s in piece.sections]
        assert counts == [2, 2, 1]
        assert piece.sections[0].start == 0
        assert piece.sections[-1].end == len(piece.sequence)
        assert music(name, piece).note_num() > 0
        assert not piece.notices


def test_a_sampler_sees_as_far_back_as_it_asks_for() -> None:
    made = []
    for window in (256, 400):
        chain = [["repetition", {"penalty": 100, "window": window}]]
        made.append(write("events", bars=60, samplers=chain)[0].sequence)
    assert len(made[0]) > 400
    assert np.array_equal(made[0][:256], made[1][:256])
    assert not np.array_equal(made[0][256:400], made[1][256:400])


def test_a_tiny_temperature_is_greedy() -> None:
    greedy, tiny = (write("remi", bars=2, temperature=value) for value in (0, 1e-40))
    assert np.array_equal(greedy[0].sequence, tiny[0].sequence)


@pytest.mark.parametrize("name", ["remi", "events"])
def test_every_token_is_allowed_by_the_grammar(name: str) -> None:
    grammar = tokenizer(name).grammar()
    assert grammar is not None
    for variation in (0.0, 0.4, 1.0):
        for piece in write(name, form="ABA", count=3, variation=variation):
            parser = grammar.parser()
            for token in piece.sequence.tolist():
                assert parser.allowed()[token]
                parser.advance(token)


@pytest.mark.parametrize("name", ["remi", "remi with bpe", "remi with programs", "events"])
def test_variation_zero_repeats_every_note(name: str) -> None:
    """Whatever still sounds at the bar line before, however loud or fast it was."""
    for piece in write(name, form="AABA", count=8, bars=3, variation=0):
        score = music(name, piece)
        report = form_report(score, section_ticks(piece, tokenizer(name), score))
        assert report.same == 1
        assert report.copied == 1


def test_variation_is_how_far_a_return_strays() -> None:
    likeness = []
    for variation in (0.0, 0.3, 0.6, 1.0):
        asked = {"variation": variation, "contrast": 0.5}
        pieces = write("remi", form="AABA", count=6, bars=4, **asked)
        scores = [music("remi", piece) for piece in pieces]
        reports = [
            form_report(score, section_ticks(piece, tokenizer("remi"), score))
            for piece, score in zip(pieces, scores, strict=True)
        ]
        likeness.append(np.mean([report.same for report in reports]))
    assert likeness[0] > likeness[1] > likeness[2] > likeness[3]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_request_read_back_gives_the_same_piece(name: str) -> None:
    asked = PieceRequest.read(
        {"form": "AA", "bars": 2, "seed": 9, "count": 2}
        | {"conditions": BACH, "sampling": {"guidance": 2.0}}
    )
    first = compose(untrained(name), tokenizer(name), asked)
    kept = json.loads(json.dumps(asked.plain()))
    again = compose(untrained(name), tokenizer(name), PieceRequest.read(kept))
    assert PieceRequest.read(kept) == asked
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.sequence, other.sequence)
        assert one.sections == other.sections
    assert not np.array_equal(first[0].sequence, first[1].sequence)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_is_the_same_whatever_the_count(name: str) -> None:
    one = write(name, form="AB")[0]
    assert np.array_equal(write(name, form="AB", count=3)[0].sequence, one.sequence)


@pytest.mark.parametrize("name", NAMES)
def test_pieces_outlast_the_memory(name: str) -> None:
    piece = write(name, form="ABA", bars=4, memory=24, conditions=BACH)[0]
    assert len(piece.sequence) > 2 * 24
    assert len(piece.sections) == 3


def test_a_context_is_no_longer_than_it_was_in_training() -> None:
    """Positions past those are noise to learned and sinusoidal encodings."""
    runtime = load_untrained(tokenizer("remi"), {"settings": {"length": 48}})
    asked = {"form": "A", "bars": 16, "seed": 4}
    short = compose(runtime, tokenizer("remi"), PieceRequest.read(asked))[0]
    given = compose(
        untrained("remi"),
        tokenizer("remi"),
        PieceRequest.read(asked | {"sampling": {"memory": 48}}),
    )[0]
    free = compose(untrained("remi"), tokenizer("remi"), PieceRequest.read(asked))[0]
    assert len(short.sequence) > 2 * 48
    assert np.array_equal(short.sequence, given.sequence)
    assert not np.array_equal(short.sequence, free.sequence)


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_is_continued(name: str) -> None:
    score = Score.from_file(str(MIDIS / "Bach/petzold_menuet_anh114.mid"))
    assert isinstance(score, ScoreTick)
    whole = tokenizer(name).encode(score)
    prompt = whole[: tokenizer(name).bar_starts(whole)[3] + 1]  # three bars and a little
    piece = write(name, prompt=to_prompt(prompt), bars=2)[0]
    assert np.array_equal(piece.sequence[: len(prompt)], prompt)
    assert [span.label for span in piece.sections] == ["prompt", "A"]
    assert len(tokenizer(name).bar_starts(piece.sequence)) == 4 + 2


@pytest.mark.parametrize("name", NAMES)
def test_only_the_end_of_a_prompt_is_used(name: str) -> None:
    prompt = to_prompt(write(name, bars=4)[0].sequence)
    piece = write(name, prompt=prompt, prompt_tokens=20)[0]
    assert np.array_equal(piece.sequence, write(name, prompt=prompt[-20:])[0].sequence)


@pytest.mark.parametrize("name", NAMES)
def test_a_piece_ends_with_its_last_token(name: str) -> None:
    whole = write(name, form="ABA", bars=1, count=2, conditions=BACH, seed=1)
    cut = write(name, form="ABA", bars=1, count=2, conditions=BACH, seed=1, max_tokens=16)
    for one, other in zip(whole, cut, strict=True):
        assert np.array_equal(one.sequence[:16], other.sequence)
        assert other.sections[-1].end == 16
    endless = write(name, bars=0, max_tokens=300, prompt=to_prompt(whole[0].sequence))[0]
    assert len(endless.sequence) == len(whole[0].sequence) + 300
    assert [span.label for span in endless.sections] == ["prompt", "A"]


@pytest.mark.parametrize("name", NAMES)
def test_a_piece_that_ends_before_its_bars_says_so(name: str) -> None:
    def said(**asked: Any) -> list[str]:
        return described(write(name, seed=1, **asked)[0].notices)

    whole = write(name, form="AB", bars=2, seed=1)[0]
    third = int(tokenizer(name).bar_starts(whole.sequence)[2])
    assert said(form="AB", bars=2, max_tokens=third + 2) == [
        "section B, bar 1: --max-tokens ended the piece in bar 3 of 4"
    ]
    assert not said(form="AB", bars=2, max_tokens=len(whole.sequence) + 1)
    prompt = to_prompt(whole.sequence)
    more = write(name, prompt=prompt, whole=True, bars=12, seed=1)[0]
    sixth = int(tokenizer(name).bar_starts(more.sequence)[4 + 5]) - len(prompt)
    assert said(prompt=prompt, whole=True, bars=12, max_tokens=sixth + 2) == [
        "section A, bar 6: --max-tokens ended the piece in bar 6 of 12"
    ]
    assert not said(bars=0, max_tokens=16)  # no bars are asked for


def test_a_model_has_saved_options() -> None:
    own = {"temperature": 0.9, "guidance": 3.0, "max_tokens": 2048}
    assert resolve_sampling(own, {"guidance": 2.0}, planned=False) == Sampling(
        temperature=0.9, guidance=2.0, max_tokens=2048
    )
    assert resolve_sampling(own, {}, planned=True).max_tokens == 0
    assert resolve_sampling({}, {}, planned=True).guidance == 1.5
    assert resolve_sampling({}, {}, planned=True, controlled=True).guidance == CONTROL_GUIDANCE
    chosen = resolve_sampling({}, {"guidance": 1.2}, planned=True, controlled=True)
    assert chosen.guidance == 1.2
    assert resolve_sampling(own, {"max_tokens": 64}, planned=True).max_tokens == 64


def test_a_bar_without_end_is_brought_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("musictk.generation.draft._BAR_LIMIT", 8)
    piece = write("events", bars=6, temperature=5.0, top_p=1)[0]
    longest = np.diff(tokenizer("events").bar_starts(piece.sequence)).max()
    assert longest <= 8 + 64
    assert len(piece.sequence) <= 6 * (8 + 64)


def test_a_row_of_an_earlier_version_has_the_limit_of_a_bar() -> None:
    asked = PieceRequest(bars=2, seed=4)
    assert "bar_limit" not in asked.plain()
    assert PieceRequest.read(asked.plain() | {"bar_limit": 512}) == asked
    with pytest.raises(UsageError, match="bar_limit=24 must be 512; sample the piece again"):
        PieceRequest.read(asked.plain() | {"bar_limit": 24})


@pytest.mark.parametrize("name", ["remi", "events"])
def test_no_section_begins_in_silence(name: str) -> None:
    for piece in write(name, form="ABC", bars=1, count=6):
        for span in piece.sections:
            bar = tokenizer(name).decode(piece.sequence[span.start : span.end])
            assert isinstance(bar, ScoreTick)
            assert bar.note_num() > 0


def test_markers_stand_on_bar_lines() -> None:
    piece = write("remi", form="ABA", bars=3)[0]
    score = music("remi", piece)
    sections = section_ticks(piece, tokenizer("remi"), score)
    lines = bars(score, least=sections[-1][2]).tolist()
    assert [label for label, _, _ in sections] == ["A", "B", "A"]
    assert [lines.index(start) for _, start, _ in sections] == [0, 3, 6]


def test_guidance_changes_the_piece_and_one_is_plain() -> None:
    plain = write("remi", conditions=BACH, guidance=1.0)[0]
    strong = write("remi", conditions=BACH, guidance=4.0)[0]
    assert not np.array_equal(plain.sequence, strong.sequence)
    nobody = write("remi", guidance=4.0)[0]  # nothing to guide towards
    assert np.array_equal(nobody.sequence, write("remi", guidance=1.0)[0].sequence)


def test_styles_mix() -> None:
    weights = {"composer": [["Bach", 0.6], ["Chopin", 0.4]]}
    mixed, bach = write("remi", conditions=weights)[0], write("remi", conditions=BACH)[0]
    assert not np.array_equal(mixed.sequence, bach.sequence)


def test_progress_is_reported() -> None:
    class Listener:
        def __init__(self) -> None:
            self.reports: list[tuple[int, int, str, int]] = []

        def composing(self, bars: int, of: int, section: str, positions: int) -> None:
            self.reports.append((bars, of, section, positions))

    listener = Listener()
    request = PieceRequest(form="AB", bars=2, count=2)
    pieces = compose(untrained("remi"), tokenizer("remi"), request, listener)
    assert listener.reports == sorted(listener.reports, key=lambda report: report[0])
    assert listener.reports[-1][:2] == (8, 8)
    assert listener.reports[-1][3] == sum(len(piece.sequence) for piece in pieces)


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"conditions": {"composer": [["Bahc", 1.0]]}}, UnknownNameError, "did you mean 'Bach'"),
        ({"conditions": {"mood": [["sad", 1.0]]}}, UnknownNameError, "composer"),
        ({"samplers": [["topk", {}]]}, UnknownNameError, "top-k"),
        ({"form": "A?"}, UsageError, "letters"),
        ({"form": "32-bar", "bars": 2}, UsageError, "leave --bars out"),
        ({"variation": 2}, UsageError, "variation"),
        ({"sampling": {"lenght": 2}}, UsageError, "lenght"),
        ({"count": 0}, UsageError, "count"),
        ({"guidance": -1}, UsageError, "guidance"),
    ],
)
def test_errors_name_the_invalid_value(
    asked: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says.replace("?", r"\?")):
        write("remi", **asked)


def test_the_chain_omits_samplers_without_effect() -> None:
    assert Sampling(1.0, 0, 1.0, 0.0).chain == ()
    assert [name for name, _ in Sampling(0.9, 40, 0.95, 0.1).chain] == [
        "temperature",
        "top-k",
        "top-p",
        "min-p",
    ]


def test_a_row_is_made_again_among_its_neighbours() -> None:
    request = PieceRequest(form="AB", bars=1, count=18, seed=2)
    made = compose(untrained("remi"), tokenizer("remi"), request)
    for row in (1, 17):
        again = remake(untrained("remi"), tokenizer("remi"), request, row)
        assert again.row == row
        assert np.array_equal(again.sequence, made[row].sequence)


TUNE = "X:1\nT:Air\nK:C\nCDEF GABc|c2G2 E2C2|FEDC B,CDE|C4 z4|\n"


def text() -> Tokenizer:
    learner = tokenizer("text")
    learned: Tokenizer = make_component(type(learner), {"size": 280}, learner.learn([TUNE] * 3))
    return learned


def test_text_has_bars_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("musictk.generation.draft._BAR_LIMIT", 24)
    piece = compose(load_untrained(text()), text(), PieceRequest(form="ABA", bars=3))[0]
    assert [span.label for span in piece.sections] == ["A", "B", "A"]
    written = text().decode(piece.sequence)
    assert isinstance(written, str)
    assert written.count("|") >= 8


def test_a_theme_returns_without_the_header_of_its_tune() -> None:
    words = text()
    tune = words.encode(TUNE)
    theme = Theme(words, tune, Span("A", 0, len(tune)))
    again = np.concatenate([theme.window(bar, tune)[:-1] for bar in range(4)])
    assert words.decode(again) == TUNE.split("K:C\n")[1].rstrip("\n")


@pytest.mark.parametrize("steady", [True, False])
def test_the_metre_of_the_first_bar_holds_unless_it_may_change(steady: bool) -> None:
    sampling = Sampling(temperature=1, top_p=1, metre="steady" if steady else "free")
    request = PieceRequest(form="AB", bars=8, seed=3, sampling=sampling)
    (made,) = compose(untrained("remi"), tokenizer("remi"), request)
    stated = tokenizer("remi").attributes()[METRE].single()[made.sequence]
    assert (len(np.unique(stated[stated >= 0])) == 1) == steady
