"""Progress and results of train."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Self

from musictk import builtin
from musictk.cli.export import describe
from musictk.cli.output import Output
from musictk.errors import MusictkError
from musictk.jobs.export import plain
from musictk.jobs.run_facts import RunFacts
from musictk.jobs.train import RunResult
from musictk.training import bands
from musictk.training.outcome import Evaluation, Report
from musictk.training.progress import lower_rate
from musictk.wording import counted

_NAMED = 12  # labels that a note lists before "…"


class TrainingBar:
    """A progress bar of the encoding, then of the steps; prints a line per evaluation."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._stack = ExitStack()
        self._unit = ""

    def __enter__(self) -> Self:
        self._bar = self._stack.enter_context(
            self._output.progress("training", "loss", "speed", "left")
        )
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def tokenized(self, done: int, total: int) -> None:
        self._bar.update(done, total, "tokenizing")

    def measuring(self) -> None:
        self._bar.update(0, 1, "measuring the speed")

    def began(self, run: str, facts: RunFacts) -> None:
        self._unit = facts.unit
        with_threads = f" with {counted(facts.threads, 'thread')}" * ("cpu" in facts.device)
        time = "" if facts.seconds is None else f"about {duration(facts.seconds)}: "
        self._output.note(
            f"{run}: {facts.arch} {facts.size}, {facts.parameters / 1e6:.1f} M parameters"
            f", tokenizer {facts.tokenizer}, {facts.train_positions:,} training"
            f" {facts.unit}s, {time}{facts.steps:,} steps of {facts.batch} x {facts.length}"
            f" {facts.unit}s in {facts.precision} on {facts.device}"
            f"{with_threads if facts.threads else ''}"
        )
        if facts.start is not None:
            blank = "; for random weights: --scratch" if facts.start in builtin.MODELS else ""
            self._output.note(f"starts from the weights of {facts.start}{blank}")
        if facts.seen:
            self._output.warn(
                f"{facts.start} was trained on {counted(facts.seen, 'piece')} of the split valid:"
                " losses on it are too low; runs compare leaves them out"
            )
        if facts.slow:
            self._output.warn(facts.slow)
        for category, labels in facts.shared.items():
            which = "composers" if category == "composer" else f"labels of {category}"
            named = ", ".join(labels[:_NAMED]) + (", …" if len(labels) > _NAMED else "")
            self._output.note(
                f"{which} with fewer than {counted(facts.threshold, 'training piece')}"
                f" share one embedding: {named}"
            )
        if refused := facts.refused:
            left = counted(len(refused), "piece")
            self._output.warn(
                f"{left} skipped: {facts.tokenizer} cannot encode them; first: {refused[0]}"
            )
        if facts.redrawn:
            self._output.note(
                "this run started with crops that omitted the beginnings and endings of pieces;"
                " it continues with crops that cover every position equally often"
            )
        if facts.no_effect:
            hint = ""
            if "transpose" in facts.no_effect:
                hint = "; to transpose whole pieces: --set 'keys=[-2, 2]'"
            named = ", ".join(facts.no_effect)
            self._output.note(f"no effect with this {facts.tokenizer} tokenizer: {named}{hint}")

    def tracker_failed(self, tracker: str, why: str) -> None:
        self._output.warn(f"{tracker} failed; training continues without it: {why}")

    def stepped(self, report: Report) -> None:
        self._bar.update(
            report.step,
            report.steps,
            "training",
            loss=f"loss {report.loss:.3f}",
            speed=f"{report.positions_per_second:,.0f} {self._unit}s/s",
            left=f"{duration(report.left)} left",
        )

    def evaluated(self, evaluation: Evaluation) -> None:
        baseline = "" if evaluation.baseline is None else f" (bigram {evaluation.baseline:.3f})"
        best = ", best so far" if evaluation.best else ""
        best = ", before training" if evaluation.step == 0 else best
        self._output.note(
            f"step {evaluation.step:,}: valid loss {evaluation.nll:.3f}{baseline}{best}"
        )

    def saved(self, path: Path) -> None:
        """Nothing: `evaluated` prints a line already."""

    def stage(self, name: str) -> None:
        self._bar.update(0, 1, f"export: {name}", loss="", speed="", left="")


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `2 h 5 min`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def diverged(result: RunResult) -> MusictkError:
    """The error for a run that diverged."""
    outcome = result.outcome
    what = f"{result.run} diverged at step {outcome.step:,}: {outcome.why}"
    kept = ""
    if outcome.best_nll is not None:
        kept = f"; its best checkpoint is from step {outcome.best_step:,}"
    return MusictkError(what + kept, lower_rate(result.facts.lr))


def report(output: Output, result: RunResult) -> None:
    """Print the result of the run, and the next command."""
    outcome, unit = result.outcome, result.facts.unit
    data = {
        "run": result.run,
        "ended": outcome.ended,
        "why": outcome.why,
        "step": outcome.step,
        "best_step": outcome.best_step,
        "best_nll": outcome.best_nll,
        "bigram_nll": outcome.baseline,
        "by_position": outcome.by_position,
        "tokens_per_second": outcome.positions_per_second,
        "seconds": outcome.seconds,
        "expected_seconds": result.facts.seconds,
        "precision": result.facts.precision,
        "threads": result.facts.threads,
        "skipped": outcome.skipped,
        "peak_bytes": outcome.peak_bytes,
        "digest": outcome.digest,
        "shared_labels": result.facts.shared,
        "best": str(outcome.best),
        "exports": [plain(each) for each in result.exports],
    }
    lines = [f"{result.run} {outcome.ended} at step {outcome.step:,}"]
    if outcome.best_nll is not None and outcome.baseline is not None:
        lines.append(
            f"best valid loss {outcome.best_nll:.3f} nats per {unit} at step {outcome.best_step:,}"
            f" (bigram model: {outcome.baseline:.3f})"
        )
    if outcome.by_position:
        lines.append(f"nats per {unit} by position: {bands.describe(outcome.by_position)}")
    memory = ""
    if outcome.peak_bytes is not None:
        memory = f", peak memory {outcome.peak_bytes / 2**20:,.0f} MiB"
    lines.append(f"{outcome.positions_per_second:,.0f} {unit}s/s{memory}")
    if outcome.skipped:
        were = "was" if outcome.skipped == 1 else "were"
        skipped = counted(outcome.skipped, "step")
        output.warn(f"{skipped} {were} skipped because the gradient was not finite")
    if outcome.kept_start:
        start = result.facts.start
        lines.append(f"no checkpoint is better than {start}: its weights are kept as the best")
    if outcome.interrupted:
        lines.append(f"to resume: musictk train --resume {result.run}")
    elif not outcome.diverged:
        lines.append(f"bundle: {outcome.best}")
        lines += [line for each in result.exports for line in describe(each)]
        lines.append("next: musictk sample -o out.mid")
    output.result(data, *lines)
