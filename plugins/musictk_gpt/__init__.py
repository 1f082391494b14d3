"""GPT-2 with options."""

from musictk.plugin import Register, hookimpl


@hookimpl
def register_architectures(register: Register) -> None:
    register(
        "gpt",
        "musictk_gpt.model:GPT",
        "GPT-2: full attention; rotary, RMSNorm, SwiGLU as options",
    )
