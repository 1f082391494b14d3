"""The settings of `remi`, and the vocabulary they give."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musictk.config import check_settings, require, setting
from musictk.errors import UnknownNameError, UsageError
from musictk.tokens.metrics import METRES, Metre

if TYPE_CHECKING:
    from miditok import REMI

Spans = tuple[tuple[int, int, int], ...]  # (from beat, to beat, positions a beat), ascending
# Quarter notes a minute: what a metronome marks, and round numbers that are written often.
METRONOME = (
    *(30, 33, 36, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 63, 66, 69, 70, 72, 76, 80, 84, 88),
    *(90, 92, 96, 100, 104, 108, 110, 112, 116, 120, 126, 130, 132, 138, 140, 144, 150, 152, 160),
    *(168, 176, 184, 200, 208, 240),
)
SPANS = "spans without a gap from beat 0 on, each count a divisor of the largest"
SPECIALS = ("PAD_None", "BOS_None", "EOS_None")  # in the order of the fields of `Tokens`


def _cover(spans: Spans) -> bool:
    """Whether the spans cover the beats from 0 on without a gap, on positions of the finest."""
    ends = [0, *(stop for _, stop, _ in spans)]
    fits = all(
        start == end and stop > start for (start, stop, _), end in zip(spans, ends, strict=False)
    )
    if not spans or not fits or min(count for *_, count in spans) < 1:
        return False
    return all(_finest(spans) % count == 0 for _, _, count in spans)


def _finest(spans: Spans) -> int:
    return max(count for _, _, count in spans)


def _complete(metres: tuple[Metre, ...]) -> bool:
    """Whether all are different metres, and 4/4, the default of a piece, is one of them."""
    valid = all(above >= 1 and below in (1, 2, 4, 8, 16, 32) for above, below in metres)
    return valid and (4, 4) in metres and len(set(metres)) == len(metres)


@dataclass(frozen=True)
class RemiConfig:
    """The vocabulary. The preset seed-001 has the one of 419 that its seed trained on.

    All tracks but drums become one piano part, unless `programs` keeps instruments apart.
    `extra` is passed to MidiTok's TokenizerConfig (`use_sustain_pedals`, `use_chords`, …);
    MidiTok then encodes, and without rests, since its rests cross bar lines.
    """

    pitch_range: tuple[int, int] = setting(
        (21, 108),
        "Lowest and highest MIDI pitch of the vocabulary; notes outside are left out.",
        words="two ascending pitches from 0 to 127",
        check=lambda pitches: 0 <= pitches[0] < pitches[1] <= 127,
    )
    beat_res: Spans = setting(
        ((0, 4, 8), (4, 12, 4)),
        "Resolution of positions and durations: (from beat, to beat, positions per beat).",
        words=SPANS,
        check=_cover,
    )
    rest_res: Spans = setting(
        ((0, 1, 8), (1, 2, 4), (2, 12, 2)),
        "Resolution of rests, as `beat_res`; its finest divides that of `beat_res`.",
        words=SPANS,
        check=_cover,
    )
    num_velocities: int = setting(32, "Number of velocity tokens.", low=1, high=127)
    rests: bool = setting(True, "Rest tokens for silence between notes.")
    tempos: bool = setting(True, "Tempo tokens at tempo changes.")
    num_tempos: int = setting(
        0, "Number of tempo tokens, evenly spaced over `tempo_range` (0: metronome marks)."
    )
    tempo_range: tuple[int, int] = setting(
        (30, 250),
        "Slowest and fastest tempo, in quarter notes per minute.",
        words="two ascending tempos above 0",
        check=lambda tempos: 0 < tempos[0] <= tempos[1],
    )
    log_tempos: bool = setting(
        False, "Logarithmic instead of linear spacing of tempos, if `num_tempos` is not 0."
    )
    time_signatures: bool = setting(True, "Time-signature tokens (without them, all bars are 4/4).")
    metres: tuple[Metre, ...] = setting(
        METRES,
        "Time signatures of the vocabulary; bars of other lengths are built from these.",
        words="different [numerator, denominator] pairs, among them [4, 4]; denominators 1 to 32",
        check=_complete,
    )
    programs: bool = setting(
        False, "Keep instruments apart (program tokens) instead of one piano part; adds drums."
    )
    bpe: int = setting(
        0,
        "Vocabulary size after byte-pair encoding (0: no byte-pair encoding).",
        words="0 or above the vocabulary size without merges",
        check=lambda size: size >= 0,
    )
    extra: dict[str, Any] = setting(
        {}, "Further options of MidiTok's TokenizerConfig, such as {use_chords = true}."
    )

    def __post_init__(self) -> None:
        check_settings(self, "remi")
        allowed = "a range with a metronome mark, such as [40, 200]"
        require(bool(self.tempo_values), "remi", "tempo_range", self.tempo_range, allowed)
        different = len(set(self.tempo_values)) == len(self.tempo_values)
        allowed = f"a range with {self.num_tempos} different tempos, to two decimal places"
        require(different, "remi", "tempo_range", self.tempo_range, allowed)
        divides = _finest(self.beat_res) % _finest(self.rest_res) == 0
        allowed = f"of a finest resolution that divides {_finest(self.beat_res)}, that of beat_res"
        require(divides, "remi", "rest_res", self.rest_res, allowed)
        if self.bpe and not self.extra:  # with `extra` only MidiTok knows the vocabulary
            size = len(token_names(self))
            allowed = f"above {size}, the vocabulary size without merges, or 0"
            require(self.bpe > size, "remi", "bpe", self.bpe, allowed)

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
