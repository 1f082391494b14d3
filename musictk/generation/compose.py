"""Write pieces: guidance, grammar, constraints, form and memory on one batch of contexts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from musictk.controls import Controls, measure
from musictk.errors import UsageError
from musictk.generation.bar_plan import BarPlan, GivenFacts, plan_bars
from musictk.generation.draft import Draft
from musictk.generation.draw import Noise, nats
from musictk.generation.frame_writer import FrameWriter
from musictk.generation.keep import HARMONIC, HARMONY, RHYTHM
from musictk.generation.opening import Notice, Opening
from musictk.generation.request import PieceRequest, from_prompt
from musictk.generation.row_contexts import RowContexts
from musictk.generation.sampling import LEAST, Sampling
from musictk.generation.spans import Span
from musictk.generation.token_writer import TokenWriter
from musictk.model.manifest import Manifest
from musictk.runtime.contract import Runtime
from musictk.tokens import Frames, Tokenizer, Tokens

_BATCH = 16  # pieces written together; a larger count is made in several batches
_CONTEXT = 1024  # positions of a context if neither the request nor the model defines it
_REPORT = 16  # positions between two reports of progress


class ComposeListener(Protocol):
    """Receives the progress of composing."""

    def composing(self, done: int, of: int, section: str, positions: int) -> None:
        """`done` of `of` bars are written over all rows; `section` is the first row's.

        Where no bars are planned and `max_tokens` ends the piece: positions, not bars.
        """


@dataclass(frozen=True)
class Composition:
    """One finished piece and how it was made."""

    sequence: NDArray[Any]  # (T,) ids or (T, W) frames, without bos and eos
    sections: tuple[Span, ...]
    request: PieceRequest
    row: int  # of the request's `count`
    seconds: float  # of the whole batch it was made in
    positions: int  # written in that batch, over all rows
    notices: tuple[Notice, ...] = ()
    nats: float | None = None  # per position that was written, if it was `scored`

    @property
    def unit(self) -> str:
        """What its positions are, "token" or "frame"."""
        return Tokens.unit if self.sequence.ndim == 1 else Frames.unit

    @property
    def written(self) -> int:
        """Positions that were written: all but those of the prompt or theme."""
        return len(self.sequence) - len(self.request.used_prompt)

    @property
    def speed(self) -> float:
        """Positions per second, over all rows of the batch."""
        return self.positions / max(self.seconds, 1e-9)


def compose(
    runtime: Runtime,
    tokenizer: Tokenizer,
    request: PieceRequest,
    listener: ComposeListener | None = None,
    scored: bool = False,
) -> list[Composition]:
    """`request.count` pieces; equal requests, bundles and machines give equal pieces, bit for bit.

    If `scored`, each has the nats per position of what was written, as the model predicts it from
    all that it is given, without temperature, guidance and masks.
    Raises UsageError for a form, label, sampler or setting that does not exist.
    """
    request = _with_bars(tokenizer, request)
    made: list[Composition] = []
    for first in range(0, request.count, _BATCH):
        rows = range(first, min(first + _BATCH, request.count))
        made += _Batch(runtime, tokenizer, request, rows, scored).run(listener)
    return made


def remake(
    runtime: Runtime,
    tokenizer: Tokenizer,
    request: PieceRequest,
    row: int,
    listener: ComposeListener | None = None,
    scored: bool = False,
) -> Composition:
    """Row `row` of `compose(…, request)`, bit for bit: computed in a batch of the same rows.

    Alone it would draw the same random numbers, but matrix products of another batch size may
    differ in their last bits.
    """
    request = _with_bars(tokenizer, request)
    first = row - row % _BATCH
    rows = range(first, min(first + _BATCH, request.count))
    return _Batch(runtime, tokenizer, request, rows, scored).run(listener)[row - first]


def _with_bars(tokenizer: Tokenizer, request: PieceRequest) -> PieceRequest:
    """The request with the number of bars that a given part has, if it has none of its own."""
    if not request.beside or request.planned:
        return request
    given, own = (
        len(tokenizer.bar_starts(from_prompt(each, tokenizer.space)))
        for each in (request.beside, request.used_prompt)
    )
    if given <= own:
        raise UsageError("the given part ends with the prompt", "give a shorter prompt")
    return replace(request, bars=given - own)


def context_length(manifest: Manifest, sampling: Sampling) -> int:
    """The most positions that the model predicts from at once."""
    length = sampling.memory or manifest.trained_length or _CONTEXT
    return min(max(length, LEAST), manifest.max_length)


class _Batch:
    """Pieces that are composed in one batch, one per row, independent of each other."""

    def __init__(
        self,
        runtime: Runtime,
        tokenizer: Tokenizer,
        request: PieceRequest,
        rows: range,
        scored: bool,
    ) -> None:
        self.request, self.rows, self.scored = request, rows, scored
        self.nats = [0.0] * len(rows)
        writer = FrameWriter if isinstance(tokenizer.space, Frames) else TokenWriter
        self.writer = writer(tokenizer, request)
        self.prompt = from_prompt(request.used_prompt, tokenizer.space)
        self.after = from_prompt(request.after, tokenizer.space)
        self.beside = from_prompt(request.beside, tokenizer.space) if request.beside else None
        self.original = from_prompt(request.original, tokenizer.space)
        kept = self.original if request.keep == RHYTHM else None
        self._check_original(tokenizer)
        theme, positions = request.theme > 0, request.positions
        opening = Opening(self.prompt, self.after, request.whole, theme, positions, kept)
        plan, sampling = request.plan(), request.sampling
        bar_plan = self._bar_plan(runtime.manifest.controls, tokenizer)
        self.drafts = [
            Draft(tokenizer, plan, bar_plan, opening, sampling, Noise(request.seed, row))
            for row in rows
        ]
        capacity = context_length(runtime.manifest, sampling)
        self.contexts = RowContexts(
            runtime, tokenizer, request, capacity, self.drafts, bar_plan, self.beside
        )

    def _bar_plan(self, controls: Controls, tokenizer: Tokenizer) -> BarPlan:
        """The controls of each bar: as measured in the prompt, as chosen after it."""
        before = measure(tokenizer, self.prompt, controls).ids
        # A tempo that is set before the music after the piece holds there too.
        around = np.concatenate([self.prompt, self.after])
        after = measure(tokenizer, around, controls).ids[len(before) :]
        beside = None
        if self.beside is not None:
            beside = measure(tokenizer, self.beside, controls).ids
        kept = self._harmony(tokenizer, controls) if self.request.keep == HARMONY else {}
        given = GivenFacts(before, after, beside, kept)
        return plan_bars(controls, tokenizer, self.request, given)

    def _harmony(self, tokenizer: Tokenizer, controls: Controls) -> dict[str, NDArray[np.uint8]]:
        """The key and the chords of the bars that are rewritten, measured among their bars."""
        names = [name for name in HARMONIC if name in controls.names]
        if not names:
            raise UsageError(
                "this model has no controls of harmony to keep",
                "train one with this musictk: musictk train",
            )
        whole = np.concatenate([self.prompt, self.original, self.after])
        first = len(tokenizer.bar_starts(self.prompt))
        ids = measure(tokenizer, whole, controls).ids
        ids = ids[first : first + len(tokenizer.bar_starts(self.original))]
        return {name: ids[:, controls.columns[name]] for name in names}

    def _check_original(self, tokenizer: Tokenizer) -> None:
        """Raise UsageError if what is rewritten does not have the bars of the piece."""
        bars, asked = len(tokenizer.bar_starts(self.original)), self.request.plan().bars
        if self.request.keep and bars != asked:
            raise UsageError(
                f"cannot keep the {self.request.keep} of {bars} bars in {asked}",
                f"write {bars} bars",
            )

    def run(self, listener: ComposeListener | None) -> list[Composition]:
        """Write until every piece is done."""
        begun = perf_counter()
        self.contexts.begin()
        steps = 0
        while live := [row for row, draft in enumerate(self.drafts) if not draft.done]:
            self._step(live)
            steps += 1
            if listener and steps % _REPORT == 0:
                self._report(listener)
        if listener:
            self._report(listener)
        return self._compositions(perf_counter() - begun)

    def _step(self, live: list[int]) -> None:
        """Write one position of every unfinished piece, then feed it to the contexts."""
        drafts = [self.drafts[row] for row in live]
        lengths = [draft.length for draft in drafts]
        section_ends = self.writer.write(drafts, self.contexts.predict())
        if self.scored:
            predicted = zip(live, drafts, lengths, self.contexts.conditional, strict=True)
            for row, draft, length, logits in predicted:
                if draft.length > length:
                    self.nats[row] += nats(logits, draft.sequence[-1])
        turned = {row for row, ends in zip(live, section_ends, strict=True) if ends}
        self.contexts.advance(live, turned)

    def _compositions(self, seconds: float) -> list[Composition]:
        return [
            Composition(
                sequence=draft.sequence.copy(),
                sections=tuple(draft.progress.spans),
                request=self.request,
                row=row,
                seconds=seconds,
                positions=self._written,
                notices=(*draft.notices, *self._stopped(draft)),
                nats=total / max(draft.length - len(self.prompt), 1) if self.scored else None,
            )
            for row, draft, total in zip(self.rows, self.drafts, self.nats, strict=True)
        ]

    def _stopped(self, draft: Draft) -> list[Notice]:
        """The notice that `max_tokens` ended a piece before the bars that were asked for."""
        request, progress = self.request, draft.progress
        before = 0 if request.theme else len(draft.tokenizer.bar_starts(self.prompt))
        complete, asked = max(draft.bar - before, 0), progress.plan.bars
        if not (request.planned and request.sampling.max_tokens) or complete >= asked:
            return []
        return [Notice("stopped", *progress.place, of_piece=(complete + 1, asked))]

    @property
    def _written(self) -> int:
        """Positions after the prompts, over all rows."""
        return sum(draft.length - len(self.prompt) for draft in self.drafts)

    def _report(self, listener: ComposeListener) -> None:
        first = self.drafts[0].progress
        done, of = sum(draft.progress.bars_written for draft in self.drafts), first.plan.bars
        if not self.request.planned and (most := self.request.sampling.max_tokens):
            done, of = self._written, most
        listener.composing(done, of * len(self.drafts), first.name, self._written)
