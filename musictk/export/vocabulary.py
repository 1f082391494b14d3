"""`vocabulary.json`: the meaning of a model's ids, for programs without musictk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from musictk.errors import MusictkError
from musictk.files import write_bytes
from musictk.model.conditions import Conditions
from musictk.model.manifest import Manifest
from musictk.tokens import Frames, Tokenizer

VOCABULARY = "vocabulary.json"
FORMAT = 1
_ROWS = ("tokens", "columns")  # written with one token on each line


def describe_vocabulary(manifest: Manifest) -> dict[str, Any]:
    """The content of `vocabulary.json`; docs/onnx.md explains each key.

    If the tokenizer is not installed or now decodes differently, `tokens` (of frames: `columns`)
    is None.
    """
    space = manifest.space
    try:
        rows = _rows(manifest.make_tokenizer())
    except MusictkError:
        rows = None
    named: dict[str, Any] = (
        {"kind": "frames", "width": space.width, "columns": rows}
        if isinstance(space, Frames)
        else {
            "kind": "tokens",
            "size": space.size,
            "special": {"pad": space.pad, "bos": space.bos, "eos": space.eos},
            "tokens": rows,
        }
    )
    return {
        "format": FORMAT,
        "tokenizer": manifest.tokenizer,
        "config": dict(manifest.tokenizer_config),
        "conditions": _conditions(manifest.conditions),
        **named,
    }


def write_vocabulary(manifest: Manifest, directory: Path) -> None:
    """Write `vocabulary.json` into `directory`."""
    value = describe_vocabulary(manifest)
    lines = [f" {_json(key)}: {_value(key, each)}" for key, each in value.items()]
    write_bytes(directory / VOCABULARY, ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8"))


def _rows(tokenizer: Tokenizer) -> list[dict[str, Any]]:
    """The name, the attributes and the parts of each token (of frames: of each column)."""
    rows: list[dict[str, Any]] = [
        {"id": index, "name": name} for index, name in enumerate(tokenizer.names())
    ]
    for name, attribute in tokenizer.attributes().items():
        for index in np.flatnonzero(attribute.stated).tolist():
            values = np.flatnonzero(attribute.states[index]).tolist()
            stated = rows[index].setdefault("attributes", {})
            stated[name] = [attribute.values[value] for value in values]
    for index, parts in tokenizer.parts().items():
        rows[index]["parts"] = list(parts)
    return rows


def _conditions(conditions: Conditions) -> dict[str, dict[str, int]]:
    """The row of each label in the condition table of its category, in the order of the tables.

    "" is unconditional. Labels that share the row of OTHER are included.
    """
    return {
        category: {label: index for index, label in enumerate(labels)}
        | dict.fromkeys(conditions.folded.get(category, ()), 1)
        for category, labels in conditions.labels.items()
    }


def _value(key: str, value: Any) -> str:
    if key not in _ROWS or value is None:
        return _json(value)
    return "[\n  " + ",\n  ".join(map(_json, value)) + "\n ]"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
