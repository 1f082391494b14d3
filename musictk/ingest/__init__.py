"""Add files to the catalog, and encode its pieces into shards."""

from musictk.ingest.collect import IngestListener, IngestOptions, IngestReport, ingest
from musictk.ingest.encode import learn, tokenize
from musictk.ingest.load import load_piece, read_piece
from musictk.ingest.name_report import NameReport
from musictk.ingest.preview import Preview, preview

__all__ = [
    "IngestListener",
    "IngestOptions",
    "IngestReport",
    "NameReport",
    "Preview",
    "ingest",
    "learn",
    "load_piece",
    "preview",
    "read_piece",
    "tokenize",
]
