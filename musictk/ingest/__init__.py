"""From files on disk to pieces in the catalog, and from pieces to shards."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musictk.ingest.collect import IngestReport, Listener, Options, ingest
    from musictk.ingest.encode import learn, tokenize
    from musictk.ingest.limits import Limits
    from musictk.ingest.load import load_piece, read_piece
    from musictk.ingest.reasons import Reason, RejectedError

# Loaded when asked for: a worker process lives in this package too, and needs no catalog.
_HOMES = {
    "IngestReport": "collect",
    "Limits": "limits",
    "Listener": "collect",
    "Options": "collect",
    "Reason": "reasons",
    "RejectedError": "reasons",
    "ingest": "collect",
    "learn": "encode",
    "load_piece": "load",
    "read_piece": "load",
    "tokenize": "encode",
}

__all__ = [
    "IngestReport",
    "Limits",
    "Listener",
    "Options",
    "Reason",
    "RejectedError",
    "ingest",
    "learn",
    "load_piece",
    "read_piece",
    "tokenize",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
