"""What is written instead of the controls and options that were chosen is said before."""

from __future__ import annotations

from musictk.generation.chosen_controls import ChosenControl
from musictk.generation.control_text import parse_controls
from musictk.generation.opening import described

from .conftest import Notices, Studio

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
