"""From a folder of files to pieces in the catalog, and from pieces to shards."""

from musictk.ingest.collect import IngestListener, IngestOptions, IngestReport, ingest
from musictk.ingest.encode import learn, tokenize
from musictk.ingest.load import load_piece, read_piece

__all__ = [
    "IngestListener",
    "IngestOptions",
    "IngestReport",
    "ingest",
    "learn",
    "load_piece",
    "read_piece",
    "tokenize",
]
