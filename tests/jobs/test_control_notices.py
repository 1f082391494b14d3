"""What is written instead of the controls and options that were chosen is said before."""

from __future__ import annotations

from musictk.generation.chosen_controls import ChosenControl

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
