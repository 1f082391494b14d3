"""The hooks of the plugin. Every command imports this module, so it imports nothing large."""

from pathlib import Path

import typer

from musictk.plugin import Register, hookimpl


@hookimpl
def register_tokenizers(register: Register) -> None:
    register("melody", "musictk_melody.tokenizer:Melody", "the highest notes, in sixteenths")


@hookimpl
def register_samplers(register: Register) -> None:
    register("top-a", "musictk_melody.sampler:TopA", "keep those above a p_max²")


@hookimpl
def register_commands(app: typer.Typer) -> None:
    app.command()(melody)


def melody(context: typer.Context, file: Path, out: Path = Path("melody.mid")) -> None:
    """Write the melody of a MIDI file: its highest notes."""
    from musictk.cli.context import session
    from musictk.jobs.named_music import read_score
    from musictk.rendering.midi import write
    from musictk_melody.tokenizer import Melody, MelodyConfig

    tokenizer = Melody(MelodyConfig())
    write(tokenizer.decode(tokenizer.encode(read_score(file))), (), out)
    session(context).output.result({"path": str(out)}, f"wrote {out}")
