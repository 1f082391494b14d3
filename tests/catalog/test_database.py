"""Opening, migrating, waiting: the catalog as a file that several processes share."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

import musictk.catalog.migrations as migrations
from musictk.catalog import Catalog
from musictk.catalog.models import Base
from musictk.errors import MusictkError, UsageError

HERE = Path(migrations.__file__).parent


def run(code: str, *arguments: object) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [migrations.HEAD]
    found = [script.revision for script in scripts.walk_revisions()]
    assert found[::-1] == list(migrations.REVISIONS)


def test_migrations_make_just_the_tables_of_the_models(catalog: Catalog) -> None:
    with create_engine(f"sqlite:///{catalog.root}/catalog.db").connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_an_up_to_date_catalog_opens_without_heavy_imports(catalog: Catalog) -> None:
    catalog.close()
    loaded = run(
        "import sys; from pathlib import Path; from musictk.catalog import Catalog\n"
        "with Catalog.open(sys.argv[1], Path('.')) as catalog: catalog.summary()\n"
        "print([name for name in ('torch', 'miditok', 'alembic', 'symusic', 'numpy')"
        " if name in sys.modules])",
        f"sqlite:///{catalog.root}/catalog.db",
    )
    assert loaded.strip() == "[]"


def test_the_database_is_durable(catalog: Catalog) -> None:
    with catalog.reading() as session:
        connection = session.connection()
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
        assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() >= 60_000  # type: ignore[operator]


def test_writers_in_two_processes_wait_for_each_other(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/catalog.db"  # neither has made it yet: they race for that, too
    code = (
        "import sys; from pathlib import Path; from musictk.catalog import Catalog\n"
        "with Catalog.open(sys.argv[1], Path('.')) as catalog:\n"
        "    for _ in range(40): catalog.start_run('gpt', 'f', {})"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
    with Catalog.open(url, tmp_path) as catalog:
        assert [run.name for run in catalog.runs()] == [f"gpt-{n}" for n in range(1, 121)]


def test_a_writer_waits_for_a_long_transaction(catalog: Catalog) -> None:
    code = (
        "import sys; from pathlib import Path; from musictk.catalog import Catalog\n"
        "with Catalog.open(sys.argv[1], Path('.')) as catalog:\n"
        "    print('ready', flush=True); catalog.start_run('gpt', 'f', {})"
    )
    url = f"sqlite:///{catalog.root}/catalog.db"
    with catalog.writing() as session:
        session.connection()  # the lock is taken with the first statement
        other = subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE)
        assert other.stdout is not None
        assert other.stdout.readline() == b"ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(1.0)
    assert other.wait(60) == 0
    assert len(catalog.runs()) == 1


def test_a_failed_transaction_is_rolled_back(catalog: Catalog) -> None:
    def fail() -> None:
        with catalog.writing() as session:
            session.connection().exec_driver_sql("INSERT INTO composers (name) VALUES ('Bach')")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert catalog.composers() == []


def test_a_catalog_of_a_newer_version_is_not_changed(catalog: Catalog) -> None:
    catalog.close()
    with sqlite3.connect(catalog.root / "catalog.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(MusictkError, match="newer musictk"):
        Catalog.open(f"sqlite:///{catalog.root}/catalog.db", catalog.root)


def test_a_file_that_is_not_a_catalog_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(MusictkError, match=r"catalog\.db.*not a database"):
        Catalog.open(f"sqlite:///{tmp_path}/catalog.db", tmp_path)


@pytest.mark.parametrize("url", ["catalog.db", "nosuchdatabase://here/x"])
def test_a_url_that_cannot_work_is_a_usage_error(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="catalog URL"):
        Catalog.open(url, tmp_path)


@pytest.mark.parametrize("kind", ["postgresql+nosuchdriver", "nosuchdatabase"])
@pytest.mark.parametrize("password", ["secret", "secret@/sec:ret"])
def test_a_password_is_not_shown(kind: str, password: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as found:
        Catalog.open(f"{kind}://user:{password}@host/music", tmp_path)
    assert f"{kind}://user:***@host/music" in str(found.value)
    assert "sec" not in str(found.value)


def test_a_catalog_in_memory_keeps_its_rows(tmp_path: Path) -> None:
    with Catalog.open("sqlite://", tmp_path) as catalog:
        catalog.start_run("gpt", "f", {})
        assert [run.name for run in catalog.runs("running")] == ["gpt-1"]


READ = """
import os, sys
from pathlib import Path
from musictk.catalog import Catalog
from musictk.errors import MusictkError
url, root = sys.argv[1], Path(sys.argv[2])
with Catalog.open("sqlite://", root) as catalog:
    catalog.summary(), catalog.files(), catalog.check()  # all is imported while it may be
if os.getuid() == 0:
    os.setuid(65534)
with Catalog.open(url, root) as catalog:
    print(catalog.summary()["files"], len(catalog.files()))
    try:
        catalog.start_run("gpt", "f", {})
    except MusictkError as error:
        print(error)
"""


def test_a_folder_that_cannot_be_written_can_be_read(filled: Catalog, tmp_path: Path) -> None:
    filled.close()
    folder = tmp_path / "read only"
    folder.mkdir()
    (folder / "catalog.db").write_bytes((tmp_path / "catalog.db").read_bytes())
    for parent in folder.parents[:-2]:
        parent.chmod(parent.stat().st_mode | 0o055)  # another user may come here
    (folder / "catalog.db").chmod(0o444)
    folder.chmod(0o555)
    try:
        shown = run(READ, f"sqlite:///{folder}/catalog.db", folder)
    finally:
        folder.chmod(0o755)
    assert "'accepted': 6" in shown
    assert "writable" in shown


FULL_DISK = textwrap.dedent(
    """
    import os
    import sys
    from pathlib import Path
    from musictk.catalog import Catalog
    from musictk.errors import MusictkError
    from tests.catalog.conftest import make

    folder = Path(sys.argv[1])
    url = f"sqlite:///{folder}/catalog.db"
    with Catalog.open(url, folder) as catalog:
        catalog.record([make(number) for number in range(1, 6)])
    with open(folder / "rest", "wb", buffering=0) as rest:
        try:
            while rest.write(bytes(512)):
                pass
        except OSError:
            pass
    with Catalog.open(url, folder) as catalog:
        print(len(catalog.files()), catalog.summary()["composers"], len(catalog.pieces()))
        try:
            catalog.record([make(6)])
        except MusictkError as error:
            print(error.message, "|", error.hint)
    try:
        Catalog.open(f"sqlite:///{folder}/other.db", folder)
    except MusictkError as error:
        print(error.message)
    os.remove(folder / "rest")
    with Catalog.open(url, folder) as catalog:
        catalog.record([make(6)])
        print(len(catalog.files()))
    """
)


def can_mount() -> bool:
    """Whether this process may mount a disk in a namespace of its own."""
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="needs Linux with user namespaces")
def test_a_catalog_on_a_full_disk_can_be_read(tmp_path: Path) -> None:
    """On a disk of 1 MiB, mounted in a namespace of the test's own."""
    script = tmp_path / "script.py"
    script.write_text(FULL_DISK)
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = 'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" "$3" "$1"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, "sh", str(disk), sys.executable, str(script)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    read, failed, new, again = done.stdout.splitlines() or [done.stderr] * 4
    assert read == "5 1 5"
    assert f"{disk}/catalog.db: the disk is full | free some space on the disk of {disk}" in failed
    assert "the disk is full" in new
    assert again == "6"
