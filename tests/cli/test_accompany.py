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


def test_music_of_drums_alone_is_named(shell: Shell) -> None:
    """The model writes no drums."""
    file = mido.MidiFile(type=1)
    for name, channel in (("kit", 9), ("tune", 0)):
        track = file.add_track(name)
        for pitch in (38, 42) * 8:
            track.append(mido.Message("note_on", channel=channel, note=pitch, velocity=80))
            track.append(mido.Message("note_off", channel=channel, note=pitch, time=480))
    file.save(shell.directory / "both.mid")
    file.tracks.pop()
    file.save(shell.directory / "drums.mid")
    only = "it has no pitched note, only drums"
    train = "musictk train --tokenizer remi --set tokens.programs=true"
    other = f"choose a file with other notes, or train one that does: {train}"
    for asked, message in (
        (("--accompany", "drums.mid"), f"cannot read the given part: {only}; {other}"),
        (("--accompany", "both.mid", "--track", "kit"), f"{only}; choose another track with"),
        (("--infill", "drums.mid", "--bars", "2"), f"this model writes no drums; {other}"),
        (("--infill", "both.mid", "--bars", "2", "--track", "kit"), "choose another track with"),
        (("--prompt", "drums.mid"), f"cannot continue drums.mid: {only}; choose another file"),
    ):
        done = shell("sample", *asked, "-o", "out.mid", code=2)
        (line,) = done.stderr.strip().splitlines()
        assert message in line


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
