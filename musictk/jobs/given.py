"""A user's own music that a model is to continue: read, heard, kept for `sample --like`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.errors import MusictkError, UsageError
from musictk.files import write_bytes
from musictk.generation.dropped_prompt import dropped_prompt
from musictk.generation.prompts import EncodedPrompt, encode_prompt, last_positions
from musictk.ingest import read_piece
from musictk.music import bars
from musictk.rendering.abc import abc_to_midi, abc_to_score
from musictk.rendering.continuation import JoinPoint
from musictk.tokens import METRE, Tokenizer
from musictk.workspace import Workspace


@dataclass(frozen=True)
class Given:
    """The music of a file, as bytes of a MIDI file, and the bar line where new bars begin."""

    data: bytes
    place: JoinPoint
    tempo: int  # microseconds per quarter note, in force there
    key: tuple[int, int] | None  # sharps and mode, in force there
    instruments: bool  # whether the model tells the file's instruments apart
    most: int = 0  # ticks of the file that the new bars last, where the model's are longer; or 0

    def kept(self, workspace: Workspace) -> dict[str, Any]:
        """What a sample's row holds of it. The file itself is copied into the workspace once."""
        digest = hashlib.sha256(self.data).hexdigest()
        path = workspace.prompts / f"{digest[:16]}.mid"
        if not path.exists():
            write_bytes(path, self.data)
        return {
            "path": workspace.relative(path),
            "sha256": digest,
            "tick": self.place.tick,
            "quarter": self.place.quarter,
            "metre": list(self.place.metre),
            "tempo": self.tempo,
            "key": None if self.key is None else list(self.key),
            "instruments": self.instruments,
            "most": self.most,
        }

    @staticmethod
    def read(workspace: Workspace, kept: Mapping[str, Any]) -> Given:
        """The inverse of `kept`. Raises MusictkError where the copy is gone or has changed."""
        path = workspace.resolve(str(kept["path"]))
        try:
            data = path.read_bytes()
        except OSError as error:
            raise MusictkError(
                f"cannot read {path}, the music that the sample continues: {error.strerror}",
                "put it back, or sample again with --prompt",
            ) from error
        if hashlib.sha256(data).hexdigest() != kept["sha256"]:
            raise MusictkError(
                f"{path} is not the music any more that the sample continues",
                "put the file back as it was, or sample again with --prompt",
            )
        over, under = kept["metre"]
        place = JoinPoint(int(kept["tick"]), int(kept["quarter"]), (int(over), int(under)))
        key = None if kept["key"] is None else (int(kept["key"][0]), int(kept["key"][1]))
        instruments, most = bool(kept["instruments"]), int(kept["most"])
        return Given(data, place, int(kept["tempo"]), key, instruments, most)


@dataclass(frozen=True)
class Prompt:
    """What a composition begins with."""

    sequence: NDArray[Any]  # what the model hears of it
    given: Given | None = None  # None: text, which is written as it is heard
    whole: bool = True  # it ends at a bar line
    left_out: int = 0  # positions before those that are heard
    metre: str = ""  # of its last bar
    ratio: Fraction = Fraction(1)  # bars of the model that last as long as one of the music
    dropped: tuple[str, ...] = ()  # what of the music the model is not given, in words
    bars: int = 0  # of the music

    def for_bars(self, bars: int) -> Given | None:
        """The given music before `bars` new bars (0: as many as it takes), as long as its own."""
        if self.given is None or self.ratio == 1 or not bars:
            return self.given
        (over, under), quarter = self.given.place.metre, self.given.place.quarter
        return replace(self.given, most=bars * 4 * quarter * over // under)


def read_prompt(tokenizer: Tokenizer, path: Path, most: int = 0) -> Prompt:
    """The music in a file, of which the model hears the last `most` positions (0: all).

    ABC notation is music to a model of music. Raises MusictkError for a file that cannot be used.
    """
    piece = read_piece(path)
    if isinstance(piece, str) and "midi" in tokenizer.reads:
        data, piece = abc_to_midi(piece), abc_to_score(piece)
    else:
        data = path.read_bytes() if isinstance(piece, ScoreTick) and path.is_file() else b""
    try:
        if isinstance(piece, str):
            return _text(tokenizer, piece, most)
        encoded = encode_prompt(tokenizer, piece)
    except ValueError as error:
        kinds = " or ".join(sorted(tokenizer.reads))
        raise UsageError(f"cannot continue {path}: {error}", f"this model reads {kinds}") from error
    given = _given(data, piece, encoded)
    sequence = last_positions(tokenizer, encoded.sequence, most)
    return Prompt(
        sequence,
        given,
        left_out=len(encoded.sequence) - len(sequence),
        metre="{}/{}".format(*given.place.metre),
        ratio=_ratio(tokenizer, given.place.metre, encoded),
        dropped=tuple(dropped_prompt(piece, encoded.music)),
        bars=len(bars(piece, least=encoded.start)) - 1,
    )


def _text(tokenizer: Tokenizer, text: str, most: int) -> Prompt:
    """Text as it is; a tune whose last bar has no bar line gets one."""
    lines = text.rstrip().splitlines()
    inside = "abc" in tokenizer.reads and text.startswith("X:") and lines
    if inside and lines[-1][1:2] != ":" and not lines[-1].rstrip().endswith(("|", "]", ":")):
        text = text.rstrip() + "|\n"
    whole = tokenizer.encode(text)
    sequence = last_positions(tokenizer, whole, most)
    return Prompt(sequence, left_out=len(whole) - len(sequence))


def _given(data: bytes, score: ScoreTick, encoded: EncodedPrompt) -> Given:
    start = encoded.start
    sign = _in_force(score.time_signatures, start)
    tempo, key = _in_force(score.tempos, start), _in_force(score.key_signatures, start)
    metre = (4, 4) if sign is None else (int(sign.numerator), int(sign.denominator))
    return Given(
        data,
        JoinPoint(start, score.ticks_per_quarter, metre),
        500_000 if tempo is None else int(tempo.mspq),
        None if key is None else (int(key.key), int(key.tonality)),
        _programs(score) == _programs(encoded.music),
    )


def _ratio(tokenizer: Tokenizer, metre: tuple[int, int], encoded: EncodedPrompt) -> Fraction:
    """How long a bar of the music is in bars of the model, where no token says a metre."""
    signs = encoded.music.time_signatures
    if METRE in tokenizer.attributes() or not len(signs):
        return Fraction(1)
    return Fraction(*metre) / Fraction(signs[-1].numerator, signs[-1].denominator)


def _in_force(changes: Any, tick: int) -> Any:
    """The last change up to a tick; None before the first."""
    before = [change for change in changes if change.time <= tick]
    return max(before, key=lambda change: change.time) if before else None


def _programs(score: ScoreTick) -> set[int]:
    return {
        -1 if track.is_drum else int(track.program) for track in score.tracks if len(track.notes)
    } - {-1}
