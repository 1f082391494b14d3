"""`musictk sample --infill` and `--section`, as a user types them."""

from __future__ import annotations

from pathlib import Path

import pytest
from symusic.core import ScoreTick

from musictk.music import bars
from tests.cli.shell import Shell

GIVEN = "midis/Bach/musette_anh126.mid"  # 20 bars


def kept(path: Path, first: int, last: int) -> list[tuple[int, int, int, int]]:
    """The notes that begin outside of these bars."""
    score = ScoreTick(path)
    lines = bars(score)
    return sorted(
        (note.time, note.duration, note.pitch, note.velocity)
        for track in score.tracks
        for note in track.notes
        if not lines[first - 1] <= note.time < lines[last]
    )


def test_bars_are_written_again(shell: Shell) -> None:
    made = shell.json(
        "sample", "--infill", GIVEN, "--bars", "9-12", "--count", "2", "-o", "out.mid"
    )
    assert [row["path"] for row in made] == ["out-1.mid", "out-2.mid"]
    assert made[0]["rewritten"]["nats"] <= made[1]["rewritten"]["nats"]
    given = kept(shell.directory / GIVEN, 9, 12)
    for row in made:
        assert row["rewritten"]["bars"] == [[9, 12]]
        assert kept(shell.directory / row["path"], 9, 12) == given
    shown = shell.json("show", f"sample:{made[0]['id']}")
    assert [span[0] for span in shown["sections"]] == ["given", "written", "given"]
    said = shell("sample", "--like", str(made[1]["id"]), "-o", "again.mid").stdout
    assert "bars 9-12 rewritten" in said
    assert "notes removed" in said
    assert "nats per token" in said
    first, again = (shell.directory / name for name in ("out-2.mid", "again.mid"))
    assert first.read_bytes() == again.read_bytes()


def rhythm(path: Path, first: int, last: int) -> list[tuple[int, int]]:
    """The onsets and lengths of the notes that begin in these bars."""
    score = ScoreTick(path)
    lines = bars(score)
    return sorted(
        (note.time, note.duration)
        for track in score.tracks
        for note in track.notes
        if lines[first - 1] <= note.time < lines[last]
    )


def test_the_rhythm_of_the_bars_is_kept(shell: Shell) -> None:
    asked = ("sample", "--infill", GIVEN, "--bars", "9-10,13")
    (made,) = shell.json(*asked, "--keep", "rhythm", "--seed", "1", "-o", "out.mid")
    given, out = shell.directory / GIVEN, shell.directory / "out.mid"
    for first, last in ((9, 10), (13, 13)):
        assert rhythm(out, first, last) == rhythm(given, first, last)
    assert kept(out, 9, 13) == kept(given, 9, 13)
    shell("sample", "--like", str(made["id"]), "-o", "again.mid")
    assert (shell.directory / "again.mid").read_bytes() == out.read_bytes()


def test_the_harmony_of_the_bars_is_kept(shell: Shell) -> None:
    asked = ("sample", "--infill", GIVEN, "--bars", "9-10", "--keep", "harmony")
    shell(*asked, "--seed", "1", "-o", "out.mid")
    assert kept(shell.directory / "out.mid", 9, 10) == kept(shell.directory / GIVEN, 9, 10)


@pytest.mark.parametrize(
    ("asked", "guidance"),
    [
        (("--infill", GIVEN, "--bars", "9"), "1.5"),
        (("--infill", GIVEN, "--bars", "9", "--control", "9: key=G major"), "3"),
        (("--infill", GIVEN, "--bars", "9", "--keep", "harmony"), "3"),
        (("--accompany", GIVEN, "--track", "1", "--control", "key=G major"), "3"),
    ],
)
def test_controls_have_a_default_guidance_of_their_own(
    shell: Shell, asked: tuple[str, ...], guidance: str
) -> None:
    shell("sample", *asked, "--seed", "1", "-o", "usual.mid")
    shell("sample", *asked, "--seed", "1", "--guidance", guidance, "-o", "given.mid")
    usual, given = (shell.directory / name for name in ("usual.mid", "given.mid"))
    assert usual.read_bytes() == given.read_bytes()


def by_track(path: Path) -> list[list[tuple[int, int, int, int]]]:
    """The notes of each track."""
    return [
        sorted((note.time, note.duration, note.pitch, note.velocity) for note in track.notes)
        for track in ScoreTick(path).tracks
    ]


def test_one_track_of_the_bars_is_written_again(shell: Shell) -> None:
    asked = ("sample", "--infill", GIVEN, "--bars", "9-10,13", "--track", "2")
    made = shell.json(*asked, "--count", "2", "--seed", "1", "-o", "out.mid")
    given = shell.directory / GIVEN
    assert made[0]["rewritten"]["nats"] <= made[1]["rewritten"]["nats"]
    for row in made:
        out = shell.directory / row["path"]
        assert by_track(out)[0] == by_track(given)[0]
        assert by_track(out)[1] != by_track(given)[1]
        assert kept(out, 9, 13) == kept(given, 9, 13)
    shell("sample", "--like", str(made[1]["id"]), "-o", "again.mid")
    first, again = (shell.directory / name for name in ("out-2.mid", "again.mid"))
    assert first.read_bytes() == again.read_bytes()


def test_the_melody_of_the_bars_is_kept(shell: Shell) -> None:
    asked = ("sample", "--infill", GIVEN, "--bars", "9-10", "--keep", "melody")
    (made,) = shell.json(*asked, "--seed", "1", "-o", "out.mid")
    given, out = shell.directory / GIVEN, shell.directory / "out.mid"
    assert kept(out, 9, 10) == kept(given, 9, 10)
    assert set(by_track(given)[0]) <= set(by_track(out)[0])  # the right hand is above the left
    assert made["rewritten"]["removed"] > 0
    shell("sample", "--like", str(made["id"]), "-o", "again.mid")
    assert (shell.directory / "again.mid").read_bytes() == out.read_bytes()


def test_every_runtime_writes_bars_again(shell: Shell) -> None:
    shell("export", "--onnx", "--torchscript")
    given = kept(shell.directory / GIVEN, 9, 10)
    for runtime in ("onnx", "torchscript"):
        asked = ("sample", "--runtime", runtime, "--infill", GIVEN, "--bars", "9-10")
        (made,) = shell.json(*asked, "-o", "out.mid")
        assert kept(shell.directory / "out.mid", 9, 10) == given
        shell("sample", "--like", str(made["id"]), "-o", "again.mid")
        first, again = (shell.directory / name for name in ("out.mid", "again.mid"))
        assert first.read_bytes() == again.read_bytes()
        for more in (("--track", "2"), ("--keep", "melody")):
            (made,) = shell.json(*asked, *more, "-o", "part.mid")
            melody, out = (by_track(shell.directory / name)[0] for name in (GIVEN, "part.mid"))
            assert set(melody) <= set(out)
            shell("sample", "--like", str(made["id"]), "-o", "again.mid")
            first, again = (shell.directory / name for name in ("part.mid", "again.mid"))
            assert first.read_bytes() == again.read_bytes()


def test_the_last_bar_of_a_tune_in_abc(shell: Shell) -> None:
    tune = "X:1\nT:t\nM:3/4\nL:1/4\nK:G\nGAB|cde|dcB|G3|\n"
    (shell.directory / "tune.abc").write_text(tune)
    said = shell("sample", "--infill", "tune.abc", "--bars", "4", "-o", "out.mid").stdout
    assert "bar 4 rewritten, 1 note removed" in said


@pytest.mark.parametrize(
    "asked",
    [
        ("--infill", "mine.mid", "--bars", "2"),
        ("--infill", "mine.mid", "--bars", "2", "--count", "2"),
        ("--accompany", "mine.mid"),
        ("--prompt", "mine.mid", "--bars", "2"),
        ("--theme", "mine.mid", "--form", "AB"),
    ],
)
def test_given_music_is_not_replaced(shell: Shell, asked: tuple[str, ...]) -> None:
    mine = shell.directory / "mine.mid"
    mine.write_bytes((shell.directory / GIVEN).read_bytes())
    out = "mine.mid"
    if "--count" in asked:  # the second candidate
        mine.rename(shell.directory / "mine-2.mid")
        asked = tuple(each.replace("mine.mid", "mine-2.mid") for each in asked)
        mine = shell.directory / "mine-2.mid"
    before = mine.read_bytes()
    done = shell("sample", *asked, "-o", out, code=2)
    assert "is the given music, which would be replaced; name another" in done.stderr
    assert mine.read_bytes() == before


def test_a_section_is_written_again(shell: Shell) -> None:
    (first,) = shell.json("sample", "--form", "ABA", "--bars", "2", "--seed", "1", "-o", "a.mid")
    like = ("--like", str(first["id"]), "--section", "B")
    shell("sample", *like, "--seed", "4", "-o", "b.mid")
    assert kept(shell.directory / "a.mid", 3, 4) == kept(shell.directory / "b.mid", 3, 4)
    assert (shell.directory / "a.mid").read_bytes() != (shell.directory / "b.mid").read_bytes()


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (f"--infill {GIVEN} --bars 90-95", "bars 90-95 are outside the piece; it has bars 1 to 20"),
        (f"--infill {GIVEN}", "--infill needs the bars to write again; add --bars, such as 9-12"),
        (f"--infill {GIVEN} --bars 12-9", "--bars 12-9 ends before it begins; write 9-12"),
        (f"--infill {GIVEN} --bars 9 --form A", "--infill cannot be combined with --form"),
        ("--keep rhythm", "--keep needs the bars to write again; add --infill FILE --bars 9-12"),
        (f"--infill {GIVEN} --bars 9 --keep it", "no part of music to keep 'it'"),
        (f"--infill {GIVEN} --bars 9 --track viola", "no track 'viola'; it has: 1 "),
        (f"--infill {GIVEN} --bars 9 --program Cello", "--infill cannot be combined with --progra"),
        ("--track 2", "of which to rewrite a part; add --accompany FILE or --infill FILE"),
        ("--bars 9-12", "--bars '9-12' is not a number of bars; for bars of a file: --infill FILE"),
        ("--bars -2", "--bars '-2' is not a number of bars; write such as --bars 8"),
        ("--section B", "to rewrite it, add --like ID"),
        ("--like 1 --section B --bars 2", "--section cannot be combined with --bars"),
        ("--like 1 --seed 2", "--like cannot be combined with --seed"),
    ],
)
def test_mistakes_are_one_line(
    trained: Shell, capsys: pytest.CaptureFixture[str], typed: str, says: str
) -> None:
    code, _, err = trained.here(capsys, "sample", *typed.split(), "-o", "out.mid")
    assert code == 2
    assert says in err
    assert err.count("\n") == 1
