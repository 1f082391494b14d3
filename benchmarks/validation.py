"""The validation pieces of a workspace, as a model's tokenizer encodes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musictk.catalog import Catalog
from musictk.jobs.corpus import Corpus
from musictk.tokens import Tokenizer
from musictk.workspace import here


def validation_pieces(folder: Path, tokenizer: Tokenizer) -> list[NDArray[Any]]:
    """The sequences of the validation pieces in this workspace; they are encoded if need be."""
    workspace = here(folder)
    with Catalog.open(workspace.catalog_url, workspace.root) as catalog:
        shard = Corpus(catalog, workspace).shard(tokenizer, "valid")
    return [shard.piece(index) for index in np.flatnonzero(shard.lengths).tolist()]
