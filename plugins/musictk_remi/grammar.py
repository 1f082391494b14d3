"""Which REMI tokens may follow: exactly the sequences that `encode` writes.

    piece     bar+ ; ends after a note
    bar       Bar [TimeSig] group* ; the second is not longer than the first
    group     Rest* Position [Tempo] note* ; positions ascend within a bar
    note      [Program] Pitch Velocity Duration ; programs, then pitches ascend within a group

With tempos the first group is at position 0 and has a tempo; a later tempo differs from the one
before. With rests, a silence of at least the shortest rest since the end of all that sounded (or
the bar line) is written as rests before the next position, the longest rest first.
"""

from __future__ import annotations

from functools import cached_property

from musictk.tokens import Grammar
from musictk_remi.parser import RemiParser
from musictk_remi.tables import Tables


class RemiGrammar(Tables, Grammar):
    """The rules of a vocabulary."""

    def parser(self) -> RemiParser:
        return RemiParser(self)

    @cached_property
    def fillers(self) -> frozenset[int]:
        """Rests: the position after them gives the time."""
        span = self.spans["Rest"]
        return frozenset(range(span.start, span.stop))
