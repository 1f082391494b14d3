"""Music as sequences: the Tokenizer contract, spaces, attributes, grammar, shards and crops.

Nothing here imports torch or miditok.
"""

from musictk.tokens.attributes import METRE, PITCH, PROGRAM, RELEASE, TEMPO, Attribute
from musictk.tokens.contract import Piece, Tokenizer
from musictk.tokens.grammar import Grammar, Parser, Texture
from musictk.tokens.space import Frames, Space, Tokens, space_from, space_to

__all__ = [
    "METRE",
    "PITCH",
    "PROGRAM",
    "RELEASE",
    "TEMPO",
    "Attribute",
    "Frames",
    "Grammar",
    "Parser",
    "Piece",
    "Space",
    "Texture",
    "Tokenizer",
    "Tokens",
    "space_from",
    "space_to",
]
