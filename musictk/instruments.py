"""The General MIDI instruments: their names by program, and the ranges of some."""

from __future__ import annotations

from musictk.errors import UnknownNameError, UsageError

DRUMS = "Drums"
DRUM_KIT = -1  # stands for the drums among programs
FAMILY = 8  # programs of one family
FAMILIES = (
    *("piano", "chromatic percussion", "organ", "guitar", "bass", "strings", "ensemble", "brass"),
    *("reed", "pipe", "synth lead", "synth pad", "synth effects", "ethnic", "percussive"),
    "sound effects",
)

NAMES: tuple[str, ...] = (
    *("Acoustic Grand Piano", "Bright Acoustic Piano", "Electric Grand Piano", "Honky-tonk Piano"),
    *("Electric Piano 1", "Electric Piano 2", "Harpsichord", "Clavinet"),
    *("Celesta", "Glockenspiel", "Music Box", "Vibraphone"),
    *("Marimba", "Xylophone", "Tubular Bells", "Dulcimer"),
    *("Drawbar Organ", "Percussive Organ", "Rock Organ", "Church Organ"),
    *("Reed Organ", "Accordion", "Harmonica", "Tango Accordion"),
    *("Acoustic Guitar (nylon)", "Acoustic Guitar (steel)", "Electric Guitar (jazz)"),
    *("Electric Guitar (clean)", "Electric Guitar (muted)", "Overdriven Guitar"),
    *("Distortion Guitar", "Guitar Harmonics"),
    *("Acoustic Bass", "Electric Bass (finger)", "Electric Bass (pick)", "Fretless Bass"),
    *("Slap Bass 1", "Slap Bass 2", "Synth Bass 1", "Synth Bass 2"),
    *("Violin", "Viola", "Cello", "Contrabass"),
    *("Tremolo Strings", "Pizzicato Strings", "Orchestral Harp", "Timpani"),
    *("String Ensemble 1", "String Ensemble 2", "Synth Strings 1", "Synth Strings 2"),
    *("Choir Aahs", "Voice Oohs", "Synth Voice", "Orchestra Hit"),
    *("Trumpet", "Trombone", "Tuba", "Muted Trumpet"),
    *("French Horn", "Brass Section", "Synth Brass 1", "Synth Brass 2"),
    *("Soprano Sax", "Alto Sax", "Tenor Sax", "Baritone Sax"),
    *("Oboe", "English Horn", "Bassoon", "Clarinet"),
    *("Piccolo", "Flute", "Recorder", "Pan Flute"),
    *("Blown Bottle", "Shakuhachi", "Whistle", "Ocarina"),
    *("Lead 1 (square)", "Lead 2 (sawtooth)", "Lead 3 (calliope)", "Lead 4 (chiff)"),
    *("Lead 5 (charang)", "Lead 6 (voice)", "Lead 7 (fifths)", "Lead 8 (bass + lead)"),
    *("Pad 1 (new age)", "Pad 2 (warm)", "Pad 3 (polysynth)", "Pad 4 (choir)"),
    *("Pad 5 (bowed)", "Pad 6 (metallic)", "Pad 7 (halo)", "Pad 8 (sweep)"),
    *("FX 1 (rain)", "FX 2 (soundtrack)", "FX 3 (crystal)", "FX 4 (atmosphere)"),
    *("FX 5 (brightness)", "FX 6 (goblins)", "FX 7 (echoes)", "FX 8 (sci-fi)"),
    *("Sitar", "Banjo", "Shamisen", "Koto"),
    *("Kalimba", "Bagpipe", "Fiddle", "Shanai"),
    *("Tinkle Bell", "Agogo", "Steel Drums", "Woodblock"),
    *("Taiko Drum", "Melodic Tom", "Synth Drum", "Reverse Cymbal"),
    *("Guitar Fret Noise", "Breath Noise", "Seashore", "Bird Tweet"),
    *("Telephone Ring", "Helicopter", "Applause", "Gunshot"),
)

# Basses, solo strings, brass without sections, reeds and pipes.
_ONE_NOTE = frozenset((*range(32, 44), *range(56, 61), *range(64, 80)))

# The sounding pitches of instruments whose range is narrower than a piano's, by program.
_RANGES: dict[int, tuple[int, int]] = {
    **{9: (79, 108), 11: (53, 89), 12: (45, 96), 13: (65, 108), 14: (60, 77)},  # of mallets
    **dict.fromkeys(range(24, 31), (40, 84)),  # guitars
    **dict.fromkeys(range(32, 40), (28, 60)),  # basses
    **{40: (55, 100), 41: (48, 88), 42: (36, 76), 43: (28, 60), 46: (24, 103), 47: (40, 57)},
    **{56: (54, 84), 57: (40, 72), 58: (26, 62), 59: (54, 84), 60: (36, 77)},  # brass
    **{64: (56, 87), 65: (49, 80), 66: (44, 75), 67: (36, 68)},  # saxophones
    **{68: (58, 91), 69: (52, 81), 70: (34, 74), 71: (50, 91)},  # other reeds
    **{72: (74, 108), 73: (60, 96), 74: (72, 98)},  # pipes
    110: (55, 100),  # fiddle
}


def pitch_range(program: int) -> tuple[int, int] | None:
    """The lowest and the highest pitch that an instrument plays well; None if it has no limit."""
    return _RANGES.get(program)


def plays_one_note(program: int) -> bool:
    """Whether an instrument plays one note at a time: basses, solo strings and winds."""
    return program in _ONE_NOTE


def instrument_name(program: int, is_drum: bool = False) -> str:
    """The General MIDI name of a program (0–127)."""
    return DRUMS if is_drum else NAMES[program % len(NAMES)]


def find_programs(text: str) -> frozenset[int]:
    """The programs of "piano, violin, 40, drums": names, families, or numbers from 0 to 127.

    Words of a name are enough where they mean instruments of one family: "sax" is all saxophones,
    "electric guitar" the electric guitars. DRUM_KIT stands for the drums. Raises UnknownNameError,
    and UsageError for words such as "electric", which instruments of several families have.
    """
    found: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        found |= _programs(part)
    return frozenset(found)


def _programs(text: str) -> set[int]:
    name = text.casefold()
    if name in ("drums", "drum"):
        return {DRUM_KIT}
    if name.isdecimal() and int(name) < len(NAMES):
        return {int(name)}
    known = [each.casefold() for each in NAMES]
    if name in known:
        return {known.index(name)}
    for index, family in enumerate(FAMILIES):
        if name in (family, f"{family}s", f"{family}es"):
            return set(range(index * FAMILY, (index + 1) * FAMILY))
    words = set(name.split())
    named = {index for index, each in enumerate(known) if words <= set(each.split())}
    if not named:
        raise UnknownNameError("instrument", text, (*NAMES, *FAMILIES, "drums"))
    if len({index // FAMILY for index in named}) > 1:
        raise UsageError(
            f"{text!r} means instruments of several families",
            f"choose from: {', '.join(NAMES[index] for index in sorted(named))}",
        )
    return named


def distance(one: int, other: int) -> tuple[bool, int]:
    """Distance of two programs, as a sortable tuple: those of one family are nearest."""
    return one // FAMILY != other // FAMILY, abs(one - other)
