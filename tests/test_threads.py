"""How idle threads wait: chosen before torch is imported, unless the user chose it."""

from __future__ import annotations

import os

import pytest

from musictk.threads import PASSIVE, wait_passively


@pytest.mark.parametrize("given", [None, *PASSIVE])
def test_values_of_the_user_stay(monkeypatch: pytest.MonkeyPatch, given: str | None) -> None:
    for name in PASSIVE:
        monkeypatch.setenv(name, "x")  # so that each is restored afterwards
        monkeypatch.delenv(name)
    if given is not None:
        monkeypatch.setenv(given, "7")
    wait_passively()
    found = {name: os.environ[name] for name in PASSIVE if name in os.environ}
    assert found == (dict(PASSIVE) if given is None else {given: "7"})
