"""Why a file is not accepted."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The reject code stored in the catalog."""

    UNREADABLE = "unreadable"  # the operating system cannot read it
    EMPTY = "empty"  # no bytes
    TOO_LARGE = "too_large"  # more bytes than Limits.size
    NOT_MIDI = "not_midi"  # no MIDI header
    MIDI2 = "midi2"  # a MIDI 2.0 clip file
    BAD_HEADER = "bad_header"  # an unusable MThd chunk
    BAD_DIVISION = "bad_division"  # zero ticks per quarter
    TRUNCATED = "truncated"  # the file ends inside a track
    CORRUPT = "corrupt"  # bytes that are not a MIDI event
    NO_NOTES = "no_notes"  # valid file with no notes
    TOO_LONG = "too_long"  # more ticks than fit into 31 bits
    TOO_MANY_EVENTS = "too_many_events"
    TOO_MANY_TRACKS = "too_many_tracks"
    TOO_MANY_BARS = "too_many_bars"
    TOO_MANY_TOKENS = "too_many_tokens"
    NOT_TEXT = "not_text"  # a text file that is not UTF-8, or is blank
    NOT_ABC = "not_abc"  # an ABC file without a tune
    PARSER = "parser"  # valid, but refused by a library (older versions)
    TIMEOUT = "timeout"  # stopped after Limits.seconds
    MEMORY = "memory"  # the worker needed more than Limits.memory
    WORKER_DIED = "worker_died"  # the worker process died on this file
    BAD_ARCHIVE = "bad_archive"  # not a readable zip or tar file
    ARCHIVE_LIMIT = "archive_limit"  # too many members, or too much to unpack
    ENCRYPTED = "encrypted"  # a zip member with a password


class RejectedError(ValueError):
    """A file is not accepted. `missing` is the number of missing bytes if it is truncated."""

    def __init__(self, reason: Reason, detail: str = "", missing: int = 0) -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason, self.detail, self.missing = reason, detail, missing
