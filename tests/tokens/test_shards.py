"""Shards keep what was written, and damaged shards are reported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors import safe_open

from musictk.errors import MusictkError
from musictk.tokens import Frames, Tokens
from musictk.tokens.shards import open_shard, write_shard

from .examples import Plain, frames_shard, tokens_shard


def test_ids_come_back_as_they_were(tmp_path: Path) -> None:
    shard = tokens_shard(tmp_path / "a.safetensors", [5, 0, 70])
    assert shard.sequence.dtype == np.uint16
    assert shard.lengths.tolist() == [5, 0, 70]
    assert shard.files.tolist() == [10, 11, 12]
    assert shard.piece(0).tolist() == [3, 4, 5, 6, 7]
    assert shard.piece(2).tolist() == list(range(203, 273))
    assert shard.space == Tokens(1000)


def test_large_vocabularies_get_wider_ids(tmp_path: Path) -> None:
    write_shard(tmp_path / "a", Plain(Tokens(70_000)), [(1, np.array([69_999]))])
    shard = open_shard(tmp_path / "a")
    assert shard.sequence.dtype == np.uint32
    assert shard.piece(0).tolist() == [69_999]


@pytest.mark.parametrize("width", [128, 12])
def test_frames_are_packed_and_come_back(tmp_path: Path, width: int) -> None:
    rng = np.random.default_rng(0)
    frames = (rng.random((33, width)) < 0.5).astype(np.uint8)
    write_shard(tmp_path / "a", Plain(Frames(width)), [(1, frames)])
    shard = open_shard(tmp_path / "a")
    assert shard.sequence.shape == (33, -(-width // 8))
    assert np.array_equal(shard.piece(0), frames)
    assert np.array_equal(shard.crop(3, 9), frames[3:9])


def test_other_programs_can_read_a_shard(tmp_path: Path) -> None:
    shard = frames_shard(tmp_path / "a.safetensors", [7, 9])
    with safe_open(str(shard.path), "numpy") as opened:
        assert opened.metadata()["fingerprint"] == shard.fingerprint
        assert np.array_equal(opened.get_tensor("sequence"), shard.sequence)
        assert opened.get_tensor("offsets").tolist() == [0, 7, 16]


def test_the_digest_is_of_the_music_alone(tmp_path: Path) -> None:
    one = tokens_shard(tmp_path / "one", [5, 7])
    assert tokens_shard(tmp_path / "again", [5, 7]).digest == one.digest
    assert tokens_shard(tmp_path / "cut", [7, 5]).digest != one.digest
    write_shard(tmp_path / "ids", Plain(one.space), [(70, one.piece(0)), (71, one.piece(1))])
    assert open_shard(tmp_path / "ids").digest == one.digest
    write_shard(tmp_path / "other", Plain(one.space), [(70, one.piece(0)), (71, one.piece(1) + 1)])
    assert open_shard(tmp_path / "other").digest != one.digest
    frames = frames_shard(tmp_path / "frames", [7, 9]).digest
    assert frames not in (one.digest, frames_shard(tmp_path / "more", [7, 10]).digest)


def test_an_empty_shard_opens(tmp_path: Path) -> None:
    shard = tokens_shard(tmp_path / "a", [])
    assert len(shard.files) == 0
    assert len(shard.sequence) == 0


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    tokens_shard(tmp_path / "a", [5])

    def breaking() -> Iterator[tuple[int, NDArray[Any]]]:
        yield 1, np.array([3])
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError):
        write_shard(tmp_path / "a", Plain(Tokens(1000)), breaking())
    assert open_shard(tmp_path / "a").lengths.tolist() == [5]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("space", "sequence"),
    [
        (Tokens(10), np.array([3, 10])),
        (Tokens(10), np.array([-1])),
        (Tokens(10), np.zeros((2, 2), np.int64)),
        (Frames(128), np.zeros((4, 127), np.uint8)),
    ],
)
def test_a_sequence_of_another_space_is_refused(
    tmp_path: Path, space: Tokens | Frames, sequence: NDArray[Any]
) -> None:
    with pytest.raises(ValueError, match=r"outside|are not"):
        write_shard(tmp_path / "a", Plain(space), [(1, sequence)])


def test_a_missing_shard_names_itself(tmp_path: Path) -> None:
    with pytest.raises(MusictkError, match="nowhere"):
        open_shard(tmp_path / "nowhere")


@pytest.mark.parametrize("kept", [0, 7, 100, 4096, -1])
def test_a_shard_cut_short_is_refused(tmp_path: Path, kept: int) -> None:
    path = tokens_shard(tmp_path / "a", [50, 60]).path
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(MusictkError, match="tokenize again"):
        open_shard(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"U16"', b'"I64"'),
        (b"musictk-shard-1", b"musictk-shard-9"),
        (b'"offsets"', b'"offsetz"'),
        (b'"shape": [110]', b'"shape": [111]'),
        (b'"dtype"', b'"dtypf"'),
        (b'"__metadata__": {', b'"__metadata__": ['),
    ],
)
def test_a_false_header_is_rejected(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = tokens_shard(tmp_path / "a", [50, 60]).path
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    with pytest.raises(MusictkError, match="cannot be read"):
        open_shard(path)


def test_offsets_that_lead_astray_are_refused(tmp_path: Path) -> None:
    path = tokens_shard(tmp_path / "a", [50, 60]).path
    content = path.read_bytes()
    middle = np.array([50], np.int64).tobytes()
    path.write_bytes(content.replace(middle, np.array([5000], np.int64).tobytes(), 1))
    with pytest.raises(MusictkError, match="offsets"):
        open_shard(path)
