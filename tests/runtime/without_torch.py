"""A script: load an ONNX bundle where torch cannot be imported, play some steps, decode them.

python without_torch.py BUNDLE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def play(directory: Path) -> dict[str, Any]:
    """Three rows, thirty greedy steps."""
    from musictk.plugin import registry
    from musictk.runtime import load

    runtime = load(directory)
    manifest = runtime.manifest
    tokenizer = manifest.make_tokenizer()
    ids = manifest.conditions.mixture({"composer": [("Bach", 1.0)]})
    condition = np.stack([runtime.condition(ids)] * 3)[:, None]
    session = runtime.begin(3, 64)
    logits = session.step(manifest.space.start(3), condition)
    rows = []
    for _ in range(30):
        chosen = logits[:, -1:].argmax(-1)
        rows.append(chosen)
        logits = session.step(chosen, condition)
    score = tokenizer.decode(np.concatenate(rows, 1)[0])
    return {
        "engine": runtime.name,
        "lengths": session.lengths.tolist(),
        "last": logits[:, -1].tolist(),
        "score": type(score).__name__,
        "samplers": [registry().load("sampler", o.name).name for o in registry().offers("sampler")],
    }


if __name__ == "__main__":
    sys.modules["torch"] = None  # type: ignore[assignment]  # every import of it now raises
    print(json.dumps(play(Path(sys.argv[1]))))
