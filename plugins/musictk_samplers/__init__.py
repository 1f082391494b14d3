"""The usual links of a sampling chain."""

from musictk.plugin import Register, hookimpl


@hookimpl
def register_samplers(register: Register) -> None:
    register(
        "temperature",
        "musictk_samplers.chain:Temperature",
        "divide the logits",
    )
    register(
        "top-k",
        "musictk_samplers.chain:TopK",
        "keep the k likeliest",
    )
    register(
        "top-p",
        "musictk_samplers.chain:TopP",
        "keep the likeliest that make up p",
    )
    register(
        "min-p",
        "musictk_samplers.chain:MinP",
        "keep those at least min-p times as likely as the best",
    )
    register(
        "repetition",
        "musictk_samplers.repetition:Repetition",
        "make notes played a moment ago less likely",
    )
