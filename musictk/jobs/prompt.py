"""The prompt of `sample`: read, encoded, and stored for `sample --like`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.errors import MusictkError, UsageError
from musictk.files import write_bytes
from musictk.generation.chosen_controls import ChosenControl
from musictk.generation.dropped_prompt import dropped_prompt
from musictk.generation.ending import key_of_given
from musictk.generation.metres import STEADY, last_metre
from musictk.generation.prompts import EncodedPrompt, encode_prompt, last_positions
from musictk.generation.request import PieceRequest
from musictk.generation.returning_bars import GivenTheme
from musictk.jobs.named_music import NamedMusic
from musictk.jobs.samples import SampleListener
from musictk.music import bars, in_effect, steady_tempo, tempo_at
from musictk.reading.limits import Limits
from musictk.reading.read import read_midi
from musictk.rendering.abc import abc_to_midi, abc_to_score
from musictk.rendering.continuation import JoinPoint
from musictk.tokens import METRE, Tokenizer
from musictk.workspace import Workspace

Controls = tuple[ChosenControl, ...]


@dataclass(frozen=True)
class PromptMusic:
    """The music of a prompt, as bytes of a MIDI file, and the bar line where new bars begin."""

    data: bytes
    place: JoinPoint
    tempo: int  # microseconds per quarter note, of the new bars
    key: tuple[int, int] | None  # sharps and mode, at `place`
    instruments: bool  # whether the model distinguishes the file's instruments
    limit: int = 0  # duration of the new bars in ticks of the file; 0: as the model wrote them
    # As the user chose them, for bars of the file; None: those of the request, which has the same
    # bars.
    controls: Controls | None = None

    @property
    def bars(self) -> int:
        """The bars of the music, up to `place`."""
        return len(bars(self.as_theme.score, least=self.place.tick)) - 1

    @cached_property
    def tempo_before(self) -> int:
        """The tempo of the file at `place`, in microseconds per quarter note."""
        return tempo_at(self.as_theme.score, self.place.tick)

    @cached_property
    def as_theme(self) -> GivenTheme:
        """The music, where it is the theme of a form."""
        return GivenTheme(read_midi(self.data, Limits()).score, self.place.tick, self.tempo)

    def store(self, workspace: Workspace) -> dict[str, Any]:
        """Copy the file into the workspace, once; the values for a sample's row."""
        return {
            **store_copy(workspace, self.data),
            "tick": self.place.tick,
            "quarter": self.place.quarter,
            "metre": list(self.place.metre),
            "tempo": self.tempo,
            "key": None if self.key is None else list(self.key),
            "instruments": self.instruments,
            "most": self.limit,
            "controls": None if self.controls is None else [list(each) for each in self.controls],
        }

    @staticmethod
    def read(workspace: Workspace, stored: Mapping[str, Any]) -> PromptMusic:
        """The inverse of `store`. Raises MusictkError if the copy is missing or has changed."""
        data = read_copy(workspace, stored, "continues", "--prompt")
        over, under = stored["metre"]
        place = JoinPoint(int(stored["tick"]), int(stored["quarter"]), (int(over), int(under)))
        key = None if stored["key"] is None else (int(stored["key"][0]), int(stored["key"][1]))
        instruments, limit = bool(stored["instruments"]), int(stored["most"])
        tempo, controls = int(stored["tempo"]), stored_controls(stored)
        return PromptMusic(data, place, tempo, key, instruments, limit, controls)


def stored_controls(stored: Mapping[str, Any]) -> Controls | None:
    """The `controls` of stored music; earlier rows of the catalog have none."""
    chosen = stored.get("controls")
    return None if chosen is None else tuple(ChosenControl(*each) for each in chosen)


def store_copy(workspace: Workspace, data: bytes) -> dict[str, Any]:
    """Copy a file of the user into the workspace, once; its path and digest."""
    digest = hashlib.sha256(data).hexdigest()
    path = workspace.prompts / f"{digest[:16]}.mid"
    if not path.exists():
        write_bytes(path, data)
    return {"path": workspace.relative(path), "sha256": digest}


def read_copy(workspace: Workspace, stored: Mapping[str, Any], verb: str, option: str) -> bytes:
    """The inverse of `store_copy`. Raises MusictkError if the copy is missing or has changed."""
    path = workspace.resolve(str(stored["path"]))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MusictkError(
            f"cannot read {path}, the music that the sample {verb}: {error.strerror}",
            f"restore it, or sample again with {option}",
        ) from error
    if hashlib.sha256(data).hexdigest() != stored["sha256"]:
        raise MusictkError(
            f"{path} has changed: it is no longer the music that the sample {verb}",
            f"restore the file, or sample again with {option}",
        )
    return data


@dataclass(frozen=True)
class Prompt:
    """The beginning of a composition."""

    sequence: NDArray[Any]  # the part that the model is given
    music: PromptMusic | None = None  # None: text, which is written as `sequence` decodes
    whole: bool = True  # it ends at a bar line
    left_out: int = 0  # positions before that part
    metre: str = ""  # in force at its end
    written: str = ""  # the metre of the model's last bar of it; "" where tokens state none
    late: bool = False  # whether that metre begins there, after its last bar
    ratio: Fraction = Fraction(1)  # bars of the model that last as long as one of the music
    dropped: tuple[str, ...] = ()  # what the model cannot represent of the music
    bars: int = 0  # of the music
    ends_in: str = ""  # the key in which new bars should end; "": that of all the music

    def for_bars(self, bars: int, controls: Controls) -> PromptMusic | None:
        """The music, with `bars` new bars (0: any number) limited to the length of its bars.

        `controls` are those that were chosen for them.
        """
        if self.music is None or self.ratio == 1:
            return self.music
        (over, under), quarter = self.music.place.metre, self.music.place.quarter
        return replace(self.music, limit=bars * 4 * quarter * over // under, controls=controls)


def read_prompt(tokenizer: Tokenizer, given: NamedMusic, most: int = 0) -> Prompt:
    """The music as a prompt, of which the model is given the last `most` positions (0: all).

    ABC notation is converted to music for a model of music. Raises MusictkError for a file that
    cannot be used.
    """
    piece, data = given.piece, given.data
    if isinstance(piece, str) and "midi" in tokenizer.reads:
        data, piece = abc_to_midi(piece), abc_to_score(piece)
    try:
        if isinstance(piece, str):
            return _text(tokenizer, piece, most)
        encoded = encode_prompt(tokenizer, piece)
    except ValueError as error:
        hint = f"this model reads {' or '.join(sorted(tokenizer.reads))}"
        if "midi" in tokenizer.reads:
            hint = "choose another file, or a run that can represent it (--run)"
        raise UsageError(f"cannot continue {given.path}: {error}", hint) from error
    music = _music(data, piece, encoded)
    sequence = last_positions(tokenizer, encoded.sequence, most)
    return Prompt(
        sequence,
        music,
        left_out=len(encoded.sequence) - len(sequence),
        metre="{}/{}".format(*music.place.metre),
        written=last_metre(tokenizer, sequence),
        late=_changes_metre(piece, music.place),
        ratio=_ratio(tokenizer, music.place.metre, encoded),
        dropped=tuple(dropped_prompt(tokenizer, piece, encoded.music)),
        bars=len(bars(piece, least=encoded.start)) - 1,
        ends_in=key_of_given(piece, whole=False),
    )


def _text(tokenizer: Tokenizer, text: str, most: int) -> Prompt:
    """The text; an ABC tune without a bar line at its end gets one."""
    lines = text.rstrip().splitlines()
    inside = "abc" in tokenizer.reads and text.startswith("X:") and lines
    if inside and lines[-1][1:2] != ":" and not lines[-1].rstrip().endswith(("|", "]", ":")):
        text = text.rstrip() + "|\n"
    whole = tokenizer.encode(text)
    sequence = last_positions(tokenizer, whole, most)
    return Prompt(sequence, left_out=len(whole) - len(sequence))


def _music(data: bytes, score: ScoreTick, encoded: EncodedPrompt) -> PromptMusic:
    start = encoded.start
    key = in_effect(score.key_signatures, start)
    metre = _metre_at(score, start)
    two_bars = 8 * score.ticks_per_quarter * metre[0] // metre[1]
    return PromptMusic(
        data,
        JoinPoint(start, score.ticks_per_quarter, metre),
        steady_tempo(score, start, two_bars),
        None if key is None else (int(key.key), int(key.tonality)),
        same_instruments(score, encoded.music),
    )


def _changes_metre(score: ScoreTick, place: JoinPoint) -> bool:
    """Whether another metre is in force from the join on than before it."""
    return _metre_at(score, place.tick - 1) != place.metre


def _metre_at(score: ScoreTick, tick: int) -> tuple[int, int]:
    """The metre in force at a tick."""
    sign = in_effect(score.time_signatures, tick)
    return (4, 4) if sign is None else (int(sign.numerator), int(sign.denominator))


def _ratio(tokenizer: Tokenizer, metre: tuple[int, int], encoded: EncodedPrompt) -> Fraction:
    """The bars of the model per bar of the music; 1 if the tokenizer encodes the metre."""
    signs = encoded.music.time_signatures
    if METRE in tokenizer.attributes() or not len(signs):
        return Fraction(1)
    return Fraction(*metre) / Fraction(signs[-1].numerator, signs[-1].denominator)


def same_instruments(given: ScoreTick, encoded: ScoreTick) -> bool:
    """Whether the encoding of music distinguishes its instruments."""
    return _programs(given) == _programs(encoded)


def _programs(score: ScoreTick) -> set[int]:
    return {
        -1 if track.is_drum else int(track.program) for track in score.tracks if len(track.notes)
    } - {-1}


def announce_prompt(
    prompt: Prompt | None, request: PieceRequest, most: int, listener: SampleListener | None
) -> None:
    """Notices before composing, about what the model cannot represent or see of the prompt."""
    if prompt is None or listener is None:
        return
    given = "theme" if request.theme else "prompt"
    if prompt.dropped:
        listener.notice(
            f"the model cannot represent {', '.join(prompt.dropped)} of the {given};"
            f" the {given} itself is written unchanged"
        )
    used = len(prompt.sequence)
    if used >= most:
        listener.notice(
            f"the {given} has {used:,} positions and the model's context {most:,}:"
            " it uses the last bars"
        )
    if prompt.left_out:
        listener.notice(
            f"uses the last {used:,} of the prompt's {used + prompt.left_out:,} positions;"
            " --prompt-tokens 0 uses all"
        )
    if other := _other_metre(prompt, request):
        listener.notice(f"the {given} is in {prompt.metre}, the new bars are in {other}")


def _other_metre(prompt: Prompt, request: PieceRequest) -> str:
    """The metre of the new bars, where it is known and not that of the prompt; else ""."""
    metre = request.sampling.metre
    if "/" in metre:
        return metre if prompt.metre and metre != prompt.metre else ""
    chosen = prompt.late or any(one.name == METRE for one in request.controls)
    if chosen or metre != STEADY or not prompt.written:
        return ""
    return prompt.written if Fraction(prompt.written) != Fraction(prompt.metre) else ""
