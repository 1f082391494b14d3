"""Does a model begin pieces as its corpus does? Opening tempo, metre and register of samples.

    python -m benchmarks.openings WORKSPACE [--run RUN] [--count 256] [--bars 2] [--save]

Every sample's first bar is compared with the pieces that the run was trained on, both read through
its tokenizer. Half of the samples have no condition, the others each composer of the run in turn,
with the default guidance. Outside are a tempo beyond those that pieces begin with, a metre that no
piece begins with, and a note lower or higher than any of the corpus. Stricter, and not counted as
outside: a tempo that no piece begins with, a note lower or higher than any of a first bar. Notes
may exceed the range by `data.transpose`. (Of 256 pieces by the composers themselves some 15 would
have a first bar lower or higher than those of 34 others.)
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from benchmarks.keep import keep
from musictk.catalog import Catalog
from musictk.generation.compose import compose
from musictk.generation.request import PieceRequest
from musictk.jobs.bundles import ModelSource, open_source
from musictk.jobs.config import RunConfig
from musictk.music import bars, notes
from musictk.runtime import Runtime
from musictk.tokens import Tokenizer
from musictk.tokens.shards import open_shard
from musictk.workspace import Workspace, here


@dataclass(frozen=True)
class Opening:
    """How a piece begins."""

    tempo: float | None  # quarters a minute
    metre: tuple[int, int] | None
    low: int | None  # MIDI note numbers of the first bar; None where it is silent
    high: int | None


@dataclass(frozen=True)
class Ranges:
    """How the pieces of a corpus begin."""

    tempos: frozenset[float]
    metres: frozenset[tuple[int, int]]
    notes: tuple[int, int]  # the lowest and the highest of all bars
    first: tuple[int, int]  # of first bars

    def outside(self, opening: Opening) -> dict[str, bool]:
        """What of an opening no piece of the corpus goes as far as."""
        tempo, metre = opening.tempo, opening.metre

        def beyond(low: int, high: int) -> bool:
            if opening.low is None or opening.high is None:
                return False
            return opening.low < low or opening.high > high

        return {
            "tempo": tempo is not None and not min(self.tempos) <= tempo <= max(self.tempos),
            "metre": metre is not None and metre not in self.metres,
            "register": beyond(*self.notes),
            "new tempo": tempo is not None and tempo not in self.tempos,
            "beyond first bars": beyond(*self.first),
        }


def main() -> None:
    """Sample, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--run", help="by default the newest finished one")
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--bars", type=int, default=2)
    parser.add_argument("--save", action="store_true")
    flags = parser.parse_args()
    workspace = here(flags.workspace)
    with Catalog.open(workspace.catalog_url, workspace.root) as catalog:
        opened = open_source(catalog, workspace, ModelSource(run=flags.run))
        config = RunConfig.read(catalog.run(opened.name).settings)
    tokenizer = opened.runtime.manifest.make_tokenizer()
    ranges = corpus(workspace, config, tokenizer)
    found = list(samples(opened.runtime, tokenizer, flags.count, flags.bars))
    row = {"model": f"{config.arch} on {config.tokenizer}", "samples": len(found)}
    row |= counts(ranges, found)
    print(ranges)
    print(row)
    if flags.save:
        title = "Openings: samples whose first bar is outside the corpus's range"
        note = "half of the samples without a label, half under each composer's in turn"
        keep("openings", title, "WORKSPACE", [row], note)


def counts(ranges: Ranges, found: Sequence[Opening]) -> dict[str, int]:
    """How many openings are outside: in all, in each way, and by the stricter measures."""
    judged = [ranges.outside(opening) for opening in found]
    each = {name: sum(one[name] for one in judged) for name in judged[0]}
    outside = sum(one["tempo"] or one["metre"] or one["register"] for one in judged)
    return {"outside": outside, **each}


def corpus(workspace: Workspace, config: RunConfig, tokenizer: Tokenizer) -> Ranges:
    """How the training pieces of a run begin, as its tokenizer writes them."""
    shard = open_shard(workspace.resolve(config.shards["train"]))
    pieces = [shard.piece(index) for index in np.flatnonzero(shard.lengths).tolist()]
    found = [opening(tokenizer, piece) for piece in pieces]
    pitches = np.concatenate([_pitches(tokenizer, piece) for piece in pieces])
    firsts = [pitch for each in found for pitch in (each.low, each.high) if pitch is not None]
    reach = config.data_settings.transpose
    return Ranges(
        frozenset(each.tempo for each in found if each.tempo is not None),
        frozenset(each.metre for each in found if each.metre is not None),
        (int(pitches.min()) - reach, int(pitches.max()) + reach),
        (min(firsts) - reach, max(firsts) + reach),
    )


def samples(runtime: Runtime, tokenizer: Tokenizer, count: int, length: int) -> Iterator[Opening]:
    """`count` openings of pieces of so many bars, half of them without a label."""
    known = runtime.manifest.conditions
    composers = [*known.labels.get("composer", ())[2:], *known.folded.get("composer", ())]
    asked: list[dict[str, Any]] = [{}] * len(composers) or [{}]
    asked += [{"composer": [[composer, 1.0]]} for composer in composers]
    shares = np.bincount(np.arange(count) % len(asked), minlength=len(asked)).tolist()
    for seed, (conditions, share) in enumerate(zip(asked, shares, strict=True)):
        if share:
            values = {"conditions": conditions, "bars": length, "seed": seed, "count": share}
            for piece in compose(runtime, tokenizer, PieceRequest.read(values)):
                yield opening(tokenizer, piece.sequence)


def opening(tokenizer: Tokenizer, sequence: Any) -> Opening:
    """Tempo and metre at tick 0, and the extremes of the first bar."""
    starts = tokenizer.bar_starts(sequence)
    score = tokenizer.decode(sequence[: starts[1]] if len(starts) > 1 else sequence)
    assert isinstance(score, ScoreTick)
    tempo = next((round(each.qpm, 2) for each in score.tempos if each.time == 0), None)
    signs = score.time_signatures
    metre = next(((each.numerator, each.denominator) for each in signs if each.time == 0), None)
    found = notes(score, drums=False)
    pitches = found.pitch[found.start < bars(score)[1]]
    extremes = (int(pitches.min()), int(pitches.max())) if len(pitches) else (None, None)
    return Opening(tempo, metre, *extremes)


def _pitches(tokenizer: Tokenizer, sequence: Any) -> NDArray[np.int64]:
    score = tokenizer.decode(sequence)
    assert isinstance(score, ScoreTick)
    return notes(score, drums=False).pitch


if __name__ == "__main__":
    main()
