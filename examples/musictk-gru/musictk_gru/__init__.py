"""A plugin in two files: this one is imported by every command, so it imports nothing heavy."""

from musictk.plugin import Register, hookimpl


@hookimpl
def register_architectures(register: Register) -> None:
    register("gru", "musictk_gru.model:GRU", "Gated recurrent units: state of fixed size")
