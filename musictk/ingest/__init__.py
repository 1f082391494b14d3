"""From files on disk to pieces in the catalog, and from pieces to shards."""

from musictk.ingest.ingest import IngestReport, Listener, Options, ingest
from musictk.ingest.limits import Limits
from musictk.ingest.load import load_piece, read_piece
from musictk.ingest.reasons import Reason, RejectedError
from musictk.ingest.tokenize import learn, tokenize

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
