"""Only spellings of one name fold to one key; any file name survives storing."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musictk.catalog import fold, load_path, store_path


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Bach", " bach "),
        ("Clara_Schumann", "clara  schumann"),
        ("Dvořák", "Dvořák"),  # NFC and NFD
        ("WEISS", "weiß"),
    ],
)
def test_spellings_of_one_name_fold_together(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Schumann", "Schumann_Clara"), ("Bach", "CPE_Bach"), ("Bach", "Beach"), ("Dvořák", "Dvorak")],
)
def test_similar_names_are_not_merged(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(st.text())
def test_folding_twice_changes_nothing(name: str) -> None:
    assert fold(fold(name)) == fold(name)


@given(st.binary(max_size=60).filter(lambda name: b"\0" not in name))
def test_any_file_name_round_trips(name: bytes) -> None:
    stored = store_path(os.fsdecode(name))
    assert os.fsencode(load_path(stored)) == name
    json.dumps(stored).encode()
    stored.encode()  # valid Unicode: a database and a terminal can take it


def test_ordinary_names_are_unchanged() -> None:
    assert store_path("midis/Dvořák/new\nline 前奏曲.mid") == "midis/Dvořák/new\nline 前奏曲.mid"
