"""What long jobs report their progress to."""

from __future__ import annotations

from collections.abc import Callable

OnProgress = Callable[[float, float], None]  # how much is done, of how much
OnRunProgress = Callable[[float, float, str], None]  # and of which run
