"""The pool gives every task an answer, whatever order they come in."""

from __future__ import annotations

import errno
import os
import subprocess
import threading

import pytest

from musictk.errors import MusictkError
from musictk.reading.limits import Limits
from musictk.reading.pool import Pool, WorkerTask
from musictk.reading.reasons import Reason


def known(count: int) -> list[WorkerTask]:
    """Tasks with a known answer: no worker gets them."""
    return [WorkerTask({}, tag=number, answer=({}, b"")) for number in range(count)]


def examined(tag: int) -> WorkerTask:
    return WorkerTask({"do": "examine", "kind": "midi", "path": ""}, b"no midi", tag)


def test_a_full_window_of_answers_is_not_the_end() -> None:
    """It was taken for the end where a whole window of answers was given out at once."""
    with Pool(Limits(), 1) as pool:
        assert [task.tag for task, _ in pool.run(known(2000))] == list(range(2000))


def test_files_after_a_slow_one_are_not_lost() -> None:
    with Pool(Limits(), 1) as pool:
        tasks = [examined(-1), *known(2000), examined(2000)]
        assert [task.tag for task, _ in pool.run(tasks)] == list(range(-1, 2001))


@pytest.mark.parametrize("error", [errno.EMFILE, errno.EAGAIN, errno.ENOMEM])
def test_a_worker_that_cannot_be_started_is_one_error(
    error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with Pool(Limits(), 2) as pool, pytest.raises(MusictkError, match=os.strerror(error)):
        list(pool.run([examined(0)]))


def test_the_workers_there_are_do_the_work_of_those_that_cannot_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = subprocess.Popen
    started: list[int] = []

    def refuse(*arguments: object, **named: object) -> object:
        if started:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        started.append(1)
        return start(*arguments, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with Pool(Limits(), 4) as pool:
        answers = [answer["code"] for _, (answer, _) in pool.run(map(examined, range(20)))]
    assert answers == [Reason.NOT_MIDI] * 20


def test_a_worker_without_a_listener_does_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = subprocess.Popen, []

    def remember(*arguments: object, **named: object) -> object:
        started.append(start(*arguments, **named))  # type: ignore[call-overload]
        return started[-1]

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(subprocess, "Popen", remember)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with Pool(Limits(), 1) as pool, pytest.raises(MusictkError, match="new thread"):
        list(pool.run([examined(0)]))
    assert [popen.poll() is not None for popen in started] == [True]
