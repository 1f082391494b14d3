"""What is written instead of the controls and options that were chosen is said before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from symusic.core import ScoreTick

from musictk.errors import UsageError
from musictk.generation.chosen_controls import ChosenControl
from musictk.generation.control_text import parse_controls
from musictk.generation.opening import described
from musictk.music import bars

from .conftest import BACH, Notices, Studio

PIECE = BACH / "musette_anh126.mid"

CHORDS = ChosenControl("", "chord", "Cmaj7/E | Dm7b5 G | Cmaj F#- | Am")


def test_values_without_a_name(studio: Studio) -> None:
    said, dense = Notices(), ChosenControl("", "density", "30")
    studio.sample("remi", said, bars=4, controls=(CHORDS, dense))
    (text,) = (each for each in said.texts if "the model is given" in each)
    assert "chord=Cmaj7/E as C, chord=Dm7b5 G as Ddim G, density=30 as more than 8:" in text


def test_values_that_repeat(studio: Studio) -> None:
    said = Notices()
    studio.sample("remi", said, bars=5, controls=(CHORDS,))
    assert "the 4 values of chord repeat over 5 bars" in said.texts


def test_options_of_sections_that_return(studio: Studio) -> None:
    said, options = Notices(), {"variation": 0.5, "ramp": 1}
    studio.sample("remi", said, bars=1, options=options)
    assert any(text.startswith("--variation, --ramp without effect") for text in said.texts)
    said = Notices()
    studio.sample("remi", said, form="ABA", bars=1, options=options)
    assert not any("without effect" in text for text in said.texts)


@pytest.mark.parametrize(
    ("asked", "options", "said"),
    [
        ({"form": "ABA"}, {"variation": 0.0, "blend": 0.2}, "--blend without effect: with"),
        ({"form": "AA"}, {"contrast": 2.0}, "--contrast without effect: no new section"),
        ({}, {"prompt_tokens": 20}, "--prompt-tokens without effect: there is no prompt"),
        ({}, {"guidance": 4.0}, "--guidance without effect: no label, and no control"),
        ({}, {"temperature": 0.0, "top_k": 3}, "--top-k without effect: --temperature 0"),
        ({"infill": PIECE}, {"contrast": 2.0}, "--contrast without effect: the bars of a file"),
        ({"accompany": PIECE}, {"prompt_tokens": 20}, "--prompt-tokens without effect: a part"),
    ],
)
def test_options_without_effect(
    studio: Studio, asked: dict[str, Any], options: dict[str, Any], said: str
) -> None:
    """They are announced, and the piece is the same without the last of them."""
    ear, asked = Notices(), {"bars": 2, **asked}
    out, _ = studio.sample("remi", ear, **asked, options=options)
    with_them = out.read_bytes()
    (text,) = (each for each in ear.texts if "without effect" in each)
    assert text.startswith(said)
    others = dict([*options.items()][:-1])
    studio.sample("remi", ear, **asked, options=others)
    assert out.read_bytes() == with_them


def test_options_with_effect_are_not_announced(studio: Studio) -> None:
    used: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"form": "ABA'"}, {"variation": 0.0, "blend": 0.2, "contrast": 1.0}),
        ({"prompt": PIECE}, {"prompt_tokens": 20, "top_k": 3}),
        ({"infill": PIECE}, {"prompt_tokens": 20}),
        ({"labels": {"composer": "OTHER"}}, {"guidance": 4.0}),
        ({"controls": parse_controls("density=low")}, {"guidance": 4.0}),
        ({"infill": PIECE, "keep": "harmony"}, {"guidance": 4.0}),
        ({}, {"variation": 0.3, "guidance": 1.5, "prompt_tokens": 0}),  # the defaults
    ]
    for asked, options in used:
        ear = Notices()
        studio.sample("remi", ear, **{"bars": 2, **asked}, options=options)
        assert not any("without effect" in text for text in ear.texts), ear.texts


def test_more_memory_than_the_model_has(studio: Studio) -> None:
    ear = Notices()
    studio.sample("remi", ear, bars=1, options={"memory": 5000})
    assert "--memory 5,000 is more than the model's context: 256 is used" in ear.texts


def test_controls_of_bars_that_are_not_written(studio: Studio) -> None:
    ear = Notices()
    controls = parse_controls(["1-3: density=low", "8-2000000000: key=C, density=high", "key=C"])
    studio.sample("remi", ear, infill=PIECE, bars="3,8-9", controls=controls)
    assert [text for text in ear.texts if "without effect" in text] == [
        "density=low without effect in bars 1-2: only bars 3, 8-9 are written",
        "key=C, density=high without effect in bars 10-2000000000: only bars 3, 8-9 are written",
    ]
    ear = Notices()
    controls = parse_controls(["A: density=low", "1-3: key=C", "B: key=G", "key=C"])
    theme = bars_from(PIECE, studio.folder / "theme.mid", 2)
    studio.sample("remi", ear, theme=theme, form="ABA", bars=2, controls=controls)
    assert [text for text in ear.texts if "without effect" in text] == [
        "density=low, key=C without effect in bars 1-2: the theme is kept unchanged"
    ]


def test_controls_of_a_theme_alone_are_refused(studio: Studio) -> None:
    theme = bars_from(PIECE, studio.folder / "theme.mid", 2)
    for control in ("A: density=low", "1-2: key=C"):
        with pytest.raises(UsageError, match="is for the theme only, which is kept unchanged"):
            studio.sample("remi", theme=theme, form="AB", controls=parse_controls([control]))


def bars_from(piece: Path, path: Path, count: int) -> Path:
    """The first bars of a piece."""
    score = ScoreTick(piece)
    score.clip(0, int(bars(score)[count]), clip_end=True).dump_midi(path)
    return path


def test_controls_that_left_nothing_to_write_are_named(studio: Studio) -> None:
    piece = studio.workspace.root / "midis" / "chorale_bwv347.mid"
    kept = {"keep": "rhythm", "controls": parse_controls(["key=C", "2: lowest=60, highest=60"])}
    for name in ("remi", "events", "pianoroll"):
        _, batch = studio.sample(name, infill=piece, bars="2-3", **kept)
        assert described(batch.made[0].composition.notices) == [
            "bar 2: the controls (highest, lowest) left nothing to write,"
            " so a note does not follow them"
        ]
    many = parse_controls("polyphony=6, lowest=60, highest=62, tempo=90, key=C major")
    _, batch = studio.sample("remi", bars=2, controls=many)
    said = [text.partition(": ")[2] for text in described(batch.made[0].composition.notices)]
    assert any(text.startswith("the controls (highest, lowest, polyphony) left") for text in said)
