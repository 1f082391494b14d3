"""Walk every place where a command writes: each fails once, and the command has to end well.

Well means: the exit code of a failure and one line that says so, or success; no temporary file is
left; the catalog is sound; every checkpoint can be loaded, and a run resumed from it ends with the
weights that it has undisturbed.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path

from musictk.catalog import Catalog
from musictk.cli.main import main
from musictk.model import bundle
from musictk.workspace import Workspace
from tests.faults import templates
from tests.faults.shim import Fault, Shim

CHORALE = "midis/chorale_bwv269.mid"
SQLITE = ("disk I/O error", "disk is full", "unable to open", "readonly", "locked", "not permitted")
RESUME = ("train", "--resume", "gpt-1", "--device", "cpu")


@dataclass(frozen=True)
class Command:
    """A command of the walk, and the workspace it begins in."""

    name: str
    start: str
    arguments: tuple[str, ...]
    slow: bool = False


COMMANDS = (
    Command("ingest", "fresh", ("ingest", "midis", "--workers", "1")),
    Command("tokenize", "ingested", ("tokenize", "events")),
    Command("train", "tokenized", templates.TRAIN),
    Command("resume", "stopped", RESUME),
    Command("sample", "trained", ("sample", "--bars", "1", "--seed", "1", "-o", "out.mid")),
    Command("torchscript", "trained", ("export", "--torchscript"), slow=True),
    Command("onnx", "trained", ("export", "--onnx"), slow=True),
    Command("int8", "trained", ("export", "--int8"), slow=True),
    Command("render", "fresh", ("render", CHORALE, "-o", "o.wav", "--soundfont", "tiny.sf2")),
    Command("flac", "fresh", ("render", CHORALE, "-o", "o.flac", "--soundfont", "tiny.sf2")),
    Command("show", "fresh", ("show", CHORALE, "-o", "o.png")),
    Command("rows", "ingested", ("catalog", "export", "rows.jsonl")),
    Command("config", "fresh", ("config",)),
)


@dataclass(frozen=True)
class Ended:
    """How a command ended under a fault."""

    code: int
    text: str  # of stderr
    fired: str
    calls: list[str]  # all that were counted


@dataclass(frozen=True)
class Choice:
    """Which of a command's calls are to fail."""

    many: int = 4  # at most, of those of one kind and file: the first and the last
    take: int = 0  # of those that are left, spread evenly; 0: all

    def of(self, calls: list[str]) -> list[int]:
        """Their numbers, from 1."""
        alike: dict[str, list[int]] = {}
        for number, call in enumerate(calls, 1):
            kind = re.sub(r"\.[a-z0-9_]{8}(?=\.part|/|$)|step-\d+|\d{9,}", "", call)
            alike.setdefault(kind, []).append(number)
        first, last = self.many - self.many // 2, self.many // 2
        for kind, numbers in alike.items():
            if len(numbers) > self.many:
                alike[kind] = numbers[:first] + numbers[len(numbers) - last :]
        chosen = sorted(number for numbers in alike.values() for number in numbers)
        if not 0 < self.take < len(chosen):
            return chosen
        return [chosen[index * len(chosen) // self.take] for index in range(self.take)]


@dataclass
class Report:
    """What a walk found."""

    tried: int = 0
    failed: int = 0  # commands that ended with an error, as they may
    faults: list[str] = field(default_factory=list)


class Walk:
    """Runs commands in this process, in copies of the templates."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._shim = folder, Shim()
        self._work = folder / "work"
        self._digests: dict[str, str] = {}
        templates.fresh(self._at("fresh"))
        self._build("ingested", "fresh", COMMANDS[0].arguments)
        self._build("tokenized", "ingested", ("tokenize", "events"))
        shutil.copytree(self._at("tokenized"), self._at("stopped"), symlinks=True)
        templates.stopped(self._at("stopped"))
        self._build("trained", "tokenized", templates.TRAIN)
        self._digest = self._weights(self._at("trained"))

    def command(self, command: Command, error: int, choice: Choice, stays: bool = False) -> Report:
        """Fail the command at each of the chosen sites."""
        report = Report()
        opens = error == errno.EMFILE
        calls = self._run(command, Fault(0, error, opens)).calls
        for site in choice.of(calls):
            fault = Fault(site, error, opens, stays)
            ended = self._run(command, fault)
            report.tried += 1
            report.failed += ended.code != 0
            for what in self._wrong(ended, fault):
                where = f"{command.name} {errno.errorcode[error]} at {site}/{len(calls)}"
                report.faults.append(f"{where} ({ended.fired}): {what}")
        return report

    def _at(self, template: str) -> Path:
        return self._folder / template

    def _build(self, name: str, start: str, arguments: tuple[str, ...]) -> None:
        shutil.copytree(self._at(start), self._at(name), symlinks=True)
        code, text = typed(self._at(name), arguments)
        assert code == 0, text

    def _run(self, command: Command, fault: Fault) -> Ended:
        shutil.rmtree(self._work, ignore_errors=True)
        shutil.copytree(self._at(command.start), self._work, symlinks=True)
        calls: list[str] = []

        def type_it() -> int:
            self._shim.arm(fault, self._work)
            try:
                return _code(command.arguments)
            finally:
                calls.extend(self._shim.disarm())

        code, text = _caught(self._work, type_it)
        return Ended(code, text, self._shim.fired, calls)

    def _wrong(self, ended: Ended, fault: Fault) -> Iterator[str]:
        lines = ended.text.splitlines()
        if any("Traceback" in line or "Exception ignored" in line for line in lines):
            yield "a traceback: " + lines[-1]
            return
        said = [line for line in lines if line.startswith("error: ")]
        if ended.code != 0 and (ended.code, len(said)) != (1, 1):
            yield f"exit code {ended.code}, and it said: {ended.text!r}"
        causes = (os.strerror(fault.error), *SQLITE)
        if ended.fired and said and not any(each in said[0] for each in causes) and not fault.opens:
            yield f"the cause is not named: {said[0]}"
        if "out.mid" in ended.fired and said and not fault.stays:
            yield from _lost(said[0])
        if not ended.fired.startswith("unlink"):
            yield from (f"{path.name} is left" for path in _litter(self._work))
        yield from self._spoiled(fault)

    def _spoiled(self, fault: Fault) -> Iterator[str]:
        """What is wrong with the workspace that the command left."""
        workspace = Workspace(self._work)
        if not workspace.catalog.exists():
            return
        with Catalog.open(workspace.catalog_url, self._work) as catalog:
            yield from (
                f"catalog check: {row}"
                for row in catalog.check()
                if row["what"] != "files without a split"  # of an ingest that was cut short
            )
            runs = [(run.name, run.status) for run in catalog.runs()]
        for name, status in runs:
            directory = workspace.runs / name
            if status == "running" and not fault.stays:
                yield f"{name} is running still"
            for link in (directory / "last", directory / "best"):
                if link.is_symlink():
                    bundle.read(link)
            if status != "finished" and (directory / "last").is_symlink():
                code, text = typed(self._work, RESUME)
                if code or self._weights(self._work) != self._digest:
                    yield f"{name} cannot be resumed: {text!r}"

    def _weights(self, folder: Path) -> str:
        return bundle.weights_digest(bundle.read(folder / "runs" / "gpt-1" / "last")[0])


def _lost(said: str) -> Iterator[str]:
    """What is wrong with a piece that could not be written where it was asked for."""
    named = re.search(r"(?<=the piece is in )\S+", said)
    if "cannot write" in said and (named is None or not Path(named[0]).is_file()):
        yield f"the finished piece is lost: {said}"


def _litter(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.suffix in (".part", ".link")]


def typed(folder: Path, arguments: tuple[str, ...]) -> tuple[int, str]:
    """Type a command in a folder: its exit code, and all that this process wrote to stderr."""
    return _caught(folder, lambda: _code(arguments))


def _caught(folder: Path, action: Callable[[], int]) -> tuple[int, str]:
    """What `action` returns in a folder, and all that this process wrote to stderr meanwhile."""
    before, kept = Path.cwd(), [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as caught, Path(os.devnull).open("wb") as nowhere:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(nowhere.fileno(), 1)
        os.dup2(caught.fileno(), 2)
        os.chdir(folder)
        try:
            # Under pytest, sys.stderr is another file than descriptor 2.
            with (
                os.fdopen(os.dup(caught.fileno()), "w", encoding="utf-8") as stream,
                redirect_stderr(stream),
            ):
                code = action()
        finally:
            os.chdir(before)
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)
        caught.seek(0)
        return code, caught.read().decode("utf-8", "replace")


def _code(arguments: tuple[str, ...]) -> int:
    import traceback

    try:
        main(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        return 99
    return 0
