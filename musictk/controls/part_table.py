"""The encoded parts of a shard's pieces: made once, and kept beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk.controls.parts import two_parts
from musictk.errors import MusictkError
from musictk.music import bars
from musictk.tokens import Piece, Tokenizer
from musictk.tokens.shards import Shard, open_shard, write_shard

VERSION = 1  # increase it when the parts of a piece differ

_MIDDLE_C = 60

Load = Callable[[int], Piece | None]


def part_shard(tokenizer: Tokenizer, shard: Shard, load: Load) -> Shard:
    """A shard with two entries for each piece of `shard` that has two parts: see `two_parts`.

    `load` returns the music of a file, which has its tracks; None if there is no such file any
    more, and the music of its sequence is used. Read from the file beside the shard, which is
    written if it is missing or damaged.
    """
    path = shard.path.with_name(f"{shard.path.stem}.parts-{VERSION}.safetensors")
    try:
        return open_shard(path)
    except MusictkError:
        write_shard(path, tokenizer, _parts(tokenizer, shard, load))
    return open_shard(path)


def part_index(shard: Shard, parts: Shard) -> NDArray[np.int64]:
    """(P,) which pair of entries of `parts` each piece of `shard` has; -1 for none."""
    pairs = {int(file): index for index, file in enumerate(parts.files[::2].tolist())}
    return np.array([pairs.get(int(file), -1) for file in shard.files], np.int64)


def encode_bars(
    tokenizer: Tokenizer, parts: Sequence[ScoreTick], lines: Sequence[int], count: int
) -> list[NDArray[Any]] | None:
    """The first `count` bars of each of the parts of one piece, with bars of rest at its end too.

    `lines` are the bar lines of the piece (ticks). A note is added after them and its bar left out,
    since a tokenizer encodes no more than it needs. None if one cannot be encoded.
    """
    last = max(2 * lines[-1] - lines[-2], lines[-1])
    found = []
    for part in parts:
        try:
            sequence = tokenizer.encode(_with_note(part, 2 * last - lines[-1]))
        except ValueError:
            return None
        starts = tokenizer.bar_starts(sequence)
        if len(starts) <= count:
            return None
        found.append(sequence[: starts[count]])
    return found


def _parts(tokenizer: Tokenizer, shard: Shard, load: Load) -> Iterator[tuple[int, NDArray[Any]]]:
    seen: set[int] = set()
    for index, file in enumerate(shard.files.tolist()):
        if file in seen:  # a copy in another key or tempo
            continue
        seen.add(file)
        sequence = shard.piece(index)
        music = tokenizer.decode(sequence)
        score = load(file)
        if isinstance(music, str) or isinstance(score, str):
            continue
        drums = any(track.is_drum for track in music.tracks if len(track.notes))
        for encoded in _encoded(tokenizer, score or music, sequence, drums):
            yield file, encoded


def _encoded(
    tokenizer: Tokenizer, score: ScoreTick, sequence: NDArray[Any], drums: bool
) -> list[NDArray[Any]]:
    """Both parts; none if the piece has no two parts that can be encoded."""
    count = len(tokenizer.bar_starts(sequence))
    pair = two_parts(score, drums) if count else None
    if pair is None:
        return []
    return encode_bars(tokenizer, pair, bars(score).tolist(), count) or []


def _with_note(part: ScoreTick, tick: int) -> ScoreTick:
    """The part with one more note at `tick`, of a pitch that it has, on a pitched track if any."""
    marked = part.copy()
    tracks = [track for track in marked.tracks if len(track.notes)]
    track = min(tracks, key=lambda track: (track.is_drum, abs(_middle_pitch(track) - _MIDDLE_C)))
    length = max(marked.ticks_per_quarter // 2, 1)
    track.notes.append(NoteTick(tick, length, _middle_pitch(track), 64))
    return marked


def _middle_pitch(track: TrackTick) -> int:
    """The pitch of its notes that is nearest to middle C, so that a tokenizer encodes it."""
    pitches = track.notes.numpy()["pitch"].astype(np.int64)
    return int(pitches[np.abs(pitches - _MIDDLE_C).argmin()])
