"""The catalog of music files and of everything made from them. The only package that uses SQL."""

from musictk.catalog.catalog import Catalog
from musictk.catalog.columns import unreadable
from musictk.catalog.models import (
    Checkpoint,
    Composer,
    Export,
    File,
    Run,
    Sample,
    ShardRow,
    TokenizerRow,
)
from musictk.catalog.names import fold, load_path, store_path
from musictk.catalog.records import SPLITS, ExaminedFile, FileSketch, KnownLocation, PieceInfo
from musictk.catalog.shards import SpanInfo
from musictk.catalog.splits import Fractions

__all__ = [
    "SPLITS",
    "Catalog",
    "Checkpoint",
    "Composer",
    "ExaminedFile",
    "Export",
    "File",
    "FileSketch",
    "Fractions",
    "KnownLocation",
    "PieceInfo",
    "Run",
    "Sample",
    "ShardRow",
    "SpanInfo",
    "TokenizerRow",
    "fold",
    "load_path",
    "store_path",
    "unreadable",
]
