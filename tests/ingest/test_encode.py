"""Pieces are encoded into shards by worker processes, once."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from symusic.core import ScoreTick

from musictk.catalog import Catalog
from musictk.config import build
from musictk.errors import MusictkError
from musictk.ingest import IngestReport, PieceLoader, learn, tokenize
from musictk.ingest.encode import Variation
from musictk.plugin import registry
from musictk.tokens import Tokenizer
from musictk.tokens.augment import transposed
from musictk.workspace import Workspace

Run = Callable[..., IngestReport]


def tokenizer(name: str, **config: object) -> Tokenizer:
    kind = registry().load("tokenizer", name)
    made: Tokenizer = kind(build(kind.Config, config))
    return made


class Progress:
    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def tokenized(self, done: int, total: int) -> None:
        self.calls.append((done, total))


@pytest.mark.parametrize("name", ["events", "pianoroll"])
def test_a_shard_holds_each_piece_as_the_tokenizer_encodes_it(
    run: Run, catalog: Catalog, workspace: Workspace, midis: Path, name: str
) -> None:
    run(midis / "Bach")
    ours, listener = tokenizer(name), Progress()
    shard = tokenize(catalog, workspace, ours, "train", listener, workers=1)
    pieces = {piece.id: piece for piece in catalog.pieces("train")}
    assert sorted(shard.files.tolist()) == sorted(pieces)
    for index in (0, len(shard.files) - 1):
        score = PieceLoader(workspace).load(pieces[int(shard.files[index])])
        assert np.array_equal(shard.piece(index), ours.encode(score))
    assert listener.calls[-1] == (len(pieces), len(pieces))
    row = catalog.shard(ours.fingerprint, "train")
    assert row is not None
    assert [span.length for span in catalog.spans(row.id)] == shard.lengths.tolist()
    assert catalog.check() == []


def test_a_shard_is_made_once_until_the_pieces_change(
    run: Run, catalog: Catalog, workspace: Workspace, midis: Path
) -> None:
    run(midis / "Bach")
    first, listener = tokenize(catalog, workspace, tokenizer("events"), "valid"), Progress()
    again = tokenize(catalog, workspace, tokenizer("events"), "valid", listener)
    assert (again.path, listener.calls) == (first.path, [])
    catalog.forget([(catalog.pieces("valid")[0].path, "")])
    run(midis)
    other = tokenize(catalog, workspace, tokenizer("events"), "valid")
    assert other.path != first.path
    assert first.path.exists()  # a run that resumes still finds what it learned from
    other.path.unlink()
    assert tokenize(catalog, workspace, tokenizer("events"), "valid").path.exists()


def test_a_piece_that_cannot_be_read_any_more_is_a_recorded_skip(
    run: Run, catalog: Catalog, workspace: Workspace, midis: Path, tmp_path: Path
) -> None:
    for number, path in enumerate(sorted(midis.glob("*/*.mid"))[:12]):
        (tmp_path / "m").mkdir(exist_ok=True)
        (tmp_path / "m" / f"{number}.mid").write_bytes(path.read_bytes())
    run(tmp_path / "m")
    lost = catalog.pieces("train")[0]
    (workspace.root / lost.path).write_bytes(b"something else")
    shard = tokenize(catalog, workspace, tokenizer("events"), "train")
    assert lost.id not in shard.files
    row = catalog.shard(tokenizer("events").fingerprint, "train")
    assert row is not None
    skipped = [span for span in catalog.spans(row.id) if span.skipped]
    assert [(span.file_id, span.length) for span in skipped] == [(lost.id, 0)]
    assert "not_midi" in str(skipped[0].skipped)


def test_no_pieces_is_an_error_with_a_hint(catalog: Catalog, workspace: Workspace) -> None:
    with pytest.raises(MusictkError, match="musictk ingest"):
        tokenize(catalog, workspace, tokenizer("events"), "train")


def test_a_tokenizer_that_learns_does_so_once_from_the_training_pieces(
    run: Run, catalog: Catalog, workspace: Workspace, midis: Path
) -> None:
    run(midis / "Bach")
    plain = tokenizer("remi", bpe=500)
    ready = learn(catalog, workspace, plain)
    assert ready.learned is not None
    assert ready.fingerprint != plain.fingerprint
    assert learn(catalog, workspace, plain).fingerprint == ready.fingerprint
    shard = tokenize(catalog, workspace, plain, "valid", workers=1)
    assert shard.fingerprint == ready.fingerprint
    assert catalog.tokenizer(ready.fingerprint).learned == ready.learned


def test_variations_stand_beside_each_piece_and_say_what_they_are(
    run: Run, catalog: Catalog, workspace: Workspace, midis: Path
) -> None:
    run(midis / "Schumann")
    varied = (Variation(semitones=-2), Variation(stretch=1.25))
    ours = tokenizer("events")
    shard = tokenize(catalog, workspace, ours, "train", workers=1, variations=varied)
    row = catalog.shard(ours.fingerprint, "train", "transpose=-2, stretch=1.25")
    assert row is not None
    spans = catalog.spans(row.id)
    plain = tokenize(catalog, workspace, ours, "train", workers=1)
    assert len(plain.files) < len(shard.files) == len([s for s in spans if s.skipped is None])
    assert {span.augment for span in spans} == {"", "transpose=-2", "stretch=1.25"}
    for index, span in enumerate(span for span in spans if span.augment == "transpose=-2"):
        if span.skipped is None and index < 3:
            info = next(piece for piece in catalog.pieces() if piece.id == span.file_id)
            score = PieceLoader(workspace).load(info)
            assert isinstance(score, ScoreTick)
            expected = transposed(score, -2)
            assert expected is not None
            found = shard.crop(span.offset, span.offset + span.length)
            np.testing.assert_array_equal(found, ours.encode(expected))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("return nothing", r"failed: NameError: name 'nothing' .*\(faulty_events\.py, line 7\)"),
        (
            "return super().encode(piece).tolist()",
            r"failed: TypeError: encode returned list instead of an array of \(T,\) ids",
        ),
        (
            "return super().encode(piece)[:, None]",
            r"failed: TypeError: encode returned int64 of shape \(\d+, 1\) instead of",
        ),
        (
            "return super().encode(piece) * 1.0",
            r"failed: TypeError: encode returned float64 of shape \(\d+,\) instead of",
        ),
        (
            "import numpy; return numpy.append(super().encode(piece), self.space.eos)",
            r"refused: eos \(id 2\) is inside an encoding; .* musictk\.testing\.tokenizers",
        ),
        (
            "return super().encode(piece)\n"
            "    def bar_starts(self, sequence): return super().bar_starts(sequence)[::-1]",
            r"refused: bar_starts are not ascending; .* musictk\.testing\.tokenizers",
        ),
        ("return super().encode(piece) + 5000", r"refused: id \d+ is outside a vocabulary of \d+"),
    ],
)
def test_a_fault_of_a_tokenizer_is_named(
    run: Run,
    catalog: Catalog,
    workspace: Workspace,
    midis: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    why: str,
) -> None:
    """As in a plugin that is being written, which workers load from its entry point."""
    source = f"""from musictk_events.tokenizer import Events
from musictk.plugin import hookimpl

class Faulty(Events):
    name = "faulty"
    def encode(self, piece):
        {line}

@hookimpl
def register_tokenizers(register):
    register("faulty", "faulty_events:Faulty", "events with a fault")
"""
    folder = tmp_path / "site"
    (folder / "faulty-1.dist-info").mkdir(parents=True)
    (folder / "faulty_events.py").write_text(source)
    (folder / "faulty-1.dist-info" / "METADATA").write_text("Name: faulty\nVersion: 1\n")
    points = "[musictk]\nfaulty = faulty_events\n"
    (folder / "faulty-1.dist-info" / "entry_points.txt").write_text(points)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *sys.path]))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "faulty_events", raising=False)
    run(midis / "Satie")
    kind = importlib.import_module("faulty_events").Faulty
    with pytest.raises(MusictkError) as error:
        tokenize(catalog, workspace, kind(kind.Config()), "train", workers=1)
    assert re.search(why, error.value.hint), error.value.hint
