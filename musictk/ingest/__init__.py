"""Add files to the catalog, and encode its pieces into shards."""

from musictk.ingest.collect import IngestListener, IngestOptions, ingest
from musictk.ingest.encode import learn, tokenize
from musictk.ingest.load import PieceLoader
from musictk.ingest.preview import Preview, preview_names
from musictk.ingest.report import IngestReport

__all__ = [
    "IngestListener",
    "IngestOptions",
    "IngestReport",
    "PieceLoader",
    "Preview",
    "ingest",
    "learn",
    "preview_names",
    "tokenize",
]
