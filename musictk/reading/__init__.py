"""From untrusted bytes to music and facts about it. Knows no catalog."""

from musictk.reading.limits import Limits
from musictk.reading.read import read_midi, read_text
from musictk.reading.reasons import Reason, RejectedError

__all__ = [
    "Limits",
    "Reason",
    "RejectedError",
    "read_midi",
    "read_text",
]
