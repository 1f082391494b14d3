"""Write a matplotlib figure as PNG, SVG or PDF, by the suffix of the path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from musictk.errors import UsageError
from musictk.files import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Format by suffix, with the metadata that keeps equal pictures equal bytes.
FORMATS: dict[str, dict[str, Any]] = {
    ".png": {},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}


def require_format(path: Path) -> None:
    """Raise UsageError for a suffix that is no picture format."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(
            f"unknown picture format {path.suffix!r} of {path}",
            f"choose from: {', '.join(FORMATS)}",
        )


def save(figure: Figure, path: Path) -> None:
    """Write the figure atomically. Raises UsageError as `require_format` does."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    require_format(path)
    suffix = path.suffix.lower()
    FigureCanvasAgg(figure)
    with atomic(path) as temporary, matplotlib.rc_context({"svg.hashsalt": "musictk"}):
        figure.savefig(temporary, format=suffix[1:], metadata=FORMATS[suffix])
