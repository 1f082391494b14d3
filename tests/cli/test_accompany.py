"""`sample --accompany`, as a user runs it."""

from __future__ import annotations

from pathlib import Path

import mido

from .shell import Shell


def named(path: Path) -> list[str]:
    """The names of the tracks of a file."""
    return [track.name for track in mido.MidiFile(path).tracks]


def test_a_part_is_written_beside_a_track_and_repeated(shell: Shell) -> None:
    given = "midis/Bach/petzold_menuet_anh114.mid"
    asked = ("--accompany", given, "--track", "1", "--program", "Acoustic Bass", "--bars", "2")
    shell("sample", *asked, "--seed", "1", "-o", "out.mid")
    first = (shell.directory / "out.mid").read_bytes()
    assert named(shell.directory / "out.mid") == [
        *named(shell.directory / given),
        "Acoustic Bass",
    ]
    shell("sample", "--like", "1", "-o", "again.mid")
    assert (shell.directory / "again.mid").read_bytes() == first
    done = shell("sample", "--like", "1", "--section", "B", "-o", "other.mid", code=2)
    assert "sample 1 is a part beside your music, without sections" in done.stderr


def test_errors_are_one_line(shell: Shell) -> None:
    given = "midis/Bach/petzold_menuet_anh114.mid"
    for asked, message in (
        (("--accompany", given, "--track", "viola"), "no track 'viola'; it has: 1 "),
        (("--accompany", given, "--program", "viollin"), "did you mean 'Violin'?"),
        (("--accompany", given, "--form", "AB"), "cannot be combined with --form"),
        (("--track", "1"), "add --accompany FILE"),
        (("--accompany", "gone.mid"), "there is no file 'gone.mid'"),
    ):
        done = shell("sample", *asked, "-o", "out.mid", code=2)
        (line,) = done.stderr.strip().splitlines()
        assert message in line
