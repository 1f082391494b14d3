"""Add files to the catalog, and encode its pieces into shards."""

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
