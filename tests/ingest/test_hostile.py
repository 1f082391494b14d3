"""Untrusted archives: each is read to its end or rejected with a reason, at a bounded cost."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from musictk.reading.archives import read_members
from musictk.reading.limits import Limits
from musictk.reading.reasons import RejectedError
from tests.ingest import hostile
from tests.ingest.conftest import Run

SECONDS = 10.0  # of processor time
MEMORY = 300 << 10  # KiB


def read(path: Path) -> tuple[int, int, str | None]:
    """How many read_members were had and refused, and why reading ended before the end."""
    found: Counter[bool] = Counter()
    try:
        for entry in read_members(path, Limits()):
            found[entry.refused is None] += 1
    except RejectedError as error:
        return found[True], found[False], str(error.reason)
    return found[True], found[False], None


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of each, in a folder."""
    folder = tmp_path_factory.mktemp("hostile") / "archives"
    folder.mkdir()
    for kind in hostile.KINDS:
        hostile.write(kind, folder)
    return folder


@pytest.mark.parametrize("kind", hostile.KINDS, ids=lambda kind: kind.name)
def test_every_kind_of_archive(kind: hostile.Kind, archives: Path) -> None:
    path = archives / kind.name
    began = time.process_time()
    assert read(path) == (kind.read, kind.refused, kind.reason)
    assert time.process_time() - began < SECONDS


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_reading_them_all_takes_little_memory(archives: Path) -> None:
    paths = [str(archives / kind.name) for kind in hostile.KINDS]
    script = (
        "import re, sys; from pathlib import Path\n"
        "from tests.ingest.test_hostile import read\n"
        "for path in sys.argv[1:]: read(Path(path))\n"
        "print(re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *paths], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < MEMORY


def test_ingest_survives_a_folder_of_them(run: Run, archives: Path, tmp_path: Path) -> None:
    known = {"many", "most", "same", "folder"}  # of read_members that are no music, and no archive
    kinds = [kind for kind in hostile.KINDS if kind.name.partition(".")[0] not in known]
    folder = tmp_path / "archives"
    folder.mkdir()
    for kind in kinds:
        (folder / kind.name).symlink_to(archives / kind.name)
    report = run(folder)
    reasons = Counter(kind.reason for kind in kinds)
    for reason in ("bad_archive", "archive_limit"):
        assert report.rejected[reason] == reasons[reason]
    assert report.accepted == sum(kind.read - kind.repeated for kind in kinds)
