"""The key of a piece, as the catalog states it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mido
import pytest

from musictk.catalog import Catalog
from musictk.ingest import IngestReport

Run = Callable[..., IngestReport]
D_MAJOR, B_MINOR = (50, 62, 66, 69, 62, 64, 66, 61, 62), (47, 59, 62, 66, 59, 58, 61, 55, 59)


def written(folder: Path, pitches: tuple[int, ...], sign: str | None, channel: int = 0) -> Path:
    file, track = mido.MidiFile(), mido.MidiTrack()
    file.tracks.append(track)
    if sign is not None:
        track.append(mido.MetaMessage("key_signature", key=sign))
    for pitch in pitches:
        track.append(mido.Message("note_on", channel=channel, note=pitch, velocity=80))
        track.append(mido.Message("note_off", channel=channel, note=pitch, time=480))
    folder.mkdir()
    file.save(folder / "a.mid")
    return folder


@pytest.mark.parametrize(
    ("pitches", "sign", "key"),
    [
        (D_MAJOR, "D", "D major"),
        (B_MINOR, "D", "B minor"),  # many programs write the major key
        (D_MAJOR, "Bm", "B minor"),  # a minor key is not written by mistake
        (B_MINOR, "C", "B minor"),  # the default of many programs
        (D_MAJOR, None, "D major"),
    ],
)
def test_the_key_is_that_of_the_signature_which_the_notes_fit(
    run: Run, catalog: Catalog, tmp_path: Path, pitches: tuple[int, ...], sign: str, key: str
) -> None:
    run(written(tmp_path / "music", pitches, sign))
    assert [row["key"] for row in catalog.files()] == [key]


def test_drums_have_no_key(run: Run, catalog: Catalog, tmp_path: Path) -> None:
    run(written(tmp_path / "music", (36, 38, 42, 46) * 4, "D", channel=9))
    assert [(row["notes"], row["key"]) for row in catalog.files()] == [(16, None)]


def test_keys_of_real_pieces(run: Run, catalog: Catalog, midis: Path) -> None:
    run(midis / "Grieg", midis / "Satie")
    keys = {Path(row["path"]).stem: row["key"] for row in catalog.files()}
    assert keys["peer_gynt_ases_death"] == "B minor"
