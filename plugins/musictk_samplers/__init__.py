"""The usual samplers: temperature, top-k, top-p, min-p and a repetition penalty."""

from musictk.plugin import Register, hookimpl


@hookimpl
def register_samplers(register: Register) -> None:
    register(
        "temperature",
        "musictk_samplers.chain:Temperature",
        "softmax temperature: divide the logits",
    )
    register(
        "top-k",
        "musictk_samplers.chain:TopK",
        "keep the k most likely",
    )
    register(
        "top-p",
        "musictk_samplers.chain:TopP",
        "nucleus: keep the most likely that make up p",
    )
    register(
        "min-p",
        "musictk_samplers.chain:MinP",
        "keep those at least p times as likely as the most likely",
    )
    register(
        "repetition",
        "musictk_samplers.repetition:Repetition",
        "repetition penalty on recent notes",
    )
