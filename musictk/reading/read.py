"""Bytes to music, with all checks; used by ingest and `PieceLoader`."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from symusic.core import ScoreTick

from musictk.reading.events import read_events
from musictk.reading.limits import Limits
from musictk.reading.messages import channel_messages
from musictk.reading.percussion import drum_channels
from musictk.reading.reasons import Reason, RejectedError
from musictk.reading.score import to_score

# What has letters that are no notes: fields, comments, chord names, decorations, inline fields.
_NO_NOTE = re.compile(
    r"^[A-Za-z+]:(?!\|).*$|%.*$|\"[^\"\n]*\"|![^!|\n]*!|\[[A-Za-z]:[^\]\n]*\]", re.MULTILINE
)


@dataclass(frozen=True)
class ParsedMidi:
    """The music of a MIDI file, and a description of repairs."""

    score: ScoreTick
    repair: str | None


def read_midi(data: bytes, limits: Limits) -> ParsedMidi:
    """Read a MIDI file. Raises RejectedError where it is not accepted.

    Only the parser of this package sees the untrusted bytes.
    """
    score, repairs = to_score(read_events(data, limits))
    return ParsedMidi(score, "; ".join(repairs) or None)


def read_drum_channels(data: bytes, limits: Limits) -> frozenset[int]:
    """The drum channels of a MIDI file, from 0: channel 10, unless it sets others.

    Of files with several ports those of the first. Raises RejectedError as `read_midi`.
    """
    events = read_events(data, limits)
    messages = channel_messages(events, np.zeros(len(events.ends), np.int64))
    return frozenset(each for each in drum_channels(events.specials, messages) if each < 16)


def read_text(data: bytes, limits: Limits) -> str:
    """Decode UTF-8 text, without byte order mark and with LF line ends. Raises RejectedError."""
    if len(data) > limits.text:
        raise RejectedError(Reason.TOO_LARGE, f"{len(data)} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RejectedError(Reason.NOT_TEXT, f"byte {error.start} is not UTF-8") from error
    if "\0" in text:
        raise RejectedError(Reason.NOT_TEXT, "contains NUL bytes")
    if not text.strip():
        raise RejectedError(Reason.EMPTY if not data else Reason.NOT_TEXT, "only white space")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def split_tunes(text: str) -> list[str]:
    """The tunes of an ABC text, each from its line "X:" on."""
    return re.split(r"(?m)^(?=X:)", text)[1:]


def check_abc(text: str) -> None:
    """Raise RejectedError for ABC notation without a tune, or without a note."""
    if not split_tunes(text):
        raise RejectedError(Reason.NOT_ABC, "no line begins with X:")
    if not re.search("[A-Ga-g]", _NO_NOTE.sub("", text)):
        raise RejectedError(Reason.NO_NOTES)
