"""Note-on, note-off, time-shift and velocity events."""

from musictk.plugin import Register, hookimpl


@hookimpl
def register_tokenizers(register: Register) -> None:
    register(
        "events",
        "musictk_events.tokenizer:Events",
        "note-on, note-off, time-shift, velocity",
    )
