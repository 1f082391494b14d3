"""Music Transformer: skewed relative attention."""

from musictk.plugin import Register, hookimpl


@hookimpl
def register_architectures(register: Register) -> None:
    register(
        "relative",
        "musictk_relative.model:Relative",
        "Music Transformer: relative attention by skewing",
    )
