"""A pool of worker processes. If a process dies or hangs, only its current file is affected."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from musictk.errors import MusictkError
from musictk.files import AGAIN, cause
from musictk.reading.limits import Limits
from musictk.reading.reasons import Reason
from musictk.reading.wire import WorkerMessage, receive, send

_AHEAD = 8  # tasks a worker is given before it has answered the first
_WINDOW = 512  # answers that may wait for an earlier task's answer
_KEPT = 32 << 20  # bytes of freed memory that a worker keeps
_START = 120.0  # seconds a worker may take to start
# What is imported stays: looking for garbage in it takes a tenth of the start. `main` enables it.
_PROGRAM = "import gc; gc.disable(); from musictk.reading.worker import main; main()"


@dataclass
class WorkerTask:
    """One file for a worker: a message, with the bytes of the file if it has no path."""

    message: dict[str, Any]
    blob: bytes | None = None
    tag: Any = None  # any value; returned with the answer
    answer: WorkerMessage | None = None  # a known answer; the task is not sent to a worker


@dataclass
class _Process:
    """A worker process and its tasks."""

    popen: subprocess.Popen[bytes]
    tasks: deque[int] = field(default_factory=deque)  # sent, not answered
    since: float = 0.0  # when work on the first of them began
    ready: bool = False


def cpus() -> int:
    """The number of CPUs this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


class Pool:
    """Runs tasks in worker processes; answers come in the order of the tasks.

    A worker that dies or exceeds the time limit of a file is replaced; the answer for that file is
    a reject, and the other files that were sent to the worker go to another one.
    """

    def __init__(
        self, limits: Limits, workers: int, tokenizer: dict[str, Any] | None = None
    ) -> None:
        self._limits = limits
        self._setup = {"limits": asdict(limits), "tokenizer": tokenizer}
        self._events: queue.SimpleQueue[tuple[_Process, WorkerMessage | None]] = queue.SimpleQueue()
        self._count = max(1, workers)
        self._processes: list[_Process] = []
        self._tasks: dict[int, WorkerTask] = {}
        self._answers: dict[int, WorkerMessage] = {}
        self._todo: deque[int] = deque()  # taken from the source, not sent to a worker
        self._next = 0

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            _end(process.popen)

    def run(self, tasks: Iterable[WorkerTask]) -> Iterator[tuple[WorkerTask, WorkerMessage]]:
        """Yield each task with its answer, in the order of the tasks."""
        source = enumerate(tasks)
        emitted = 0
        while True:
            self._dispatch(source, emitted)
            if not self._tasks:
                return
            if emitted not in self._answers:
                self._wait()
            while emitted in self._answers:
                yield self._tasks.pop(emitted), self._answers.pop(emitted)
                emitted += 1

    def _dispatch(self, source: Iterator[tuple[int, WorkerTask]], emitted: int) -> None:
        """Send tasks while there are tasks and workers with room."""
        while True:
            if not self._todo:
                following = None if self._next >= emitted + _WINDOW else next(source, None)
                if following is None:
                    return
                self._next = following[0] + 1
                self._tasks[following[0]] = following[1]
                if following[1].answer is not None:
                    self._answers[following[0]] = following[1].answer
                    continue
                self._todo.append(following[0])
            process = self._free(self._tasks[self._todo[0]].blob is not None)
            if process is None:
                return
            self._give(process, self._todo.popleft())

    def _free(self, heavy: bool) -> _Process | None:
        """The least busy worker that has room for a task; a heavy task needs an idle worker.

        (A busy or hanging worker does not read its pipe: writing to it could block.)
        """
        best = min(self._processes, key=lambda each: len(each.tasks), default=None)
        if (best is None or best.tasks) and len(self._processes) < self._count:
            try:
                return self._start()
            except (OSError, RuntimeError) as error:  # RuntimeError: of a thread
                if best is None:
                    raise MusictkError(
                        f"no worker process can be started: {cause(error)}",
                        f"close other programs or raise the limits (ulimit -n, ulimit -u){AGAIN}",
                    ) from error
                self._count = len(self._processes)  # continue with fewer workers
        return best if best and len(best.tasks) < (1 if heavy else _AHEAD) else None

    def _start(self) -> _Process:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            # glibc: keep freed memory for the next file instead of mapping it again.
            "MALLOC_TRIM_THRESHOLD_": str(_KEPT),
            "MALLOC_MMAP_THRESHOLD_": str(_KEPT),
        }
        popen = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        process = _Process(popen)
        try:
            threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        except BaseException:
            _end(popen)
            raise
        self._processes.append(process)
        with suppress(OSError):
            assert popen.stdin is not None
            send(popen.stdin, self._setup)
        process.since = time.monotonic()
        return process

    def _listen(self, process: _Process) -> None:
        assert process.popen.stdout is not None
        with process.popen.stdout as stdout:
            message = receive(stdout)
            while message is not None:
                self._events.put((process, message))
                message = receive(stdout)
        self._events.put((process, None))

    def _give(self, process: _Process, index: int) -> None:
        if not process.tasks and process.ready:
            process.since = time.monotonic()
        process.tasks.append(index)
        task = self._tasks[index]
        with suppress(OSError):  # it died: the listener reports that
            assert process.popen.stdin is not None
            message = task.message | {"blob": task.blob is not None}
            send(process.popen.stdin, message, task.blob or b"")

    def _wait(self) -> None:
        """Receive one answer, or stop the workers that exceed their time limit."""
        try:
            process, message = self._events.get(timeout=0.2)
        except queue.Empty:
            self._stop_late()
            return
        if message is None:
            self._bury(process)
        elif not process.ready:
            process.ready, process.since = True, time.monotonic()
        elif process.tasks:
            self._answers[process.tasks.popleft()] = message
            process.since = time.monotonic()

    def _stop_late(self) -> None:
        now = time.monotonic()
        for process in self._processes:
            limit = self._limits.seconds if process.ready else _START
            if process.tasks and now - process.since > limit:
                process.popen.kill()

    def _bury(self, process: _Process) -> None:
        """Reject the file that a worker died on, and queue its other files again."""
        code = _end(process.popen)
        self._processes.remove(process)
        if not process.ready:
            raise MusictkError("a worker process cannot start", "run: musictk doctor")
        if not process.tasks:
            return
        late = time.monotonic() - process.since > self._limits.seconds
        reason = Reason.TIMEOUT if late else Reason.WORKER_DIED
        detail = f"stopped after {self._limits.seconds:g} s" if late else f"exit status {code}"
        self._answers[process.tasks.popleft()] = {"code": reason, "detail": detail}, b""
        self._todo.extendleft(reversed(process.tasks))


def _end(popen: subprocess.Popen[bytes]) -> int:
    """Kill a worker, release its resources, and return its exit status."""
    popen.kill()
    code = popen.wait()
    if popen.stdin is not None:
        with suppress(OSError):  # buffered data cannot be written any more
            popen.stdin.close()
    return code
