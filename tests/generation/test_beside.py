"""A part is written beside a given one: as in training, and without what comes later."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.controls import Controls, bar_table, measure
from musictk.controls.part_table import encode_bars
from musictk.controls.parts import two_parts
from musictk.errors import UsageError
from musictk.export import export_onnx, export_torchscript
from musictk.generation.bar_plan import GivenFacts, plan_bars
from musictk.generation.compose import Composition, compose
from musictk.generation.context import Ahead, ContextKey, Contexts, NewContext
from musictk.generation.draft import Draft
from musictk.generation.draw import Noise
from musictk.generation.opening import Opening
from musictk.generation.request import PieceRequest, to_prompt
from musictk.generation.row_contexts import RowContexts
from musictk.generation.sampling import Sampling, options
from musictk.music import bars as lines
from musictk.runtime import Runtime, load
from musictk.tokens import Tokens
from musictk.tokens.batch import Batch
from musictk.tokens.crops import Crops
from musictk.tokens.infill import LONGEST
from musictk.tokens.shards import open_shard, write_shard

from .pieces import MIDIS, controlled, load_untrained, tokenizer, untrained, write_bundle

NAMES = ("remi", "events", "pianoroll", "remi with bpe", "remi with programs")
BARS = 6
LONG = [path for path in sorted(MIDIS.rglob("*.mid")) if "Bach" in str(path)]


@cache
def melody(name: str, path: int = 0, bars: int = BARS) -> NDArray[Any]:
    """Bars of a part of a piece."""
    score = ScoreTick.from_file(LONG[path])
    pair = two_parts(score)
    assert pair is not None
    found = encode_bars(tokenizer(name), [pair[0]], lines(score).tolist(), bars)
    assert found is not None
    return found[0]


def write(
    name: str, given: NDArray[Any], model: Runtime | None = None, **asked: Any
) -> list[Composition]:
    sampling = {key: asked.pop(key) for key in options() if key in asked}
    values = {"seed": 4, "sampling": sampling, "beside": to_prompt(given), **asked}
    return compose(model or controlled(name), tokenizer(name), PieceRequest.read(values))


@pytest.mark.parametrize("guidance", [1.0, 2.0])
@pytest.mark.parametrize("memory", [0, 96])
@pytest.mark.parametrize("name", NAMES)
def test_a_part_has_the_bars_of_the_given_one(name: str, memory: int, guidance: float) -> None:
    asked: dict[str, Any] = {"memory": memory, "guidance": guidance, "count": 3}
    asked["conditions"] = {"composer": [["Bach", 1.0]]}
    made = write(name, melody(name), **asked)
    starts = tokenizer(name).bar_starts
    assert [len(starts(each.sequence)) for each in made] == [BARS] * 3
    again = write(name, melody(name), **asked)
    for one, other in zip(made, again, strict=True):
        assert np.array_equal(one.sequence, other.sequence)


@pytest.mark.parametrize("name", NAMES)
def test_a_bar_depends_on_given_bars_up_to_the_next_only(name: str) -> None:
    own, other = melody(name), melody(name, 1)
    starts, others = (tokenizer(name).bar_starts(each) for each in (own, other))
    changed = np.concatenate([own[: starts[4]], other[others[4] :]])
    # Without the facts of bars, such as the key, which are measured over several bars.
    model = load_untrained(tokenizer(name), controls=Controls.available(tokenizer(name), ["role"]))
    one, two = (write(name, each, model)[0].sequence for each in (own, changed))
    # Bar 3 is written after the bars up to 4 of the given part, which differ.
    stop = int(tokenizer(name).bar_starts(one)[3]) + 1
    assert np.array_equal(one[:stop], two[:stop])


@pytest.mark.parametrize("name", ["remi", "events"])
def test_a_bar_depends_on_the_given_bars_so_far(name: str) -> None:
    one, two = (write(name, melody(name, path))[0].sequence for path in (0, 1))
    assert not np.array_equal(one, two)


@pytest.mark.parametrize("name", ["remi", "events"])
def test_metres_are_those_of_the_given_part(name: str) -> None:
    score = ScoreTick.from_file(LONG[0])
    for path in LONG:
        score = ScoreTick.from_file(path)
        pair = two_parts(score)
        signs = {(sign.numerator, sign.denominator) for sign in score.time_signatures}
        if pair is not None and signs == {(3, 4)}:
            break
    pair = two_parts(score)
    assert pair is not None
    found = encode_bars(tokenizer(name), [pair[0]], lines(score).tolist(), 4)
    assert found is not None
    music = tokenizer(name).decode(write(name, found[0], metre="free")[0].sequence)
    assert isinstance(music, ScoreTick)
    assert {(sign.numerator, sign.denominator) for sign in music.time_signatures} == {(3, 4)}


@pytest.mark.parametrize("later", [0, 1, 2])
@pytest.mark.parametrize("place", [(0, 3), (1, 3), (2, 3)])
@pytest.mark.parametrize("name", NAMES)
def test_sampling_predicts_what_training_does(
    name: str, place: tuple[int, int], later: int, tmp_path: Path
) -> None:
    """The logits of bars that are written are those of their training row, also where earlier bars
    are the prompt and where later ones are given."""
    own, controls = tokenizer(name), Controls.available(tokenizer(name), ["role", "remaining"])
    model = load_untrained(own, controls=controls)
    first, stop = place
    given, part = (melody(name, path, stop + later) for path in (0, 1))
    row = training_row(tmp_path, name, given, part, range(first, stop) if later else None)
    ids = model.control(row.controls[0])[row.bars[0]] + model.condition([[]])
    trained = model.begin(1).step(row.inputs, ids[None])[0][row.mask[0]]
    starts = [*own.bar_starts(part).tolist(), len(part)]
    low, high = starts[first], starts[stop]
    trained = trained[low:high]
    sampled = np.array(list(logits_of(model, name, given, part, place)))
    assert sampled.shape == trained.shape
    assert sampled == pytest.approx(trained, abs=2e-4)


def training_row(
    folder: Path, name: str, given: NDArray[Any], part: NDArray[Any], gap: range | None
) -> Batch:
    """The row of both parts, from the first bar on, which writes the bars of `gap` at its end."""
    own = tokenizer(name)
    controls = Controls.available(own, ["role", "remaining"])
    write_shard(folder / "parts", own, [(0, given), (0, part)])
    write_shard(folder / "shard", own, [(0, given)])
    shard, parts = open_shard(folder / "shard"), open_shard(folder / "parts")
    table, which = bar_table(own, parts, controls), np.zeros(1, np.int64)
    crops = Crops(
        shard,
        np.zeros((1, 0), np.int64),
        np.ones(1),
        bars=bar_table(own, shard, controls),
        parts=controls.beside(parts, table, which, 1.0, 0.0 if gap is None else 1.0),
    )
    length = len(given) + len(part) + 2
    stop = len(own.bar_starts(part)) if gap is None else gap.stop
    expected = part[: [*own.bar_starts(part).tolist(), len(part)][stop]]
    columns = [controls.columns[each].start for each in ("role", "remaining")]
    for step in range(999):
        row = crops.batch(0, step, 1, length)
        roles, left = row.controls[0][1::2, columns].T
        marked = [] if gap is None else np.flatnonzero(left).tolist()
        if marked != list(gap or ()) or (gap is not None and not roles[gap.stop :].all()):
            continue
        if np.array_equal(row.targets[row.mask][: len(expected)], expected):
            return row
    raise AssertionError("training has no such row")


def logits_of(
    model: Runtime, name: str, given: NDArray[Any], part: NDArray[Any], place: tuple[int, int]
) -> Iterator[NDArray[np.float32]]:
    """What is predicted before each position of some bars of a part, beside another."""
    own, controls, sampling = tokenizer(name), model.manifest.controls, Sampling(guidance=1.0)
    ends = [*own.bar_starts(part).tolist(), len(part)]
    prompt, written, after = np.split(part, [ends[place[0]], ends[place[1]]])
    facts, before, later = (measure(own, each, controls).ids for each in (given, prompt, after))
    request = PieceRequest(
        bars=place[1] - place[0],
        sampling=sampling,
        after=to_prompt(after),
        beside=to_prompt(given),
        prompt=to_prompt(prompt),
        whole=True,
    )
    plan = plan_bars(controls, own, request, GivenFacts(before, later, facts))
    opening = Opening(prompt, whole=True, after=after)
    draft = Draft(own, request.plan(), plan, opening, sampling, Noise(0, 0))
    contexts = RowContexts(model, own, request, 512, [draft], plan, given)
    contexts.begin()
    for position in written:
        yield contexts.predict()[0]
        if draft.begins_bar(position):
            draft.begin_bar(position)
        draft.write(position, None)
        if not draft.done:
            contexts.advance([0], set())


@pytest.mark.parametrize("memory", [0, 96])
@pytest.mark.parametrize("name", NAMES)
def test_later_bars_of_a_part_are_given_where_they_are_near(name: str, memory: int) -> None:
    """Bars further away than in training are written without them."""
    own, far = tokenizer(name), 2
    count = LONGEST + far
    given = melody(name, bars=count + 1)
    ends = own.bar_starts(melody(name, 1))
    later = [melody(name, path)[: ends[1]] for path in (1, 2)]
    # Without the facts of bars, such as the key, which are measured over several bars.
    model = load_untrained(own, controls=Controls.available(own, ["role", "remaining"]))
    asked: dict[str, Any] = {"bars": count, "whole": True}
    made = []
    for each in later:
        values = {"seed": 4, "after": to_prompt(each), "beside": to_prompt(given), **asked}
        request = PieceRequest.read({**values, "sampling": {"memory": memory}})
        made += compose(model, own, request, scored=True)
    starts = [own.bar_starts(each.sequence) for each in made]
    assert [len(each) for each in starts] == [count] * 2
    stop = int(starts[0][far])
    assert np.array_equal(made[0].sequence[:stop], made[1].sequence[:stop])
    assert made[0].nats != made[1].nats


@pytest.mark.parametrize("name", ["remi", "pianoroll"])
def test_exports_write_the_same_part(name: str, tmp_path: Path) -> None:
    own = tokenizer(name)
    write_bundle(tmp_path / "torch", own, controls=Controls.available(own))
    export_torchscript(tmp_path / "torch", tmp_path / "torchscript")
    export_onnx(tmp_path / "torch", tmp_path / "onnx")
    asked: dict[str, Any] = {"count": 2, "memory": 200, "guidance": 2.0, "bars": 3}
    asked["controls"] = [["", "density", "2"]]
    expected = write(name, melody(name), **asked)
    for kind in ("torchscript", "onnx"):
        made = write(name, melody(name), load(tmp_path / kind, kind, device="cpu"), **asked)
        for one, other in zip(made, expected, strict=True):
            assert np.array_equal(one.sequence, other.sequence), kind


def test_some_contexts_take_positions_before_the_others() -> None:
    """Their predictions are those of the whole sequence."""
    own, model = tokenizer("remi"), controlled("remi")
    assert isinstance(own.space, Tokens)
    rng = np.random.default_rng(0)
    dim = model.condition([[]]).shape[-1]
    lengths, extra = (5, 9, 5), (4, 0, 7)
    wholes = [rng.integers(3, own.space.size, count + 12) for count in lengths]
    given = [rng.normal(size=(count + 12, dim)).astype(np.float32) for count in lengths]
    contexts = Contexts(model, 64)
    new = [
        NewContext(ContextKey(row, 0), wholes[row][:count], given[row][:count])
        for row, count in enumerate(lengths)
    ]
    contexts.advance(None, new=new)
    ends = [count + more for count, more in zip(lengths, extra, strict=True)]
    ahead = {
        ContextKey(row, 0): Ahead(
            wholes[row][lengths[row] : ends[row]], given[row][lengths[row] : ends[row]]
        )
        for row in (0, 2)
    }
    assert contexts.full(ahead) == []
    assert contexts.full({ContextKey(0, 0): Ahead(np.zeros(59, np.int64), given[0])}) == [
        ContextKey(0, 0)
    ]
    taken = np.array([wholes[row][ends[row]] for row in range(3)])
    changed = {ContextKey(row, 0): given[row][ends[row]] for row in range(3)}
    contexts.advance(taken, changed=changed, ahead=ahead)
    for row, place in enumerate(contexts.places([0, 1, 2], 0).tolist()):
        stop = ends[row] + 1
        whole = model.begin(1).step(wholes[row][None, :stop], given[row][None, :stop])[0, -1]
        assert contexts.logits[place] == pytest.approx(whole, abs=1e-4)
        assert contexts.lengths[place] == stop


def test_a_model_without_the_control_says_so() -> None:
    with pytest.raises(UsageError, match="not trained to write beside a given part"):
        write("remi", melody("remi"), untrained("remi"))


def test_a_given_part_has_no_form_and_no_theme_beside_it() -> None:
    for other in ({"form": "AB"}, {"prompt": (5,), "theme": 1}):
        with pytest.raises(UsageError, match="no form and no theme"):
            PieceRequest.read({"beside": (4,), **other})
    with pytest.raises(UsageError, match="a prompt beside a given part has whole bars"):
        PieceRequest.read({"beside": (4,), "prompt": (5,)})
