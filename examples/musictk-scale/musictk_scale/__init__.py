"""A plugin that offers one sampler: `musictk sample --sampler scale:root=2,mode=minor`."""

from musictk.plugin import Register, hookimpl


@hookimpl
def register_samplers(register: Register) -> None:
    register("scale", "musictk_scale.sampler:Scale", "only the notes of one scale")
