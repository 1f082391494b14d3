"""What reaches the terminal: never control characters, never markup."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musictk.cli.output import Output, safe
from tests.cli.shell import Shell


@given(st.text(st.characters(codec=None)))
def test_safe_text_is_one_printable_line(text: str) -> None:
    shown = safe(text)
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown
    assert shown.encode("utf-8").decode("utf-8") == shown


def test_markup_in_a_name_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table([{"name": "[/x].mid", "title": "[red]\x1b[31mhot"}])
    printed = capsys.readouterr().out
    assert "[/x].mid" in printed
    assert "[red]" in printed
    assert "\x1b" not in printed


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    Output(json=True).table([{"name": "a", "pieces": 3}])
    assert json.loads(capsys.readouterr().out) == [{"name": "a", "pieces": 3}]


def test_quiet_hides_notes_but_not_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(quiet=True)
    output.note("a note")
    output.warn("a warning")
    shown = capsys.readouterr().err
    assert "a note" not in shown
    assert "a warning" in shown


def test_after_an_ingest_without_music_training_is_not_proposed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    code, out, _ = Shell(tmp_path).here(capsys, "ingest", "empty")
    assert code == 0
    assert "next: musictk ingest FOLDER, with MIDI files" in out
