from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from musictk.errors import MusictkError, UsageError
from musictk.model import bundle
from musictk.tokens import Frames
from musictk.training.devices import tensors
from musictk.training.evaluate import nll
from musictk.training.language import LanguageModeling
from musictk.training.log import Log
from musictk.training.loop import train
from musictk.training.objective import NextPosition
from musictk.training.optimizer import make_optimizers, set_rate
from musictk.training.outcome import Evaluation, Report, SilentListener
from musictk.training.schedule import rate
from tests.training.run_log import read_log


class Recorder(SilentListener):
    """Records every event; signals the process to stop after a step."""

    def __init__(self, stop_after: int = 0, number: int = signal.SIGINT) -> None:
        self.steps: list[Report] = []
        self.evaluations: list[Evaluation] = []
        self.paths: list[Path] = []
        self.stop_after, self.number = stop_after, number

    def stepped(self, report: Report) -> None:
        self.steps.append(report)
        if report.step == self.stop_after:
            os.kill(os.getpid(), self.number)

    def evaluated(self, evaluation: Evaluation) -> None:
        self.evaluations.append(evaluation)

    def saved(self, path: Path) -> None:
        self.paths.append(path)


def test_a_run_learns_more_than_a_bigram(small: SimpleNamespace, tmp_path: Path) -> None:
    pieces = small.melodies(small.TOKENS)[:1]
    crops = small.crops(pieces, small.TOKENS)
    network, manifest = small.fresh(dropout=0.0)
    settings = small.SMALL.but(steps=300, lr=1e-2, evaluate_every=300, evaluate_batches=0)
    outcome = train(
        LanguageModeling(network, manifest, crops, crops), settings, tmp_path, device="cpu"
    )
    assert outcome.ended == "finished"
    assert outcome.best_nll is not None
    assert outcome.baseline is not None
    # On what it was trained on: a memory of one token cannot hold a melody.
    assert outcome.best_nll < 0.8 * outcome.baseline


def test_checkpoints_may_be_kept_from_every_stage(small: SimpleNamespace, tmp_path: Path) -> None:
    settings = small.SMALL.but(checkpoint_every=4, evaluate_every=3, keep_checkpoints=True)
    (tmp_path / "checkpoints" / ".step-0000004.part").mkdir(parents=True)  # killed while it wrote
    outcome = small.run(tmp_path, settings)
    kept = {int(path.name.removeprefix("step-")): path for path in tmp_path.glob("checkpoints/*")}
    assert set(kept) == {4, 8, 12, outcome.best_step}
    for step, path in kept.items():
        assert bundle.read(path)[1].trained["step"] == step
        assert (path / "optimizer.safetensors").exists() == (step == 12)


@pytest.mark.parametrize("averaging", [0.0, 0.5])
def test_best_and_last_are_bundles_that_score_as_reported(
    small: SimpleNamespace, tmp_path: Path, averaging: float
) -> None:
    recorder = Recorder()
    settings = small.SMALL.but(evaluate_batches=0, averaging=averaging)
    outcome = small.run(tmp_path, settings, listener=recorder)
    trained_on, valid = small.splits()
    for path, expected in ((outcome.best, outcome.best_nll), (outcome.last, None)):
        network, manifest = bundle.read(path)
        assert manifest.trained["settings"] == settings.flat()
        assert manifest.trained["data"] == trained_on.shard.digest
        assert manifest.trained["parameters"] == sum(p.numel() for p in network.parameters())
        mean = nll(network, valid, settings.loop.batch, settings.loop.length).mean
        assert mean == pytest.approx(expected or recorder.evaluations[-1].nll, abs=1e-6)
    assert bundle.weights_digest(bundle.read(outcome.last)[0]) == outcome.digest
    assert outcome.best_nll == min(each.nll for each in recorder.evaluations)


def test_a_line_of_the_log_without_its_end_is_left_out(tmp_path: Path) -> None:
    with Log(tmp_path, 0, tensorboard=False) as log:
        for step in (1, 2, 3):
            log.write("step", step, loss=1.5)
    path = tmp_path / "log.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    with Log(tmp_path, 9, tensorboard=False) as log:
        log.write("step", 10, loss=1.25)
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2, 10]


def test_the_log_and_the_listener_get_the_same_events(
    small: SimpleNamespace, tmp_path: Path
) -> None:
    recorder = Recorder()
    outcome = small.run(tmp_path, small.SMALL.but(tensorboard=True), listener=recorder)
    lines = read_log(tmp_path)
    steps = [line for line in lines if line["kind"] == "step"]
    assert [line["step"] for line in steps] == [report.step for report in recorder.steps]
    assert [line["loss"] for line in steps] == [report.loss for report in recorder.steps]
    held = [line for line in lines if line["kind"] == "evaluation"]
    assert [line["step"] for line in held] == [5, 10, 12]
    assert all(line["baseline"] == held[0]["baseline"] for line in held)
    by_position = [
        {name.removeprefix("nll_"): line[name] for name in line if name.startswith("nll_")}
        for line in held
    ]
    assert by_position == [each.by_position for each in recorder.evaluations]
    assert {"0", "1-7", "8-63"} <= set(by_position[0])
    best = next(each for each in recorder.evaluations if each.step == outcome.best_step)
    assert outcome.by_position == best.by_position
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_accumulation_only_splits_the_step(small: SimpleNamespace, tmp_path: Path) -> None:
    """Twice 4 rows is not the same draw as 8 rows, but a step weighs every position alike."""
    network, manifest = small.fresh(dropout=0.0)
    split, valid = small.splits()
    settings = small.SMALL.but(steps=1, batch=4, accumulation=2, condition_dropout=0.0, clip=0.0)
    train(LanguageModeling(network, manifest, split, valid), settings, tmp_path / "a", device="cpu")
    whole, _ = small.fresh(dropout=0.0)
    optimizers = make_optimizers(whole, settings.optimisation)
    task = LanguageModeling(whole, manifest, split, valid)
    parts = [task.batch(settings, draw, slice(0, 4)) for draw in (0, 1)]
    objective = NextPosition(whole, small.TOKENS)
    nats = sum(objective(*tensors(part.arrays, torch.device("cpu"))).sum() for part in parts)
    (nats / sum(part.count for part in parts)).backward()
    set_rate(optimizers, rate(settings.schedule, 0))
    optimizers[0].step()
    for one, other in zip(network.parameters(), whole.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [4, 10])
def test_interrupted_and_resumed_is_as_if_never(
    small: SimpleNamespace, tmp_path: Path, number: int, step: int
) -> None:
    whole = small.run(tmp_path / "whole")
    outcome = small.run(tmp_path / "cut", listener=Recorder(step, number))
    assert outcome.interrupted
    assert outcome.step == step
    resumed = small.run(tmp_path / "cut", resume=True)
    assert resumed.ended == "finished"
    assert resumed.digest == whole.digest
    assert (resumed.best_step, resumed.best_nll) == (whole.best_step, whole.best_nll)
    timeless = ("positions_per_second", "seconds")
    logs = [
        [{k: v for k, v in line.items() if k not in timeless} for line in read_log(tmp_path / name)]
        for name in ("whole", "cut")
    ]
    assert [line["step"] for line in logs[0]] == [line["step"] for line in logs[1]]
    assert logs[0][-1] == logs[1][-1]


def test_a_resumed_run_of_frames_ends_with_equal_weights(
    small: SimpleNamespace, tmp_path: Path
) -> None:
    space = Frames(width=128)
    whole = small.run(tmp_path / "whole", space=space)
    assert small.run(tmp_path / "cut", space=space, listener=Recorder(6)).step == 6
    assert small.run(tmp_path / "cut", space=space, resume=True).digest == whole.digest


def test_a_resumed_run_keeps_its_plan(small: SimpleNamespace, tmp_path: Path) -> None:
    planned = small.SMALL.but(replanned=((2, 8),))
    whole = small.run(tmp_path / "whole", planned)
    small.run(tmp_path / "cut", planned, listener=small.Stopper(4))
    resumed = small.run(tmp_path / "cut", resume=True)  # the first plan, as the user has it
    assert (resumed.step, resumed.digest) == (8, whole.digest)


def test_a_finished_run_resumes_to_itself(small: SimpleNamespace, tmp_path: Path) -> None:
    first = small.run(tmp_path)
    again = small.run(tmp_path, resume=True)
    assert (again.step, again.digest, again.best_nll) == (first.step, first.digest, first.best_nll)


@pytest.mark.parametrize(
    "values",
    [
        {"precision": "bf16"},
        {"precision": "fp16"},
        {"accumulation": 2},
        {"schedule": "onecycle", "warmup": 0.3},
        {"schedule": "wsd", "decay": 0.5, "final": 0.0},
        {"averaging": 0.3, "optimizer": "muon"},
        {"short_rows": 0.75},
        {"optimizer": "muon"},
        {"label_smoothing": 0.1, "clip": 0.5, "condition_dropout": 1.0},
    ],
)
def test_every_way_of_stepping_resumes_exactly(
    small: SimpleNamespace, tmp_path: Path, values: dict[str, object]
) -> None:
    settings = small.SMALL.but(steps=8, **values)
    whole = small.run(tmp_path / "whole", settings)
    small.run(tmp_path / "cut", settings, listener=Recorder(4))
    resumed = small.run(tmp_path / "cut", settings, resume=True)
    assert resumed.digest == whole.digest
    assert (resumed.skipped, whole.skipped) == (0, 0)
    assert whole.digest != small.run(tmp_path / "plain", small.SMALL.but(steps=8)).digest


@pytest.mark.parametrize(("precision", "faults"), [("fp32", 20), ("fp16", 4)])
def test_steps_whose_gradient_is_no_number_are_skipped_and_counted(
    small: SimpleNamespace, tmp_path: Path, precision: str, faults: int
) -> None:
    """fp16 halves its scale of 2¹⁶ sixteen times before it is the gradient's fault."""
    network, manifest = small.fresh()
    torch.nn.init.constant_(network.tables[0].weight, torch.inf)
    before = bundle.weights_digest(network)
    settings = small.SMALL.but(steps=20, precision=precision, evaluate_every=20)
    split, valid = small.splits()
    outcome = train(
        LanguageModeling(network, manifest, split, valid), settings, tmp_path, device="cpu"
    )
    assert outcome.skipped == faults
    assert outcome.digest == before


class Poison(Recorder):
    """Breaks the network after a step."""

    def __init__(self, network: torch.nn.Module, step: int) -> None:
        super().__init__()
        self.network, self.step = network, step

    @torch.no_grad()
    def stepped(self, report: Report) -> None:
        super().stepped(report)
        if report.step == self.step:
            next(self.network.parameters()).fill_(float("nan"))


def test_a_run_that_diverges_keeps_its_good_checkpoints(
    small: SimpleNamespace, tmp_path: Path
) -> None:
    network, manifest = small.fresh()
    split, valid = small.splits()
    poison = Poison(network, 6)
    settings = small.SMALL.but(steps=60, checkpoint_every=2)
    outcome = train(
        LanguageModeling(network, manifest, split, valid), settings, tmp_path, poison, device="cpu"
    )
    assert (outcome.ended, outcome.step, outcome.best_step) == ("diverged", 10, 5)
    assert outcome.why == "validation is not a finite number"
    assert [each.best for each in poison.evaluations] == [True, False]
    # The network broke after step 6 was done, and before it was saved.
    assert {path.name for path in poison.paths} == {f"step-000000{n}" for n in (2, 4, 5, 6)}
    network, described = bundle.read(outcome.best)
    assert described.trained["step"] == 5
    assert all(bool(each.isfinite().all()) for each in network.parameters())


def test_skipping_for_ever_is_a_divergence_without_validation_too(
    small: SimpleNamespace, tmp_path: Path
) -> None:
    network, manifest = small.fresh()
    split, _ = small.splits()
    none = small.crops([split.shard.piece(0)[:0]], small.TOKENS)
    poison = Poison(network, 6)
    settings = small.SMALL.but(steps=60)
    outcome = train(
        LanguageModeling(network, manifest, split, none), settings, tmp_path, poison, device="cpu"
    )
    assert (outcome.ended, outcome.step, outcome.skipped) == ("diverged", 26, 20)
    assert outcome.why == "no gradient of the last 20 steps was finite"
    assert [path.name for path in poison.paths] == ["step-0000005"]


def test_a_rate_far_too_high_leaves_nothing_to_be_taken_for_a_model(
    small: SimpleNamespace, tmp_path: Path
) -> None:
    outcome = small.run(tmp_path, small.SMALL.but(lr=1e20))
    assert (outcome.ended, outcome.best_nll) == ("diverged", None)
    assert not outcome.best.exists()


def test_a_run_is_resumed_that_another_version_began(
    small: SimpleNamespace, tmp_path: Path
) -> None:
    expected = small.run(tmp_path / "whole").digest
    small.run(tmp_path / "cut", listener=Recorder(4))
    path = tmp_path / "cut/last/trainer.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {"settings": stored["settings"] | {"moon": 1}}))
    with pytest.raises(MusictkError, match="newer musictk"):
        small.run(tmp_path / "cut", resume=True)
    del stored["settings"]["keep_checkpoints"], stored["progress"]["skipped_in_row"]
    path.write_text(json.dumps(stored))
    assert small.run(tmp_path / "cut", resume=True).digest == expected


def test_partial_files_of_a_killed_run_are_removed(small: SimpleNamespace, tmp_path: Path) -> None:
    small.run(tmp_path)
    part = tmp_path / "checkpoints" / ".step-0000013.part"
    part.mkdir()
    (part / ".weights.safetensors.x.part").write_text("half")
    (tmp_path / ".log.jsonl.x.part").write_text("half")
    (tmp_path / ".best.link").symlink_to("nowhere")
    small.run(tmp_path, resume=True)
    assert not list(tmp_path.rglob(".*"))


def test_recomputing_activations_changes_nothing(small: SimpleNamespace, tmp_path: Path) -> None:
    plain = small.run(tmp_path / "plain")
    recomputed = small.run(tmp_path / "again", small.SMALL.but(recompute=True))
    assert recomputed.digest == plain.digest


def test_a_step_that_is_not_finite_is_skipped_and_counted(
    small: SimpleNamespace, tmp_path: Path
) -> None:
    network, manifest = small.fresh()
    with torch.no_grad():
        network.tables[0].weight[2:] = float("nan")  # what every labelled row runs into
    before = bundle.weights_digest(network)
    split, valid = small.splits()
    settings = small.SMALL.but(steps=3, condition_dropout=0.0, log_every=1)
    outcome = train(
        LanguageModeling(network, manifest, split, valid), settings, tmp_path, device="cpu"
    )
    assert outcome.skipped == 3
    assert bundle.weights_digest(network) == before
    assert read_log(tmp_path)[0]["loss"] is None  # JSON has no NaN


def test_patience_ends_a_run_that_no_longer_gets_better(
    small: SimpleNamespace, tmp_path: Path
) -> None:
    settings = small.SMALL.but(steps=60, lr=1e-30, evaluate_every=2, patience=3)
    outcome = small.run(tmp_path, settings)
    assert outcome.ended == "patience"
    assert outcome.step < 60
    assert small.run(tmp_path, settings, resume=True).step == outcome.step


def test_patience_waits_until_the_rate_of_wsd_falls(small: SimpleNamespace, tmp_path: Path) -> None:
    settings = small.SMALL.but(
        steps=60, lr=1e-30, evaluate_every=2, patience=3, schedule="wsd", decay=0.4
    )
    outcome = small.run(tmp_path, settings)
    assert outcome.ended == "patience"
    assert outcome.step == 36 + 3 * 2  # the rate has its peak up to step 36


def test_without_validation_music_the_last_is_the_best(
    small: SimpleNamespace, tmp_path: Path
) -> None:
    network, manifest = small.fresh()
    split, _ = small.splits()
    none = small.crops([split.shard.piece(0)[:0]], small.TOKENS)
    outcome = train(
        LanguageModeling(network, manifest, split, none), small.SMALL, tmp_path, device="cpu"
    )
    assert (outcome.best_nll, outcome.baseline) == (None, None)
    assert outcome.best.samefile(outcome.last)


def test_invalid_combinations_are_rejected(small: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(MusictkError, match="no checkpoint"):
        small.run(tmp_path / "none", resume=True)
    small.run(tmp_path / "run")
    with pytest.raises(UsageError, match="already contains a run"):
        small.run(tmp_path / "run")
    with pytest.raises(UsageError, match="lr"):
        small.run(tmp_path / "run", small.SMALL.but(lr=0.5), resume=True)
    with pytest.raises(UsageError, match="8192"):
        small.run(tmp_path / "long", small.SMALL.but(length=9000))
    network, manifest = small.fresh()
    split, valid = small.splits()
    other = replace(manifest, tokenizer_fingerprint="another")
    with pytest.raises(UsageError, match="tokenizer"):
        train(
            LanguageModeling(network, other, split, valid),
            small.SMALL,
            tmp_path / "other",
            device="cpu",
        )
