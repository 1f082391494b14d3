"""A composition as a file: MIDI with a marker at each section, or text as it is."""

from __future__ import annotations

from pathlib import Path

from symusic.core import KeySignatureTick, ScoreTick, TempoTick, TimeSignatureTick

from musictk.errors import MusictkError, UsageError
from musictk.files import write_bytes
from musictk.generation.compose import Composition
from musictk.generation.markers import section_ticks
from musictk.generation.new_bars import cut_short, new_bars
from musictk.generation.request import PieceRequest
from musictk.jobs.given import Given
from musictk.rendering import midi
from musictk.rendering.abc import abc_to_score
from musictk.rendering.continuation import append
from musictk.tokens import Tokenizer

_MIDI = (".mid", ".midi")


def check_name(out: Path | None, tokenizer: Tokenizer) -> None:
    """Before anything is composed."""
    if out is not None and out.suffix.lower() not in _MIDI and "midi" in tokenizer.reads:
        raise UsageError(
            f"{out} does not end in .mid", "a sound file is made of it by: musictk render out.mid"
        )


def target(
    out: Path | None, name: str, request: PieceRequest, row: int, tokenizer: Tokenizer
) -> Path:
    default = "abc" if "abc" in tokenizer.reads else "mid"
    path = out or Path(f"{name}-{request.seed}.{default}")
    return path if request.count == 1 else path.with_stem(f"{path.stem}-{row + 1}")


def write_composition(
    tokenizer: Tokenizer,
    composition: Composition,
    path: Path,
    given: Given | None = None,
    new_only: bool = False,
) -> list[str]:
    """Decode and write it: MIDI with a marker at each section, or text as it is.

    With `given` music, whose bars the composition begins with, that music is written as it was and
    only what follows is decoded; `new_only` leaves it out. Returns notices of what a file cannot
    hold.
    """
    if given is not None:
        return _write_behind(tokenizer, composition, path, given, new_only)
    sequence = composition.sequence
    if new_only:
        sequence = sequence[len(composition.request.used_prompt) :]
    piece = tokenizer.decode(sequence)
    if isinstance(piece, str) and path.suffix.lower() not in _MIDI:
        write_bytes(path, piece.encode("utf-8", "replace"))
        return []
    if isinstance(piece, str):
        score, ticks = _sounding(piece, path), _abc_section_ticks(composition, tokenizer)
    else:
        score, ticks = piece, section_ticks(composition, tokenizer, piece)
    return midi.write(score, [midi.SectionSpan(*each) for each in ticks], path)


def _write_behind(
    tokenizer: Tokenizer, composition: Composition, path: Path, given: Given, new_only: bool
) -> list[str]:
    """The given music and the new bars, or those alone with the tempo, metre and key in force."""
    new, ticks = new_bars(tokenizer, composition)
    if given.most:
        new, ticks = cut_short(
            new, ticks, given.most * new.ticks_per_quarter // given.place.quarter
        )
    sections = [midi.SectionSpan(*each) for each in ticks]
    if not new_only:
        write_bytes(path, append(given.data, given.place, new, sections, given.instruments))
        return []
    new.tempos.append(TempoTick(0, mspq=given.tempo))
    over, under = given.place.metre
    first = next((sign for sign in new.time_signatures if sign.time == 0), None)
    if first is None:
        new.time_signatures.append(TimeSignatureTick(0, over, under))
    elif first.numerator * under == over * first.denominator:
        first.numerator, first.denominator = over, under
    if given.key is not None:
        new.key_signatures.append(KeySignatureTick(0, *given.key))
    return midi.write(new, [section for section in sections if section.start >= 0], path)


def _sounding(text: str, path: Path) -> ScoreTick:
    """The music that ABC notation stands for; a text that is none is kept beside `path`."""
    try:
        return abc_to_score(text)
    except MusictkError as error:
        kept = path.with_suffix(".txt")
        write_bytes(kept, text.encode("utf-8", "replace"))
        raise MusictkError(
            f"{error.message}, so {path.name} cannot be written",
            f"the text is in {kept}; give a name that ends in .abc or .txt to have no music made",
        ) from error


def _abc_section_ticks(
    composition: Composition, tokenizer: Tokenizer
) -> list[tuple[str, int, int]]:
    """As `section_ticks`, but heard: written bars may be longer or shorter than the metre says."""
    ticks: list[tuple[str, int, int]] = []
    start = 0
    for span in composition.sections:
        try:
            stop = abc_to_score(str(tokenizer.decode(composition.sequence[: span.end]))).end()
        except MusictkError:
            stop = start  # no note so far
        if stop > start:
            ticks.append((span.label, start, stop))
        start = stop
    return ticks
