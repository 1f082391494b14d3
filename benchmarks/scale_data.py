"""A catalog of any size, written with bulk inserts: made-up names and sketches."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert

from musictk.catalog import Catalog
from musictk.catalog.grouping import LISTED
from musictk.catalog.models import (
    Alias,
    Composer,
    File,
    Label,
    Location,
    ShardRow,
    SpanRow,
    TokenizerRow,
)
from musictk.catalog.names import fold
from musictk.catalog.postings import insert_postings
from musictk.sketches import EVERY

BASE = 100_000  # files that are made one by one
RUNS = 128  # hashes in a sketch, on average
_CHUNK = 10_000
_COMMON = 20_000  # hashes that many pieces share
_SYLLABLES = "ba be bo da de do ka ke ki la le li ma mo na ne ra re ro sa se si ta te to va vi zo"
_FIRST = "Johann Anna Clara Franz Pierre Maria Luigi Igor Amy Béla Antonín Élise Karl Nadia Erik"
_FORMS = "Sonata Prélude Fugue Waltz Nocturne Étude Rondo Minuet Suite Ballade March Aria Scherzo"
_KEYS = [f"{note} {mode}" for note in "CDEFGAB" for mode in ("major", "minor")]
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Names:
    """Made-up names, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._syllables = _SYLLABLES.split()
        self._forms = _FORMS.split()

    def word(self, least: int = 2, most: int = 4) -> str:
        known, size = self._syllables, len(self._syllables)
        count = least + int(self._chance.random() * (most - least + 1))
        parts = [known[int(self._chance.random() * size)] for _ in range(count)]
        return "".join(parts).capitalize()

    def composers(self, count: int) -> list[str]:
        found: dict[str, None] = {}
        while len(found) < count:
            found[f"{self._chance.choice(_FIRST.split())} {self.word(3, 5)}"] = None
        return list(found)

    def title(self, number: int) -> str:
        form = self._forms[int(self._chance.random() * len(self._forms))]
        opus = f"Op. {1 + int(self._chance.random() * 150)} No. {number % 12 + 1}"
        return f"{form} {opus} {self.word()} {number}"


def sha(number: int) -> str:
    """A made-up SHA-256."""
    return f"{(number * 0x9E3779B97F4A7C15) % 2**64:016x}{number:048x}"


def sketches(seed: int, count: int) -> list[NDArray[np.uint32]]:
    """Hashes of `count` pieces; a tenth of each is from a common pool, a tenth are versions."""
    chance = np.random.default_rng(seed)
    pool = np.random.default_rng(0).integers(0, 2**32, _COMMON, np.uint32)
    found: list[NDArray[np.uint32]] = []
    for number in range(count):
        size = int(chance.integers(RUNS // 4, RUNS * 7 // 4))
        own = chance.integers(0, 2**32, size, np.uint32)
        common = pool[(len(pool) * chance.random(size // 10) ** 3).astype(np.int64)]
        hashes = np.unique(np.concatenate([own, common]))
        if number % 10 == 9:  # a version of the piece before
            hashes = np.unique(np.concatenate([found[-1], own[: size // 10]]))
        found.append(hashes[:512])
    return found


def packed(hashes: NDArray[np.uint32], signature: int) -> bytes:
    """The bytes of a sketch, see `musictk.sketches`."""
    return np.concatenate([[0, signature % 2**32, len(hashes)], hashes]).astype("<u4").tobytes()


def build(catalog: Catalog, count: int) -> None:
    """Fill an empty catalog with `count` files: at most BASE are made, the others are copies.

    A copy has another hash, title, path and other keys in the index of sketches.
    """
    copies = max(1, count // BASE)
    _base(catalog, count, count // copies)
    for copy in range(1, copies):
        _copy(catalog, copy, count // copies)


def _base(catalog: Catalog, total: int, count: int) -> None:
    names = Names(count)
    composers = names.composers(max(20, int(4 * total**0.5)))
    with catalog.writing() as session:
        numbered = list(enumerate(composers, 1))
        session.execute(insert(Composer), [{"id": id, "name": name} for id, name in numbered])
        spelled = [
            {"key": fold(name), "spelling": name, "composer_id": id} for id, name in numbered
        ]
        session.execute(insert(Alias), spelled)
    postings: list[NDArray[np.int64]] = []
    for start in range(0, count, _CHUNK):
        numbers = range(start + 1, min(start + _CHUNK, count) + 1)
        _chunk(catalog, names, composers, numbers, postings)
    _index(catalog, np.concatenate(postings))
    _shard(catalog, count)


# What differs in a copy: SQL by column; {n} is the number of the copy, {off} what is added to ids.
_CHANGED = {
    "files": {
        "id": "id + {off}",
        "sha256": "made_sha(id + {off})",
        "cluster": "iif(cluster IS NULL, NULL, made_sha(id + {off} - (id % 10 = 0)))",
        "title": "title || ' {n}'",
        "title_key": "title_key || ' {n}'",
        "path": "replace(path, '.mid', ' {n}.mid')",
    },
    "places": {
        "path": "replace(path, '.mid', ' {n}.mid')",
        "name": "replace(name, '.mid', ' {n}.mid')",
        "file_id": "file_id + {off}",
    },
    "labels": {"file_id": "file_id + {off}"},
    "spans": {"id": "id + {off}", "file_id": "file_id + {off}"},
    "postings": {
        "key": "(key * 2654435761 + {n}) % 4294967296 + (key >= 4294967296) * 4294967296",
        "file_id": "file_id + {off}",
    },
}
_TEXTS = (
    "INSERT INTO search (rowid, text, path) SELECT search.rowid + {off},"
    " replace(text, '.mid', ' {n}.mid') || char(10) || title_key || ' {n}',"
    " replace(search.path, '.mid', ' {n}.mid')"
    " FROM search JOIN files ON files.id = search.rowid WHERE search.rowid <= {base}"
)


def _copy(catalog: Catalog, copy: int, base: int) -> None:
    values = {"n": copy, "off": copy * base, "base": base}
    with catalog.writing() as session:
        connection = session.connection()
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.create_function("made_sha", 1, sha, deterministic=True)
        connection.exec_driver_sql("PRAGMA cache_size = -400000")
        for table, changed in _CHANGED.items():
            info = connection.exec_driver_sql(f"PRAGMA table_info({table})")
            columns = [row[1] for row in info]
            picked = ", ".join(changed.get(name, name).format(**values) for name in columns)
            number = "id" if table in ("files", "spans") else "file_id"
            connection.exec_driver_sql(
                f"INSERT OR IGNORE INTO {table} ({', '.join(columns)})"
                f" SELECT {picked} FROM {table} WHERE {number} <= {base}"
            )
        found = "SELECT 1 FROM sqlite_master WHERE name = 'search'"
        if connection.exec_driver_sql(found).first():
            connection.exec_driver_sql(_TEXTS.format(**values))
            connection.exec_driver_sql("DELETE FROM outdated")


def _chunk(
    catalog: Catalog,
    names: Names,
    composers: list[str],
    numbers: range,
    postings: list[NDArray[np.int64]],
) -> None:
    chance = np.random.default_rng(numbers.start)
    owners = (len(composers) * chance.random(len(numbers)) ** 2).astype(int).tolist()
    made = sketches(numbers.start, len(numbers))
    files, places, labels = [], [], []
    for number, owner, hashes in zip(numbers, owners, made, strict=True):
        row = _file(number, owner + 1, names.title(number), packed(hashes, number))
        files.append(row)
        folder = f"midis/{composers[owner]}/Book {number % 40}"
        places.append(_place(f"{folder}/{row['title']}.mid", number))
        if number % 20 == 0:
            places.append(_place(f"midis/copies/{number % 100}/{number}.mid", number))
        if number % 3 == 0:
            period = ("Baroque", "Classical", "Romantic", "Modern")[owner % 4]
            labels.append({"file_id": number, "category": "period", "value": period})
        if row["status"] == "accepted":
            keys = hashes[hashes % EVERY == 0].astype(np.int64)
            keys = np.append(keys, 2**32 + number % 2**32)
            postings.append(np.stack([keys, np.full(len(keys), number)], 1))
    with catalog.writing() as session:
        for table, rows in ((File, files), (Location, places), (Label, labels)):
            session.execute(insert(table), rows)


def _file(number: int, owner: int, title: str, sketch: bytes) -> dict[str, Any]:
    rejected, missing = number % 50 == 7, number % 200 == 11
    accepted = not rejected and not missing
    split = ("valid", "test")[number // 100 % 2] if number // 10 % 5 == 0 else "train"
    return {
        "id": number,
        "sha256": sha(number),
        "kind": "midi",
        "status": "rejected" if rejected else "missing" if missing else "accepted",
        "code": ("corrupt", "empty", "no-notes")[number % 3] if rejected else None,
        "detail": "the header is damaged" if rejected else None,
        "checks": 2,
        "size": 4000 + number % 9000,
        "title": title,
        "composer_id": owner,
        "cluster": sha(number - (number % 10 == 0)) if accepted else None,
        "split": split if accepted else None,
        "notes": 100 + number % 5000,
        "tracks": 1 + number % 8,
        "seconds": 30 + number % 400 + 0.25,
        "bars": 8 + number % 200,
        "metre": "4/4",
        "tempo": 120.0,
        "key": _KEYS[number % len(_KEYS)],
        "ticks_per_quarter": 480,
        "programs": [0],
        "has_pedal": False,
        "sketch": sketch,
        "added_at": _NOW,
    }


def _place(path: str, number: int) -> dict[str, Any]:
    size = 4000 + number % 9000
    return {
        "path": path, "member": "", "size": size, "mtime_ns": 1, "checks": 2, "file_id": number
    }  # fmt: skip


def _index(catalog: Catalog, rows: NDArray[np.int64]) -> None:
    """Index the sketches: no key has more than LISTED pieces."""
    rows = np.unique(rows[np.lexsort((rows[:, 1], rows[:, 0]))], axis=0)
    starts = np.searchsorted(rows[:, 0], rows[:, 0], "left")
    rows = rows[np.arange(len(rows)) - starts < LISTED]
    for start in range(0, len(rows), 100 * _CHUNK):
        with catalog.writing() as session:
            chunk = rows[start : start + 100 * _CHUNK].tolist()
            insert_postings(session, list(map(tuple, chunk)))


def _shard(catalog: Catalog, count: int) -> None:
    """A shard of the training pieces."""
    with catalog.writing() as session:
        session.execute(insert(TokenizerRow), [_tokenizer()])
        shard = {
            "id": 1, "tokenizer_id": 1, "split": "train", "pieces": "made", "length": count * 100,
            "path": "shards/made.safetensors",
        }  # fmt: skip
        session.execute(insert(ShardRow), [shard])
        for start in range(0, count, _CHUNK):
            ids = range(start + 1, min(start + _CHUNK, count) + 1)
            session.execute(insert(SpanRow), list(_spans(ids)))


def _spans(ids: range) -> Iterator[dict[str, Any]]:
    for number in ids:
        yield {"shard_id": 1, "file_id": number, "offset": 100 * number, "length": 100}


def _tokenizer() -> dict[str, Any]:
    return {"id": 1, "fingerprint": "made", "name": "events", "config": {}}


def write_music(folder: Path, count: int, seed: int) -> None:
    """Write `count` MIDI files of one track with made-up melodies."""
    chance = random.Random(seed)
    names = Names(seed)
    composers = names.composers(20)
    for number in range(count):
        place = folder / chance.choice(composers) / f"{names.title(number)}.mid"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(_melody(chance, 200))


def _melody(chance: random.Random, notes: int) -> bytes:
    track = bytearray(b"\x00\xff\x51\x03\x07\xa1\x20")
    for pitch in chance.choices(range(48, 84), k=notes):
        track += bytes((0, 0x90, pitch, 80)) + b"\x81\x70" + bytes((0x80, pitch, 0))
    track += b"\x00\xff\x2f\x00"
    header = b"MThd" + (6).to_bytes(4, "big") + bytes((0, 0, 0, 1, 1, 0xE0))
    return header + b"MTrk" + len(track).to_bytes(4, "big") + bytes(track)


def common_name(catalog: Catalog) -> str:
    """The composer with the most files."""
    counts: Counter[str] = Counter()
    for row in catalog.composers():
        counts[row["name"]] = row["files"]
    return counts.most_common(1)[0][0]
