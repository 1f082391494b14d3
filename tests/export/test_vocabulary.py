"""`vocabulary.json` names every id of every tokenizer, and the rows of the condition tables."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musictk.export import export_torchscript
from musictk.export.vocabulary import VOCABULARY, describe_vocabulary, write_vocabulary
from musictk.model.conditions import Conditions
from musictk.model.manifest import Manifest
from musictk.offers import make_component
from musictk.plugin import registry
from musictk.testing import tokenizers as laws
from musictk.testing.exports import Blank, write_untrained
from musictk.tokens import Frames, Piece, Tokenizer, Tokens
from tests.plugins.scores import pieces

TUNE = "X:1\nM:3/4\nK:G\nGAB|cde|fga|é|\n"
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "remi": [{}, {"bpe": 500}, {"programs": True}, {"extra": {"use_chords": True}}],
    "events": [{}, {"beats_per_bar": 3}],
    "pianoroll": [{}],
    "text": [{"size": 300}],
}
ALL = [(name, config) for name, each in SETTINGS.items() for config in each]


@cache
def music(name: str) -> list[Piece]:
    if name == "text":
        return [TUNE * 20]
    return list[Piece](pieces()[:3])


def make(name: str, config: dict[str, Any]) -> Tokenizer:
    kind = registry().load("tokenizer", name)
    tokenizer: Tokenizer = make_component(kind, config)
    if tokenizer.learns:
        tokenizer = make_component(kind, config, tokenizer.learn(music(name)))
    return tokenizer


def manifest_of(tokenizer: Tokenizer, conditions: Conditions | None = None) -> Manifest:
    return Manifest(
        architecture="gpt",
        architecture_config={},
        network_config={},
        tokenizer=tokenizer.name,
        tokenizer_config=vars(tokenizer.config),
        tokenizer_learned=tokenizer.learned,
        tokenizer_fingerprint=tokenizer.fingerprint,
        space=tokenizer.space,
        conditions=conditions or Conditions(),
        max_length=8,
    )


def test_every_tokenizer_is_tested() -> None:
    assert set(SETTINGS) == {offer.name for offer in registry().offers("tokenizer")}


@pytest.mark.parametrize(("name", "config"), ALL)
def test_every_token_has_a_name_and_its_attributes(
    name: str, config: dict[str, Any], tmp_path: Path
) -> None:
    tokenizer = make(name, config)
    laws.check_names(tokenizer)
    write_vocabulary(manifest_of(tokenizer), tmp_path)
    found = json.loads((tmp_path / VOCABULARY).read_text("utf-8"))
    space = tokenizer.space
    if isinstance(space, Frames):
        rows, count = found["columns"], found["width"]
        assert found["kind"] == "frames"
    else:
        rows, count = found["tokens"], found["size"]
        assert found["kind"] == "tokens"
        assert found["special"] == {"pad": space.pad, "bos": space.bos, "eos": space.eos}
        assert [rows[index]["name"] for index in space.special] == [
            *("PAD_None", "BOS_None", "EOS_None")
        ]
    assert [row["id"] for row in rows] == list(range(count))
    assert (found["format"], found["tokenizer"]) == (1, name)
    for attribute, values in tokenizer.attributes().items():
        for row, states in zip(rows, values.states, strict=True):
            stated = [values.values[index] for index in np.flatnonzero(states)]
            assert row.get("attributes", {}).get(attribute, []) == stated


def test_names_of_common_tokens() -> None:
    named = {
        name: {row["name"]: row for row in describe_vocabulary(manifest_of(make(name, {})))[key]}
        for name, key in (("remi", "tokens"), ("events", "tokens"), ("pianoroll", "columns"))
    }
    assert named["remi"]["Pitch_60"]["attributes"] == {"pitch": ["60"]}
    assert named["remi"]["TimeSig_3/4"]["attributes"] == {"metre": ["3/4"]}
    assert {"Bar_None", "Position_0", "Duration_1.0.8"} <= named["remi"].keys()
    assert named["events"]["NoteOn_60"]["attributes"] == {"pitch": ["60"]}
    assert named["events"]["Bar_3/4"]["attributes"] == {"metre": ["3/4"]}
    assert {"NoteOff_60", "TimeShift_12", "Velocity_127"} <= named["events"].keys()
    assert named["pianoroll"]["Pitch_60"] == {
        "id": 60, "name": "Pitch_60", "attributes": {"pitch": ["60"]}
    }  # fmt: skip


def test_names_of_events_are_what_the_tokens_encode() -> None:
    """A note-on, a shift of its length and a note-off, by name."""
    tokenizer = make("events", {})
    score = pieces()[0]
    names = tokenizer.names()
    notes = laws.facts(tokenizer.decode(tokenizer.encode(score)))[0]
    written = [names[index] for index in tokenizer.encode(score).tolist()]
    assert sum(name.startswith("NoteOn_") for name in written) == len(notes)
    pitches = sorted(int(name[7:]) for name in written if name.startswith("NoteOn_"))
    assert pitches == sorted(int(note[3]) for note in notes if isinstance(note, tuple))


def test_merged_tokens_list_their_parts() -> None:
    tokenizer = make("remi", {"bpe": 500})
    rows = describe_vocabulary(manifest_of(tokenizer))["tokens"]
    base = make("remi", {})
    assert sum("parts" in row for row in rows) == 500 - base.space.size  # type: ignore[union-attr]
    ids = tokenizer.encode(pieces()[0]).tolist()
    split = [part for index in ids for part in rows[index].get("parts", [index])]
    assert split == base.encode(pieces()[0]).tolist()
    assert all(
        row["name"] == "+".join(rows[part]["name"] for part in row["parts"])
        for row in rows
        if "parts" in row
    )


def test_text_tokens_are_bytes() -> None:
    tokenizer = make("text", {"size": 300})
    rows = describe_vocabulary(manifest_of(tokenizer))["tokens"]
    ids = tokenizer.encode(TUNE).tolist()
    split = [part for index in ids for part in rows[index].get("parts", [index])]
    data = bytes(int(rows[part]["name"].removeprefix("Byte_")) for part in split)
    assert data.decode("utf-8") == TUNE


def test_labels_have_the_rows_of_their_tables() -> None:
    conditions = Conditions(
        {"composer": ("", "OTHER", "Bach", "Dvořák"), "period": ("", "OTHER")},
        {"composer": ("Satie",), "period": ("Baroque",)},
    )
    found = describe_vocabulary(manifest_of(make("events", {}), conditions))["conditions"]
    assert found == {
        "composer": {"": 0, "OTHER": 1, "Bach": 2, "Dvořák": 3, "Satie": 1},
        "period": {"": 0, "OTHER": 1, "Baroque": 1},
    }
    assert list(found) == ["composer", "period"]


def test_a_torchscript_export_has_it_too_even_without_the_tokenizer(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_untrained(
        source, "gpt", Blank(Tokens(40)), dim=16, depth=1, heads=1, max_length=1200
    )  # a tokenizer that is not registered
    export_torchscript(source, tmp_path / "out")
    found = json.loads((tmp_path / "out" / VOCABULARY).read_text("utf-8"))
    assert (found["tokenizer"], found["size"], found["tokens"]) == ("blank", 40, None)
    assert found["conditions"]["composer"]["Bach"] == 2
