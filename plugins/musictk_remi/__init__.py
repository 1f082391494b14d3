"""REMI tokens, through MidiTok."""

from musictk.plugin import Register, hookimpl


@hookimpl
def register_tokenizers(register: Register) -> None:
    register(
        "remi",
        "musictk_remi.tokenizer:Remi",
        "bar, position, pitch, velocity, duration (MidiTok REMI)",
    )
