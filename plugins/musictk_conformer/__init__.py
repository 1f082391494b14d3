"""Conformer with multi-scale local attention."""

from musictk.plugin import Register, hookimpl


@hookimpl
def register_architectures(register: Register) -> None:
    register(
        "conformer",
        "musictk_conformer.model:Conformer",
        "multi-scale local attention + convolution, hyper-connections",
    )
