"""Runs and their results."""

from __future__ import annotations

import pytest

from musictk.catalog import Catalog, SpanInfo
from musictk.errors import MusictkError, UnknownNameError, UsageError


def test_runs_are_named_by_architecture_and_number(catalog: Catalog) -> None:
    names = [catalog.start_run(kind, "f", {}).name for kind in ("gpt", "conformer", "gpt")]
    assert names == ["gpt-1", "conformer-1", "gpt-2"]
    assert catalog.start_run("gpt", "f", {}, name="mine").directory == "runs/mine"
    with pytest.raises(UsageError, match="mine"):
        catalog.start_run("gpt", "f", {}, name="mine")


def test_the_newest_finished_run_is_the_default(catalog: Catalog) -> None:
    assert catalog.newest_run() is None
    first = catalog.start_run("gpt", "f", {"steps": 10})
    catalog.start_run("gpt", "f", {})
    assert catalog.newest_run() is None
    catalog.finish_run(first.name, metrics={"nll": 2.5})
    found = catalog.newest_run()
    assert found is not None
    assert (found.name, found.status, found.metrics) == ("gpt-1", "finished", {"nll": 2.5})
    assert found.settings == {"steps": 10}
    assert found.ended_at is not None
    assert found.ended_at.tzinfo is not None
    assert catalog.resume_run("gpt-1").status == "running"


def test_an_unknown_run_names_the_nearest(catalog: Catalog) -> None:
    with pytest.raises(UnknownNameError, match="musictk train"):
        catalog.run("conformer-1")
    catalog.start_run("conformer", "f", {})
    with pytest.raises(UnknownNameError, match="did you mean 'conformer-1'"):
        catalog.run("conformr-1")


def test_a_checkpoint_replaces_the_previous_one(catalog: Catalog) -> None:
    run = catalog.start_run("gpt", "f", {}).name
    with pytest.raises(MusictkError, match="--resume gpt-1"):
        catalog.checkpoint(run)
    for step in (10, 20):
        catalog.add_checkpoint(run, "last", step, f"runs/{run}/last", f"d{step}", {"nll": 3.0})
    assert catalog.checkpoint(run).step == 20
    catalog.add_checkpoint(run, "best", 10, f"runs/{run}/best", "d10", {"nll": 2.0})
    assert [row.kind for row in catalog.checkpoints(run)] == ["best", "last"]
    assert catalog.checkpoint(run).kind == "best"


def test_exports_and_samples_are_kept_with_their_run(catalog: Catalog) -> None:
    run = catalog.start_run("gpt", "f", {}).name
    catalog.add_export(run, "onnx", "exports/gpt-1", {"difference": 1e-6})
    request = {"bars": 8, "conditions": {"composer": "Bach"}}
    sample = catalog.add_sample("out.mid", "ab" * 32, "digest", 2**40, request, run=run)
    catalog.add_sample("other.mid", "cd" * 32, "digest", 1, {})
    again = catalog.sample(sample.id)
    assert (again.seed, again.request) == (2**40, request)
    assert [row.kind for row in catalog.exports(run)] == ["onnx"]
    assert len(catalog.samples()) == 2
    assert len(catalog.samples(run)) == 1
    with pytest.raises(UnknownNameError):
        catalog.sample(99)
    assert {fault["what"] for fault in catalog.check()} == {"export is missing"}


def test_shards_are_found_by_their_pieces(filled: Catalog) -> None:
    with pytest.raises(MusictkError, match="no tokenizer"):
        filled.add_shard("f1", "train", "p", "shards/a", [])
    filled.add_tokenizer("f1", "remi", {"bpe": 10}, learned="x", learned_from="src")
    filled.add_tokenizer("f1", "remi", {"bpe": 10})
    assert filled.tokenizer("f1").learned == "x"
    assert filled.learned("remi", {"bpe": 10}, "src") == "x"
    assert filled.learned("remi", {"bpe": 11}, "src") is None
    spans = [SpanInfo(1, 0, 5), SpanInfo(2, 5, 7), SpanInfo(3, 0, 0, skipped="too long")]
    filled.add_shard("f1", "train", "p1", "shards/a", spans)
    filled.add_shard("f1", "train", "p2", "shards/b", spans[:1])
    newest, first = filled.shard("f1", "train"), filled.shard("f1", "train", pieces="p1")
    assert newest is not None
    assert newest.path == "shards/b"
    assert first is not None
    assert (first.length, first.tokenizer.name) == (12, "remi")
    assert filled.spans(first.id) == spans
    assert filled.shard("f1", "valid") is None
    filled.add_shard("f1", "train", "p1", "shards/a", spans[:1])
    assert len(filled.shards()) == 2
