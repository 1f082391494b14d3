"""Read music from untrusted bytes, and extract facts about it. Independent of the catalog."""

from musictk.reading.limits import Limits
from musictk.reading.read import ParsedMidi, read_midi, read_text
from musictk.reading.reasons import Reason, RejectedError

__all__ = [
    "Limits",
    "ParsedMidi",
    "Reason",
    "RejectedError",
    "read_midi",
    "read_text",
]
