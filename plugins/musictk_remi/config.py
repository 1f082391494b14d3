"""The settings of `remi`, and the vocabulary they give."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musictk.errors import UnknownNameError, UsageError
from musictk.tokens.bars import METRES, Metre

if TYPE_CHECKING:
    from miditok import REMI

Spans = tuple[tuple[int, int, int], ...]  # (from beat, to beat, positions a beat), ascending
# Quarter notes a minute: what a metronome marks, and round numbers that are written often.
METRONOME = (
    *(30, 33, 36, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 63, 66, 69, 70, 72, 76, 80, 84, 88),
    *(90, 92, 96, 100, 104, 108, 110, 112, 116, 120, 126, 130, 132, 138, 140, 144, 150, 152, 160),
    *(168, 176, 184, 200, 208, 240),
)
SPECIALS = ("PAD_None", "BOS_None", "EOS_None")  # in the order of the fields of `Tokens`


@dataclass(frozen=True)
class RemiConfig:
    """The vocabulary. The preset seed-001 has the one of 419 that its seed trained on.

    All tracks but drums become one piano part, unless `programs` keeps instruments apart.
    `extra` is passed to MidiTok's TokenizerConfig (`use_sustain_pedals`, `use_chords`, …);
    MidiTok then encodes, and without rests, since its rests cross bar lines.
    """

    pitch_range: tuple[int, int] = (21, 108)  # MIDI pitches, both included
    beat_res: Spans = ((0, 4, 8), (4, 12, 4))  # of positions and durations
    rest_res: Spans = ((0, 1, 8), (1, 2, 4), (2, 12, 2))
    num_velocities: int = 32
    rests: bool = True
    tempos: bool = True
    num_tempos: int = 0  # over tempo_range, evenly; 0: the marks of METRONOME within it
    tempo_range: tuple[int, int] = (30, 250)  # quarter notes a minute
    log_tempos: bool = False
    time_signatures: bool = True
    metres: tuple[Metre, ...] = (
        METRES  # bars of other lengths are built from these, see `tokens.bars`
    )
    programs: bool = False
    bpe: int = 0  # vocabulary size after byte-pair merges; 0: none are learned
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        low, high = self.pitch_range
        if not 0 <= low < high <= 127:
            raise UsageError(f"pitch_range {self.pitch_range} is not ascending within 0 to 127")
        if not 1 <= self.num_velocities <= 127 or self.num_tempos < 0:
            raise UsageError("num_velocities must be 1 to 127, num_tempos at least 0")
        if not 0 < self.tempo_range[0] <= self.tempo_range[1]:
            raise UsageError(f"tempo_range {self.tempo_range} is not ascending above 0")
        if not self.tempo_values:
            raise UsageError(f"no metronome mark is within tempo_range {self.tempo_range}")
        for name in ("beat_res", "rest_res"):
            _check_spans(name, getattr(self, name))
        if _finest(self.beat_res) % _finest(self.rest_res):
            raise UsageError("the finest of rest_res must divide the finest of beat_res")
        if (4, 4) not in self.metres:
            raise UsageError("metres must include 4/4, the default metre of a piece", "add [4, 4]")
        for numerator, denominator in self.metres:
            if numerator < 1 or denominator not in (1, 2, 4, 8, 16, 32):
                raise UsageError(f"no metre {numerator}/{denominator}")

    @property
    def positions_per_beat(self) -> int:
        return _finest(self.beat_res)

    @property
    def known_metres(self) -> tuple[Metre, ...]:
        """The metres in the order of the vocabulary, grouped by denominator as MidiTok does."""
        if not self.time_signatures:
            return ((4, 4),)
        groups = dict.fromkeys(denominator for _, denominator in self.metres)
        return tuple(metre for group in groups for metre in self.metres if metre[1] == group)

    @property
    def velocities(self) -> tuple[int, ...]:
        """The velocities of the vocabulary, ascending, never 0."""
        return tuple(np.linspace(0, 127, self.num_velocities + 1, dtype=np.intc)[1:].tolist())

    @property
    def tempo_values(self) -> tuple[float, ...]:
        """The tempos of the vocabulary in quarter notes a minute, ascending."""
        if not self.num_tempos:
            low, high = self.tempo_range
            return tuple(float(mark) for mark in METRONOME if low <= mark <= high)
        spaced = np.geomspace if self.log_tempos else np.linspace
        return tuple(spaced(*self.tempo_range, self.num_tempos).round(2).tolist())


def lengths(spans: Spans) -> list[tuple[int, int, int]]:
    """Every length of `spans` but zero, ascending, as (beats, positions, positions a beat)."""
    found = [
        (beat, position, resolution)
        for start, stop, resolution in spans
        for beat in range(start, stop)
        for position in range(resolution)
    ]
    return [*found[1:], (spans[-1][1], 0, spans[-1][2])]


def token_names(config: RemiConfig) -> list[str]:
    """The vocabulary by id, as MidiTok names it ("Pitch_60"); without what BPE learns."""
    if config.extra:
        vocabulary: dict[str, int] = miditok_of(config).vocab
        return sorted(vocabulary, key=vocabulary.__getitem__)
    return [*SPECIALS, *_plain_names(config)]


def _plain_names(config: RemiConfig) -> Iterator[str]:
    """Without `extra` MidiTok is not imported, which would take 2 s."""
    yield "Bar_None"
    low, high = config.pitch_range
    yield from (f"Pitch_{pitch}" for pitch in range(low, high + 1))
    yield from (f"Velocity_{velocity}" for velocity in config.velocities)
    yield from (f"Duration_{'.'.join(map(str, part))}" for part in lengths(config.beat_res))
    longest = max(numerator for numerator, _ in config.known_metres)
    yield from (f"Position_{index}" for index in range(longest * config.positions_per_beat))
    yield from (f"PitchDrum_{pitch}" for pitch in range(27, 89))
    if config.rests:
        yield from (f"Rest_{'.'.join(map(str, part))}" for part in lengths(config.rest_res))
    if config.tempos:
        yield from (f"Tempo_{tempo}" for tempo in config.tempo_values)
    if config.programs:
        yield from (f"Program_{program}" for program in [*range(128), -1])
    if config.time_signatures:
        yield from (f"TimeSig_{above}/{below}" for above, below in config.known_metres)


def miditok_of(config: RemiConfig) -> REMI:
    """MidiTok's REMI for these settings. Raises UnknownNameError for a key of `extra` it lacks."""
    from miditok import REMI, TokenizerConfig

    class Remi(REMI):  # type: ignore[misc]  # MidiTok has no types
        """With the tempos of the settings, which MidiTok can only space evenly."""

        def _MusicTokenizer__create_tempos(self) -> NDArray[np.float64]:  # noqa: N802
            return np.array(config.tempo_values)

    metres: dict[int, list[int]] = {}
    for numerator, denominator in config.metres:
        metres.setdefault(denominator, []).append(numerator)
    settings: dict[str, Any] = {
        "pitch_range": config.pitch_range,
        "beat_res": {(start, stop): count for start, stop, count in config.beat_res},
        "beat_res_rest": {(start, stop): count for start, stop, count in config.rest_res},
        "num_velocities": config.num_velocities,
        "special_tokens": ["PAD", "BOS", "EOS"],
        "use_rests": config.rests and not config.extra,
        "use_tempos": config.tempos,
        "num_tempos": len(config.tempo_values),
        "tempo_range": config.tempo_range,
        "log_tempos": config.log_tempos,
        "use_time_signatures": config.time_signatures,
        "time_signature_range": metres,
        "use_programs": config.programs,
        "remove_duplicated_notes": True,
        "delete_equal_successive_tempo_changes": True,
    }
    known = set(inspect.signature(TokenizerConfig.__init__).parameters) - {"self", "kwargs"}
    known |= {"max_bar_embedding", "use_bar_end_tokens", "add_trailing_bars"}
    for key in config.extra:
        if key in settings or key == "one_token_stream_for_programs":
            raise UsageError(f"extra.{key} is a setting of remi itself or cannot be changed")
        if key not in known:
            raise UnknownNameError("setting of MidiTok", key, known - set(settings))
    try:
        return Remi(TokenizerConfig(**settings, **config.extra))
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"MidiTok rejects {config.extra}: {error}") from error


def _finest(spans: Spans) -> int:
    return max(count for _, _, count in spans)


def _check_spans(name: str, spans: Spans) -> None:
    ends = [0, *(stop for _, stop, _ in spans)]
    fits = all(
        start == end and stop > start for (start, stop, _), end in zip(spans, ends, strict=False)
    )
    if not spans or not fits or min(count for *_, count in spans) < 1:
        raise UsageError(f"{name} {spans} must cover the beats from 0 on without a gap")
    if any(_finest(spans) % count for _, _, count in spans):
        raise UsageError(f"{name} {spans}: every resolution must divide the finest")
