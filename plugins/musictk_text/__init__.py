"""Text and ABC notation as byte-pair tokens."""

from musictk.plugin import Register, hookimpl


@hookimpl
def register_tokenizers(register: Register) -> None:
    register(
        "text",
        "musictk_text.tokenizer:Text",
        "byte-pair tokens of .txt and .abc files",
    )
