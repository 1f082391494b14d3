"""Write compositions to files: MIDI with a marker at each section, or text."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from symusic.core import KeySignatureTick, ScoreTick, TempoTick, TempoTickList, TimeSignatureTick

from musictk.errors import MusictkError, UsageError
from musictk.files import require_writable, write_bytes
from musictk.generation.compose import Composition
from musictk.generation.markers import section_ticks
from musictk.generation.metres import known_metres
from musictk.generation.new_bars import cut_short, new_bars
from musictk.generation.request import PieceRequest
from musictk.generation.returning_bars import bars_of_form
from musictk.generation.theme_tempo import returning_tempos
from musictk.jobs.prompt import PromptMusic
from musictk.rendering import midi
from musictk.rendering.abc import abc_to_score
from musictk.rendering.continuation import Repeat, append
from musictk.tokens import Tokenizer

_MIDI = (".mid", ".midi")
AUDIO = (".wav", ".flac", ".mp3", ".ogg", ".aac", ".m4a", ".opus")


def check_name(out: Path | None, tokenizer: Tokenizer) -> None:
    """Raise UsageError for a file name that does not fit the tokenizer, before composing."""
    if out is None or out.suffix.lower() in _MIDI:
        return
    if out.is_dir():
        raise UsageError(f"{out} is a directory", f"name a file in it: -o {out / 'out.mid'}")
    if out.suffix.lower() in AUDIO:
        midi = out.with_suffix(".mid")
        hint = f"compose with -o {midi}, then run: musictk render {midi} -o {out}"
        raise UsageError(f"{out} is the name of an audio file, and sample writes MIDI", hint)
    if "midi" in tokenizer.reads:
        hint = "choose a name that ends in .mid, such as -o out.mid"
        raise UsageError(f"{out} does not end in .mid", hint)


def target(
    out: Path | None, name: str, request: PieceRequest, row: int, tokenizer: Tokenizer
) -> Path:
    """The path of a piece: `out`, numbered if there are several."""
    default = "abc" if "abc" in tokenizer.reads else "mid"
    path = out or Path(f"{name}-{request.seed}.{default}")
    return path if request.count == 1 else path.with_stem(f"{path.stem}-{row + 1}")


def require_targets(
    out: Path | None,
    name: str,
    request: PieceRequest,
    tokenizer: Tokenizer,
    source: Path | None = None,
) -> None:
    """Raise an error if the pieces cannot be written: before minutes of composing.

    UsageError if a piece would replace the file `source`, which was given; else WriteError.
    """
    for row in range(request.count):
        path = target(out, name, request, row, tokenizer)
        if source is not None and path.exists() and source.exists() and path.samefile(source):
            hint = f"name another: -o {path.with_stem(f'{path.stem}-new')}"
            raise UsageError(f"{path} is the given music, which would be replaced", hint)
    for row in {0, request.count - 1}:
        require_writable(target(out, name, request, row, tokenizer))


def write_composition(
    tokenizer: Tokenizer,
    composition: Composition,
    path: Path,
    prompt: PromptMusic | None = None,
    new_only: bool = False,
) -> list[str]:
    """Decode and write it: MIDI with a marker at each section, or text.

    If the composition continues a `prompt`, the prompt's own bytes are written and only the new
    bars are decoded; `new_only` leaves the prompt out. Returns notices of what the file cannot
    represent.
    """
    if prompt is not None:
        return _write_continuation(tokenizer, composition, path, prompt, new_only)
    sequence = composition.sequence
    if new_only:
        sequence = sequence[len(composition.request.used_prompt) :]
    piece = tokenizer.decode(sequence)
    if isinstance(piece, str) and path.suffix.lower() not in _MIDI:
        write_bytes(path, piece.encode("utf-8", "replace"))
        return []
    if isinstance(piece, str):
        score, ticks = _abc_score(piece, path), _abc_section_ticks(composition, tokenizer)
    else:
        score, ticks = piece, section_ticks(composition, tokenizer, piece)
    return midi.write(score, [midi.SectionSpan(*each) for each in ticks], path)


def _write_continuation(
    tokenizer: Tokenizer, composition: Composition, path: Path, prompt: PromptMusic, new_only: bool
) -> list[str]:
    """Write the prompt and the new bars; or the new bars only, in its tempo, metre and key.

    A tempo or a metre that was chosen for the new bars goes before that of the prompt.
    """
    found = new_bars(tokenizer, composition)
    new, ticks = found.music, found.sections
    if prompt.limit:
        new, ticks = cut_short(
            new, ticks, prompt.limit * new.ticks_per_quarter // prompt.place.quarter
        )
    sections = [midi.SectionSpan(*each) for each in ticks]
    chosen = any(tempo.time == 0 for tempo in new.tempos)
    repeats: list[Repeat] = []
    if composition.request.theme:
        theme = prompt.as_theme
        of_form = list(bars_of_form(tokenizer, composition, found, theme))
        tempos = returning_tempos(composition.request, found, of_form, theme)
        new.tempos = TempoTickList(tempos)
        repeats = [
            Repeat(bar.start, bar.stop, bar.repeats) for bar in of_form if bar.repeats is not None
        ]
    elif not chosen:  # as after a ritardando
        new.tempos.insert(0, TempoTick(0, mspq=prompt.tempo))
    _put_metre(new, prompt.place.metre, known_metres(tokenizer), new_only)
    if not new_only:
        if not chosen and prompt.tempo_before == new.tempos[0].mspq:  # in force already
            del new.tempos[0]
        made = append(prompt.data, prompt.place, new, sections, prompt.instruments, repeats)
        write_bytes(path, made)
        return []
    if prompt.key is not None:
        new.key_signatures.append(KeySignatureTick(0, *prompt.key))
    return midi.write(new, [section for section in sections if section.start >= 0], path)


def _put_metre(
    new: ScoreTick, metre: tuple[int, int], known: Collection[str], always: bool
) -> None:
    """Let new bars begin in the metre of the prompt, if they are as long and `known` lacks it.

    `always`: also where the tokens of the new bars state no metre.
    """
    over, under = metre
    first = next((sign for sign in new.time_signatures if sign.time == 0), None)
    if first is None:
        if always:
            new.time_signatures.append(TimeSignatureTick(0, over, under))
    elif f"{over}/{under}" not in known and first.numerator * under == over * first.denominator:
        first.numerator, first.denominator = over, under


def _abc_score(text: str, path: Path) -> ScoreTick:
    """The score of ABC notation; a text that is not ABC is saved next to `path`."""
    try:
        return abc_to_score(text)
    except MusictkError as error:
        saved = path.with_suffix(".txt")
        write_bytes(saved, text.encode("utf-8", "replace"))
        raise MusictkError(
            f"{error.message}, so {path.name} cannot be written",
            f"the text is in {saved}; to write text, use a name that ends in .abc or .txt",
        ) from error


def _abc_section_ticks(
    composition: Composition, tokenizer: Tokenizer
) -> list[tuple[str, int, int]]:
    """Like `section_ticks`, by duration: bars may be longer or shorter than their metre."""
    ticks: list[tuple[str, int, int]] = []
    start = 0
    for span in composition.sections:
        try:
            stop = abc_to_score(str(tokenizer.decode(composition.sequence[: span.end]))).end()
        except MusictkError:
            stop = start  # no note yet
        if stop > start:
            ticks.append((span.label, start, stop))
        start = stop
    return ticks
