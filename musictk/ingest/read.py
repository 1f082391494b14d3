"""Bytes to music, behind every check. The one way in: ingest and `load_piece` both take it."""

from __future__ import annotations

from dataclasses import dataclass

from symusic import Score
from symusic.core import ScoreTick

from musictk.ingest.limits import Limits
from musictk.ingest.reasons import Reason, RejectedError
from musictk.ingest.repair import rebuild
from musictk.ingest.smf import check_ticks, read_layout


@dataclass(frozen=True)
class Music:
    """A piece as it was read, and what was put right on the way."""

    score: ScoreTick
    repair: str | None


def read_midi(data: bytes, limits: Limits) -> Music:
    """Check, repair in memory where needed, and parse. Raises RejectedError.

    Sound files go to the parser as they are; what it refuses, or finds no note in, is written anew
    from our own reading of it.
    """
    if len(data) > limits.size:
        raise RejectedError(Reason.TOO_LARGE, f"{len(data)} bytes")
    layout = read_layout(data, limits)
    check_ticks(data, layout, limits)
    if not layout.notes:
        try:
            score = _parse(data)
        except RejectedError:
            pass
        else:
            if score.note_num():
                return Music(score, None)
    score = _parse(rebuild(data, layout, limits, close_notes=True))
    if not score.note_num():
        raise RejectedError(Reason.NO_NOTES, f"{len(layout.tracks)} tracks without a note")
    return Music(score, "; ".join(dict.fromkeys(layout.notes)) or None)


def read_text(data: bytes, limits: Limits) -> str:
    """UTF-8 text, without a byte order mark, lines ended by one newline. Raises RejectedError."""
    if len(data) > limits.text:
        raise RejectedError(Reason.TOO_LARGE, f"{len(data)} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RejectedError(Reason.NOT_TEXT, f"byte {error.start} is not UTF-8") from error
    if "\0" in text:
        raise RejectedError(Reason.NOT_TEXT, "holds NUL bytes")
    if not text.strip():
        raise RejectedError(
            Reason.EMPTY if not data else Reason.NOT_TEXT, "nothing but white space"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _parse(data: bytes) -> ScoreTick:
    try:
        score: ScoreTick = Score.from_midi(data)  # type: ignore[assignment]
        return score
    except MemoryError:
        raise
    except Exception as error:
        # The parser raises many types and quotes raw bytes: keep the first printable line.
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RejectedError(Reason.PARSER, line[:200]) from error
