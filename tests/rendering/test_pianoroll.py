from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk.errors import MusictkError
from musictk.music import bars
from musictk.rendering import pianoroll
from musictk.rendering.midi import SectionSpan
from musictk.rendering.roll import PALETTE, pitch_name

MIDIS = Path(__file__).parents[2] / "examples" / "midis"


def form(score: ScoreTick) -> list[SectionSpan]:
    """A B A over a piece's bars."""
    edges = bars(score).tolist()
    third = len(edges) // 3
    return [
        SectionSpan("A", 0, edges[third]),
        SectionSpan("B", edges[third], edges[2 * third]),
        SectionSpan("A", edges[2 * third], edges[-1]),
    ]


def colours(path: Path) -> set[str]:
    """The pure colours of a picture, as in PALETTE."""
    pixels = (imread(path)[..., :3] * 255).round().astype(int).reshape(-1, 3)
    return {"#{:02x}{:02x}{:02x}".format(*pixel) for pixel in np.unique(pixels, axis=0)}


def test_each_section_wears_its_colour(tmp_path: Path) -> None:
    score = ScoreTick(MIDIS / "Bach" / "musette_anh126.mid")
    pianoroll.draw(score, form(score), tmp_path / "roll.png", "Musette")
    seen = colours(tmp_path / "roll.png")
    assert {PALETTE[0], PALETTE[1]} <= seen
    assert PALETTE[2] not in seen


def test_a_long_piece_is_broken_into_lines(tmp_path: Path) -> None:
    short, long = MIDIS / "Bach" / "musette_anh126.mid", MIDIS / "Joplin" / "the_entertainer.mid"
    for stem, path in (("short", short), ("long", long)):
        pianoroll.draw(ScoreTick(path), [], tmp_path / f"{stem}.png")
    height, width = imread(tmp_path / "long.png").shape[:2]
    assert height > 3 * imread(tmp_path / "short.png").shape[0]
    assert width < 2500


def test_no_line_holds_a_single_bar(tmp_path: Path) -> None:
    score = ScoreTick(480)
    track = TrackTick()
    for bars_played in (32, 33):
        track.notes.append(NoteTick((bars_played - 1) * 1920, 480, 60, 80))
        score.tracks.clear()
        score.tracks.append(track)
        pianoroll.draw(score, [], tmp_path / f"{bars_played}.png")
    assert imread(tmp_path / "32.png").shape == imread(tmp_path / "33.png").shape


def test_titles_are_text_and_not_formulas(tmp_path: Path) -> None:
    score = ScoreTick(MIDIS / "Bach" / "musette_anh126.mid")
    label = r"$\frac$"
    pianoroll.draw(score, [SectionSpan(label, 0, 15360)], tmp_path / "roll.png", label)
    assert (tmp_path / "roll.png").stat().st_size > 10_000


def test_nothing_to_draw_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MusictkError, match="no pitched notes"):
        pianoroll.draw(ScoreTick(480), [], tmp_path / "roll.png")
    assert not list(tmp_path.iterdir())


def scale() -> ScoreTick:
    """One octave up, eight quarters, C4 to C5."""
    score = ScoreTick(480)
    track = TrackTick()
    for index, pitch in enumerate((60, 62, 64, 65, 67, 69, 71, 72)):
        track.notes.append(NoteTick(index * 480, 480, pitch, 80))
    score.tracks.append(track)
    return score


def test_text_shows_pitch_upwards_and_time_to_the_right() -> None:
    score = scale()
    lines = pianoroll.text(
        score, [SectionSpan("A", 0, 1920), SectionSpan("B", 1920, 3840)], 44
    ).split("\n")
    assert lines[0] == "    │A                  │B"
    drawn = [line[4:] for line in lines[1:-1] if line[4:].strip()]
    first = [len(line) - len(line.lstrip()) for line in drawn]
    assert first == sorted(first, reverse=True), "the scale rises"
    named = [line.split()[0] for line in lines if re.match(r" *C\d", line)]
    assert named == ["C5", "C4"]
    assert max(len(line) for line in lines) <= 44


def test_text_is_coloured_by_section_on_request() -> None:
    score = scale()
    sections = [SectionSpan("A", 0, 1920), SectionSpan("B", 1920, 3840)]
    plain = pianoroll.text(score, sections, 60)
    painted = pianoroll.text(score, sections, 60, colour=True)
    assert "\x1b" not in plain
    for colour in PALETTE[:2]:
        red, green, blue = bytes.fromhex(colour[1:])
        assert f"\x1b[38;2;{red};{green};{blue}m" in painted
    stripped = re.sub(r"\x1b\[[0-9;]*m", "", painted)
    assert stripped == plain


@pytest.mark.parametrize("path", sorted(MIDIS.rglob("*.mid"))[::4], ids=lambda path: path.stem)
def test_text_fits_the_terminal(path: Path) -> None:
    score = ScoreTick(path)
    lines = pianoroll.text(score, form(score), width=80, height=24).split("\n")
    assert max(len(line) for line in lines) <= 80
    assert len(lines) <= 27


def test_names_of_pitches() -> None:
    assert [pitch_name(pitch) for pitch in (0, 60, 61, 69, 127)] == [
        "C-1",
        "C4",
        "C♯4",
        "A4",
        "G9",
    ]
