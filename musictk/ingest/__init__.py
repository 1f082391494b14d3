"""Add files to the catalog, and encode its pieces into shards."""

from musictk.ingest.collect import IngestListener, IngestOptions, ingest
from musictk.ingest.encode import learn, tokenize
from musictk.ingest.load import load_piece, read_piece
from musictk.ingest.preview import Preview, preview_names
from musictk.ingest.report import IngestReport

__all__ = [
    "IngestListener",
    "IngestOptions",
    "IngestReport",
    "Preview",
    "ingest",
    "learn",
    "load_piece",
    "preview_names",
    "read_piece",
    "tokenize",
]
