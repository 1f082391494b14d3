"""Options that no other test of the command line gives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mido
import pytest

from tests.cli.shell import Shell

SAMPLING = {"min_p": 0.05, "blend": 0.25, "contrast": 0.5, "ramp": 3, "guidance": 2.5}


def test_sampling_options_are_kept_with_the_sample(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    first = ("--min-p", "0.05", "--blend", "0.25", "--contrast", "0.5")
    asked = (*first, "--ramp", "3", "--guidance", "2.5")
    given = ("sample", "--form", "AB", "--bars", "1", "--seed", "1", "-o", "a.mid")
    ended, _, said = shell.here(capsys, *given, *asked)
    assert ended == 0, said
    ended, printed, said = shell.here(capsys, "--json", "runs", "show", "conformer-1")
    assert ended == 0, said
    (sample,) = json.loads(printed)["samples"]
    sampling = sample["request"]["sampling"]
    assert {key: sampling[key] for key in SAMPLING} == SAMPLING


def test_the_shares_of_the_splits_can_be_chosen(
    trained: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(trained.directory / "catalog.db", tmp_path)
    shell = Shell(tmp_path)
    ended, printed, said = shell.here(
        capsys, "--json", "catalog", "split", "--valid", "0.3", "--test", "0"
    )
    assert ended == 0, said
    ended, printed, said = shell.here(capsys, "--json", "catalog", "files")
    assert ended == 0, said
    splits = {row["split"] for row in json.loads(printed)}
    assert splits == {"train", "valid"}


def test_a_port_is_chosen_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    track = mido.MidiTrack([mido.Message("note_on", note=60), mido.Message("note_off", note=60)])
    mido.MidiFile(tracks=[track]).save(tmp_path / "one.mid")
    before = mido.backend
    mido.set_backend("tests.rendering.silent_ports")
    try:
        shell = Shell(tmp_path)
        ended, _, said = shell.here(capsys, "play", "one.mid", "--port", "Silent")
        assert ended == 0, said
        ended, _, said = shell.here(capsys, "play", "one.mid", "--port", "Silnt")
    finally:
        mido.set_backend(before)
    assert ended == 2
    assert "did you mean 'Silent'" in said
