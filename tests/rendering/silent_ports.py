"""A mido backend with one port, which keeps what it is sent."""

from __future__ import annotations

from typing import Any

from mido.ports import BaseOutput

SENT: list[Any] = []


class Output(BaseOutput):  # type: ignore[misc]
    def _send(self, message: Any) -> None:
        SENT.append(message)


def get_devices(**_: Any) -> list[dict[str, Any]]:
    return [{"name": "Silent", "is_input": False, "is_output": True}]
