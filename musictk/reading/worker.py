"""A worker process: examines or encodes files, one at a time under a memory limit.

Started by `pool`. Messages are read from standard input and written to standard output; output of
libraries is redirected to standard error. A worker does not import the catalog, which would double
its start-up time; that is why it is not in `ingest`.
"""

from __future__ import annotations

import gc
import hashlib
import os
import signal
import sys
from typing import IO, Any

import numpy as np
from symusic.core import ScoreTick

from musictk.errors import located
from musictk.files import open_regular
from musictk.music import Clock, notes
from musictk.offers import make_component
from musictk.plugin import registry
from musictk.reading.facts import piece_facts, pitched_notes
from musictk.reading.limits import Limits
from musictk.reading.read import check_abc, read_midi, read_text
from musictk.reading.reasons import Reason, RejectedError
from musictk.reading.sketching import sketch_music, sketch_text
from musictk.reading.wire import WorkerMessage, receive, send
from musictk.tokens import Tokenizer
from musictk.tokens.augment import stretched, transposed
from musictk.tokens.faults import HINT, encoding_fault, id_fault, starts_fault


class Worker:
    """Examines or encodes one file per message."""

    def __init__(self) -> None:
        self._limits = Limits()
        self._tokenizer: Any = None

    def answer(self, task: dict[str, Any], blob: bytes) -> WorkerMessage:
        """Do one task; rejected files and lack of memory become answers with a reject code."""
        found: dict[str, Any] = {}
        try:
            data = blob if task.get("blob") else _read(task["path"], self._limits)
            found["length"] = len(data)
            found["sha256"] = hashlib.sha256(data).hexdigest()
            return (self._encode if task["do"] == "encode" else self._examine)(task, data, found)
        except RejectedError as refused:
            return found | {"code": refused.reason, "detail": refused.detail}, b""
        except MemoryError:
            return found | {"code": Reason.MEMORY, "detail": "out of memory"}, b""

    def _examine(self, task: dict[str, Any], data: bytes, found: dict[str, Any]) -> WorkerMessage:
        if task["kind"] != "midi":
            text = read_text(data, self._limits)
            if task["kind"] == "abc":
                check_abc(text)
            return found | {"facts": {}}, sketch_text(text)
        music = read_midi(data, self._limits)
        score, clock = music.score, Clock(music.score)
        sounding = notes(score, ordered=False)
        facts = piece_facts(score, sounding, clock, self._limits)
        found |= {"repair": music.repair, "facts": facts}
        line, quarter = pitched_notes(score, sounding), facts["ticks_per_quarter"]
        return found, sketch_music(line.start, line.pitch, quarter, clock.seconds)

    def _encode(self, task: dict[str, Any], data: bytes, found: dict[str, Any]) -> WorkerMessage:
        if task["kind"] == "midi":
            piece: Any = read_midi(data, self._limits).score
        else:
            piece = read_text(data, self._limits)
        try:
            if task["kind"] == "midi":
                piece = _varied(piece, task["semitones"], task["stretch"])
            encoded = self._tokenizer.encode(piece)
            _check_encoded(encoded, self._tokenizer)
            sequence = np.ascontiguousarray(encoded)
        except ValueError as error:
            return found | {"code": "refused", "detail": str(error)[:200]}, b""
        except MemoryError:
            raise
        except Exception as error:  # a fault of the tokenizer, such as a plugin being written
            return found | {"code": "failed", "detail": located(error)[:200]}, b""
        if len(sequence) > self._limits.tokens and sequence.ndim == 1:
            return found | {"code": Reason.TOO_MANY_TOKENS, "detail": f"{len(sequence)}"}, b""
        form = {"dtype": sequence.dtype.str, "shape": sequence.shape}
        return found | form, sequence.tobytes()

    def begin(self, setup: dict[str, Any]) -> None:
        """Set the limits, and rebuild the tokenizer if one is given."""
        self._limits = Limits(**setup["limits"])
        _limit_memory(self._limits.memory)
        if (tokenizer := setup.get("tokenizer")) is not None:
            kind = registry().load("tokenizer", tokenizer["name"])
            self._tokenizer = make_component(kind, tokenizer["config"], tokenizer["learned"])


def _varied(score: ScoreTick, semitones: int, stretch: float) -> ScoreTick:
    """The piece in another key or tempo. Raises ValueError where a note leaves MIDI's range."""
    if stretch == 1 and not semitones:
        return score
    slower = stretched(score, stretch) if stretch != 1 else score
    moved = transposed(slower, semitones) if semitones else slower
    if moved is None:
        raise ValueError("a note would leave the range of MIDI")
    return moved


def _check_encoded(sequence: Any, tokenizer: Tokenizer) -> None:
    """Raise TypeError for no array of ids or frames, ValueError for ids and bars that are wrong."""
    if fault := encoding_fault(sequence, tokenizer.space):
        raise TypeError(f"{fault}; {HINT}")
    fault = id_fault(sequence, tokenizer.space)
    fault = fault or starts_fault(tokenizer.bar_starts(sequence), len(sequence))
    if fault:
        raise ValueError(f"{fault}; {HINT}")


def _read(path: str, limits: Limits) -> bytes:
    """Read a regular file of at most `limits.size` bytes. Raises RejectedError."""
    try:
        with open_regular(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            # A buffer of the size that is asked for is allocated, so the largest is not.
            data = stream.read(min(size, limits.size) + 1)
            if size < len(data) <= limits.size:  # it grew, or states no size
                data += stream.read(limits.size + 1 - len(data))
                size = max(size, len(data))
    except OSError as error:
        raise RejectedError(Reason.UNREADABLE, error.strerror or str(error)) from error
    if len(data) > limits.size:
        raise RejectedError(Reason.TOO_LARGE, f"{size} bytes > {limits.size}")
    return data


def _limit_memory(size: int) -> None:
    """Limit the memory of this process to `size` bytes, where the system supports it."""
    try:
        import resource
    except ImportError:  # Windows: only the limits on input bound memory
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY or size < hard:
        try:
            resource.setrlimit(resource.RLIMIT_AS, (size, hard))
        except (ValueError, OSError):  # macOS: only the limits on input bound memory
            return


def _streams() -> tuple[IO[bytes], IO[bytes]]:
    """Standard input and a copy of standard output; descriptor 1 then goes to standard error."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, out


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    source, out = _streams()
    worker = Worker()
    first = receive(source)
    if first is None:
        return
    worker.begin(first[0])
    gc.freeze()  # modules are no garbage: later collections look at new objects only
    gc.enable()
    send(out, {"ready": True})
    while (message := receive(source)) is not None:
        send(out, *worker.answer(*message))
