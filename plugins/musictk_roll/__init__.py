"""The piano-roll transformer."""

from musictk.plugin import Register, hookimpl


@hookimpl
def register_architectures(register: Register) -> None:
    register(
        "roll",
        "musictk_roll.model:Roll",
        "post-norm transformer with sinusoidal positions",
    )
