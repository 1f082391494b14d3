"""A plugin that offers one bar control: `musictk sample --control "loudness=ff"`."""

from musictk.plugin import Register, hookimpl


@hookimpl
def register_controls(register: Register) -> None:
    register("loudness", "musictk_loudness.control:Loudness", "how loud a bar is, pp to ff")
