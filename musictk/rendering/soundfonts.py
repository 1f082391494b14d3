"""Find the soundfont to render with, and check it before a C library reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from musictk.errors import MusictkError
from musictk.files import cause, open_regular, scratch, writing
from musictk.rendering.soundfont_format import read
from musictk.rendering.soundfont_samples import corrected

BUILT_IN = Path(__file__).parent / "soundfont" / "FluidR3Mono_GM.sf3"  # General MIDI
USER_FOLDERS = ("~/.local/share/soundfonts", "~/Library/Audio/Sounds/Banks")


def find_soundfont() -> Path:
    """The first soundfont in the user's own folders, else the built-in one.

    Raises MusictkError where there is none.
    """
    for place in USER_FOLDERS:
        for path in sorted(Path(place).expanduser().glob("*.sf[23]")):
            return path
    if BUILT_IN.is_file():
        return BUILT_IN
    message = f"the built-in soundfont {BUILT_IN} is missing"
    raise MusictkError(message, "reinstall musictk, or give one with --soundfont FILE")


def check_soundfont(path: Path) -> None:
    """Raise MusictkError for a file that is no intact soundfont.

    The synthesizer does not check the references between presets, instruments and samples, and
    crashes where one is wrong (SoundFont Technical Specification 2.04, section 7).
    """
    _corrected(path, rate=44_100, highest=0)


@contextmanager
def playable(path: Path, rate: int, highest: int) -> Iterator[Path]:
    """The soundfont to give the synthesizer; raises as `check_soundfont` does.

    A temporary copy where something had to be corrected. `rate`: samples per second of the audio;
    `highest`: the highest note (MIDI), for which a loop must be long enough.
    """
    data = _corrected(path, rate, highest)
    if data is None:
        yield path
        return
    with scratch() as folder:
        copy = folder / path.name
        with writing(copy):
            copy.write_bytes(data)
        yield copy


def _corrected(path: Path, rate: int, highest: int) -> bytes | None:
    """The content of a soundfont with what the synthesizer can play; None where it is the same."""
    try:
        with open_regular(path) as file:
            data = file.read()
    except OSError as error:
        message = f"the soundfont {path} cannot be read: {cause(error)}"
        raise MusictkError(message, "choose an .sf2 or .sf3 file") from error
    if data[:4] != b"RIFF" or data[8:12] != b"sfbk":
        raise MusictkError(f"{path} is not a soundfont", "choose an .sf2 or .sf3 file")
    try:
        return corrected(read(data), data, rate, highest)
    except (KeyError, ValueError) as error:
        hint = "choose another .sf2 or .sf3 file with --soundfont"
        raise MusictkError(f"the soundfont {path} is damaged", hint) from error
