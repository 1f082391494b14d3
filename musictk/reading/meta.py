"""The types of the meta events of MIDI files, as in "Standard MIDI Files 1.0", RP-001."""

NAME = 0x03  # of a track
LYRIC = 0x05
MARKER = 0x06
PORT = 0x21
END_OF_TRACK = 0x2F
TEMPO = 0x51
METRE = 0x58
KEY = 0x59
