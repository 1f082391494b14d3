"""Frames of 128 pitches."""

from musictk.plugin import Register, hookimpl


@hookimpl
def register_tokenizers(register: Register) -> None:
    register(
        "pianoroll",
        "musictk_pianoroll.tokenizer:PianoRoll",
        "frames of 128 pitches at a fixed rate",
    )
