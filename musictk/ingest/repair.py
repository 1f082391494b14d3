"""Odd but legal (or nearly legal) files, written anew in memory as bytes the parser accepts."""

from __future__ import annotations

import struct

from musictk.ingest.limits import Limits
from musictk.ingest.reasons import Reason, RejectedError
from musictk.ingest.smf import Layout, Track, check_track, read_track

SLACK = 16  # bytes that may be missing at the end of a track before it counts as truncated
_END = b"\x00\xff\x2f\x00"
_TEMPO = b"\xff\x51"


def rebuild(data: bytes, layout: Layout, limits: Limits, close_notes: bool = False) -> bytes:
    """The same music as a plain format 0/1/2 file; what was overlooked joins `layout.notes`.

    With `close_notes`, a note that never ends does so at the end of its track. Raises RejectedError
    where an event is corrupt, or more than a few bytes are missing.
    """
    tracks, count = [], 0
    for start, stop, missing in layout.tracks:
        track = read_track(data, start, stop)
        if track.fault is not None or not track.ended:
            _forgive(track, missing, layout)
        count += len(track.events)
        check_track(track, count, limits)
        layout.notes += sorted(set(track.notes))
        tracks.append(track)
    quarter, timed = _quarter(layout.division)
    chunks = [_chunk(track, layout, close_notes, timed) for track in tracks]
    kind = layout.format if layout.format <= 2 and len(chunks) > 1 else 1
    head = struct.pack(">4sIHHH", b"MThd", 6, kind or 1, len(chunks), quarter)
    return head + b"".join(chunks)


def _forgive(track: Track, missing: int, layout: Layout) -> None:
    """Overlook a track that lacks its last few bytes; raise what is wrong with any other."""
    fault = track.fault
    if fault is not None and fault.reason is not Reason.TRUNCATED:
        raise fault
    missing = max(missing, fault.missing if fault else 0)
    if missing > SLACK:
        raise RejectedError(Reason.TRUNCATED, f"ends {missing} bytes too early")
    if missing:
        layout.notes.append(f"ends {missing} bytes too early")


def _quarter(division: int) -> tuple[int, bool]:
    """Ticks per quarter, and whether they count real time.

    SMPTE ticks last `1 / (frames · subdivisions)` seconds: at 120 quarters a minute half a second's
    worth of them is a quarter. 29.97 drop-frame is taken as 30: a thousandth slower than written.
    """
    if not division & 0x8000:
        return division, False
    frames, parts = 256 - (division >> 8), division & 0xFF
    per_second = (30 if frames == 29 else frames) * parts
    if per_second % 2:  # PAL's 25 with an odd subdivision: make room for the half
        raise RejectedError(Reason.BAD_DIVISION, f"SMPTE {frames} × {parts}")
    return min(per_second // 2, 0x7FFF), True


def _chunk(track: Track, layout: Layout, close_notes: bool, timed: bool) -> bytes:
    events = [(tick, event) for tick, event in track.events if not (timed and event[:2] == _TEMPO)]
    if close_notes:
        open_notes = _unended(events)
        if open_notes:
            layout.notes.append(f"{len(open_notes)} notes never end")
        events += [
            (track.ticks, bytes((0x80 | channel, pitch, 0))) for channel, pitch in open_notes
        ]
    parts, before = [], 0
    for tick, event in events:
        parts += [_vlq(tick - before), event]
        before = tick
    body = b"".join(parts) + _vlq(max(0, track.ticks - before)) + _END[1:]
    return b"MTrk" + struct.pack(">I", len(body)) + body


def _unended(events: list[tuple[int, bytes]]) -> list[tuple[int, int]]:
    sounding: dict[tuple[int, int], int] = {}
    for _, event in events:
        if event[0] & 0xE0 != 0x80:
            continue
        note = event[0] & 0xF, event[1]
        starts = event[0] >= 0x90 and event[2] > 0
        sounding[note] = max(0, sounding.get(note, 0) + (1 if starts else -1))
    return [note for note, count in sounding.items() for _ in range(count)]


def _vlq(value: int) -> bytes:
    parts = [value & 0x7F]
    while value := value >> 7:
        parts.append(value & 0x7F | 0x80)
    return bytes(reversed(parts))
