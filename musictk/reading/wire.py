"""The protocol between the main process and its workers: JSON messages with raw bytes attached."""

from __future__ import annotations

import json
import struct
from typing import IO, Any

_HEAD = struct.Struct("<II")
WorkerMessage = tuple[dict[str, Any], bytes]


def send(stream: IO[bytes], value: dict[str, Any], blob: bytes = b"") -> None:
    """Write one message."""
    text = json.dumps(value).encode()
    stream.write(_HEAD.pack(len(text), len(blob)) + text)
    stream.write(blob)
    stream.flush()


def receive(stream: IO[bytes]) -> WorkerMessage | None:
    """Read one message; None at the end of the stream."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    text, blob = _HEAD.unpack(head)
    body = stream.read(text + blob)
    if len(body) < text + blob:
        return None
    return json.loads(body[:text]), body[text:]
