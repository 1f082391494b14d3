"""Write pieces: guidance, grammar, form and memory around one batch of running contexts."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from musictk.generation.context import FREE, GIVEN, KINDS, MEMORY, Contexts, Fresh, Key
from musictk.generation.draft import Draft, Notice, Opening
from musictk.generation.draw import Noise, apply, make_chain, pick, sound
from musictk.generation.guidance import Places, guide
from musictk.generation.mask import Mask
from musictk.generation.request import PieceRequest, from_prompt
from musictk.generation.sampling import LEAST, Sampling
from musictk.generation.spans import Span
from musictk.model.manifest import Manifest
from musictk.runtime.contract import Runtime
from musictk.tokens import Frames, Tokenizer, Tokens

Logits = NDArray[np.float32]

_SIDE_BY_SIDE = 16  # rows in one batch; a larger count is made in several
_MEMORY = 1024  # positions of a context, where nobody says and training has not
_HISTORY = 256  # positions that samplers see
_REPORT = 16  # positions between two reports of progress


class ComposeListener(Protocol):
    """Hears how far the pieces are."""

    def composing(self, done: int, of: int, section: str, positions: int) -> None:
        """`done` of `of` bars are written over all rows; `section` is the first row's.

        Where no bars are planned and `max_tokens` ends the piece: positions, not bars.
        """


@dataclass(frozen=True)
class Composition:
    """One finished piece and how it came about."""

    sequence: NDArray[Any]  # (T,) ids or (T, W) frames, without bos and eos
    sections: tuple[Span, ...]
    request: PieceRequest
    row: int  # of the request's `count`
    seconds: float  # of the whole batch it was made in
    positions: int  # written in that batch, over all rows
    notices: tuple[Notice, ...] = ()

    @property
    def unit(self) -> str:
        """What its positions are, "token" or "frame"."""
        return Tokens.unit if self.sequence.ndim == 1 else Frames.unit

    @property
    def speed(self) -> float:
        """Positions per second, over all rows of the batch."""
        return self.positions / max(self.seconds, 1e-9)


def compose(
    runtime: Runtime,
    tokenizer: Tokenizer,
    request: PieceRequest,
    listener: ComposeListener | None = None,
) -> list[Composition]:
    """`request.count` pieces; the same request, bundle and machine give the same, bit for bit.

    Raises UsageError for a form, label, sampler or setting that does not exist.
    """
    made: list[Composition] = []
    for first in range(0, request.count, _SIDE_BY_SIDE):
        rows = range(first, min(first + _SIDE_BY_SIDE, request.count))
        made += _Batch(runtime, tokenizer, request, rows, listener).run()
    return made


def remake(
    runtime: Runtime,
    tokenizer: Tokenizer,
    request: PieceRequest,
    row: int,
    listener: ComposeListener | None = None,
) -> Composition:
    """Row `row` of `compose(…, request)`, bit for bit: made with the neighbours it had then.

    Alone it would draw the same random numbers, but a matrix product of another batch size may
    differ in its last bits.
    """
    first = row - row % _SIDE_BY_SIDE
    rows = range(first, min(first + _SIDE_BY_SIDE, request.count))
    return _Batch(runtime, tokenizer, request, rows, listener).run()[row - first]


def reach(manifest: Manifest, sampling: Sampling) -> int:
    """How many positions the model hears at once."""
    asked = sampling.memory or manifest.trained_length or _MEMORY
    return min(max(asked, LEAST), manifest.max_length)


class _Batch:
    """Rows made side by side. Rows share the batch and nothing else."""

    def __init__(
        self,
        runtime: Runtime,
        tokenizer: Tokenizer,
        request: PieceRequest,
        rows: range,
        listener: ComposeListener | None,
    ) -> None:
        self.tokenizer, self.request, self.listener, self.rows = tokenizer, request, listener, rows
        manifest, sampling = runtime.manifest, request.sampling
        self.capacity = reach(manifest, sampling)
        self.chain = make_chain((*sampling.chain, *request.samplers), tokenizer)
        self.mask = Mask(tokenizer, sampling.metre)
        mixture = manifest.conditions.mixture(request.conditions)
        self.given = runtime.condition(mixture)
        guided = sampling.guidance != 1 and any(mixture)
        self.free = runtime.condition([[] for _ in mixture]) if guided else None
        self.contexts = Contexts(runtime, self.capacity)
        self.prompt = from_prompt(request.heard, tokenizer.space)
        self._opening = Opening(self.prompt, request.whole, request.theme > 0)
        plan, limit = request.plan(), request.bar_limit
        self.drafts = [
            Draft(tokenizer, plan, self._opening, sampling, limit, Noise(request.seed, row))
            for row in rows
        ]

    def run(self) -> list[Composition]:
        begun = perf_counter()
        self._hear(None, [], [fresh for i in range(len(self.drafts)) for fresh in self._running(i)])
        steps = 0
        while live := [i for i, draft in enumerate(self.drafts) if not draft.done]:
            self._write(live)
            steps += 1
            if self.listener and steps % _REPORT == 0:
                self._report(self.listener)
        if self.listener:
            self._report(self.listener)
        seconds = perf_counter() - begun
        written = sum(draft.length - len(self.prompt) for draft in self.drafts)
        return [
            Composition(
                sequence=draft.sequence.copy(),
                sections=tuple(draft.spans),
                request=self.request,
                row=row,
                seconds=seconds,
                positions=written,
                notices=tuple(draft.notices),
            )
            for row, draft in zip(self.rows, self.drafts, strict=True)
        ]

    def _write(self, live: list[int]) -> None:
        """One position for every live row; then the contexts hear it."""
        drafts = [self.drafts[i] for i in live]
        logits, allowed = self._predict(drafts)
        drawn = self._draw(drafts, logits)
        dropped: list[Key] = []
        fresh: list[Fresh] = []
        heard = np.zeros((len(self.drafts), *drawn.shape[1:]), drawn.dtype)
        for r, (i, draft) in enumerate(zip(live, drafts, strict=True)):
            position, turned = self._settle(draft, drawn[r], logits[r], allowed[r])
            if not draft.done:
                draft.write(position, allowed[r])
                heard[i] = position
            if draft.done:
                dropped += [Key(i, kind) for kind in KINDS]
            elif turned:
                dropped.append(Key(i, MEMORY))
                if draft.weight > 0:
                    fresh.append(self._remembering(i))
        self._hear(heard, dropped, fresh)

    def _predict(self, drafts: list[Draft]) -> tuple[Logits, list[NDArray[np.bool_] | None]]:
        """(R, V) guided logits with what may not follow at -inf, and what may."""
        weight = np.array([draft.weight for draft in drafts], np.float32)
        scale = self.request.sampling.guidance
        logits = guide(self.contexts.logits, self._places, scale, weight)
        allowed = [self.mask.allowed(draft) for draft in drafts]
        masks = [mask for mask in allowed if mask is not None]
        if masks:
            logits = np.where(np.stack(masks), logits, np.float32(-np.inf))
        return logits, allowed

    def _draw(self, drafts: list[Draft], logits: Logits) -> NDArray[Any]:
        """(R,) tokens or (R, W) frames from the model alone."""
        reach = min(_HISTORY, *(draft.length for draft in drafts))
        history = np.stack([draft.sequence[draft.length - reach :] for draft in drafts])
        logits = apply(self.chain, logits, history)
        noise = np.stack([draft.noise.take(self.mask.width) for draft in drafts])
        return sound(logits, noise) if self.mask.frames else pick(logits, noise[:, 0])

    def _settle(
        self, draft: Draft, drawn: Any, logits: Logits, allowed: NDArray[np.bool_] | None
    ) -> tuple[Any, bool]:
        """What is written, and whether a section begins with it (or the piece ends before it)."""
        own, theme = drawn, None
        if draft.follower:
            draft.follower.decide(float(draft.noise.take(1)[0]))
            theme = draft.follower.expected(allowed, draft.parser)
            drawn = drawn if theme is None else theme
        if theme is None and self.mask.frames and draft.speechless:
            drawn = drawn.copy()
            drawn[logits.argmax()] = 1
        while draft.begins_bar(drawn):
            if theme is None and draft.too_silent():
                logits = logits.copy()
                logits[drawn] = -np.inf
                if np.isfinite(logits).any():
                    drawn = self._draw([draft], logits[None])[0]
                    continue
            if theme is not None and draft.begins_bar(own):
                drawn = own  # the theme led to the bar line; what comes after is not its affair
            turned = draft.turn_page()
            theme = draft.follower.expected(allowed, draft.parser) if draft.follower else None
            return (drawn if theme is None else theme), turned
        return drawn, False

    def _hear(self, heard: NDArray[Any] | None, dropped: list[Key], fresh: list[Fresh]) -> None:
        begun = {one.key for one in fresh} | set(dropped)
        for key in self.contexts.full():
            if key not in begun:
                remade = self._remembering(key.row) if key.kind == MEMORY else None
                fresh += [remade] if remade else self._running(key.row)
                begun |= {one.key for one in fresh}
        self.contexts.advance(heard, dropped, fresh)
        if dropped or fresh:
            live = [i for i, draft in enumerate(self.drafts) if not draft.done]
            self._places = Places(*(self.contexts.places(live, kind) for kind in KINDS))

    def _running(self, row: int) -> list[Fresh]:
        """The row's sequence memory, under its conditions and (where guided) without."""
        draft = self.drafts[row]
        sequence = self._recent(draft.sequence, begins=True)
        fresh = [Fresh(Key(row, GIVEN), sequence, self.given)]
        return fresh if self.free is None else [*fresh, Fresh(Key(row, FREE), sequence, self.free)]

    def _remembering(self, row: int) -> Fresh:
        """The row's second context: the theme that returns, if any, and this section so far."""
        draft = self.drafts[row]
        theme, heard = draft.theme(), draft.sequence[draft.start :]
        if theme is not None:
            heard = np.concatenate([draft.sequence[theme.start : theme.end], heard])
        begins = theme is not None and theme.start == 0
        return Fresh(Key(row, MEMORY), self._recent(heard, begins), self.given)

    def _recent(self, sequence: NDArray[Any], begins: bool) -> NDArray[Any]:
        """What fits of `sequence`, from a bar line; with room left, so that this is seldom done.

        The start of a piece is said where it `begins` one, never on what comes from its middle.
        """
        if len(sequence) < self.capacity:
            start = self.tokenizer.space.start(1)[0] if begins else sequence[:0]
            return np.concatenate([start, sequence])
        keep = self.capacity * 5 // 8
        bars = self.tokenizer.bar_starts(sequence)
        bars = bars[bars >= len(sequence) - keep]
        return sequence[bars[0] if len(bars) and bars[0] < len(sequence) else -keep :]

    def _report(self, listener: ComposeListener) -> None:
        positions = sum(draft.length - len(self.prompt) for draft in self.drafts)
        done = sum(draft.bars_written for draft in self.drafts), self.drafts[0].plan.bars
        if not self.request.planned and (most := self.request.sampling.max_tokens):
            done = positions, most
        listener.composing(done[0], done[1] * len(self.drafts), self.drafts[0].name, positions)
