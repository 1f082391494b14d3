"""The ten pieces of docs/listen: the arguments of `musictk sample` as a user types them."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from musictk.errors import UsageError
from musictk.files import write_bytes

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "listen"
SEEDS = Path(__file__).with_name("listen.toml")  # NAME = SEED


@dataclass(frozen=True)
class Piece:
    """A piece to compose. `typed` is what follows `musictk sample`, without seed and output."""

    name: str
    title: str
    about: str  # one or two sentences for the page
    typed: str
    melody: tuple[str, int] | None = None  # file and track that `given` is written from

    @property
    def arguments(self) -> list[str]:
        """As the shell gives them to the program."""
        return shlex.split(self.typed)

    def command(self, seed: int) -> str:
        """What a user types."""
        return f"musictk sample {self.typed} --seed {seed} -o {self.name}.mid"

    def option(self, *flags: str) -> list[str]:
        """The values of an option, in their order."""
        words = self.arguments
        return [value for flag, value in pairwise(words) if flag in flags]

    @property
    def labels(self) -> dict[str, str]:
        """The labels that the piece is asked for."""
        pairs = [text.split("=", 1) for text in self.option("--label")]
        composers = [("composer", text) for text in self.option("--composer")]
        return dict([*composers, *((name, value) for name, value in pairs)])

    @property
    def rewritten(self) -> tuple[int, int] | None:
        """The first and the last bar that are written again, from 1; None for other pieces."""
        if not self.option("--infill"):
            return None
        first, _, last = self.option("--bars")[-1].partition("-")
        return int(first), int(last or first)

    @property
    def given(self) -> str | None:
        """The name of the file in the folder that is the melody; None for other pieces."""
        return None if self.melody is None else f"{self.name}-melody.mid"


KEYBOARD = "--label ensemble=keyboard"
MENUET, MUSETTE = (
    f"examples/midis/Bach/{name}.mid" for name in ("petzold_menuet_anh114", "musette_anh126")
)

PIECES = (
    Piece(
        "bach-aaba",
        "Bach, AABA",
        "Four sections of four bars; the theme comes three times, each return a little varied.",
        f'--composer Bach {KEYBOARD} --form AABA --bars 4 --control "metre=4/4,tempo=80"',
    ),
    Piece(
        "bach-keys",
        "Bach, a key for each section",
        "D minor, then F major in the middle section, then D minor again.",
        f'--composer Bach {KEYBOARD} --form "A8 B8 A8" --control "metre=3/4,tempo=112"'
        f' --section "A: key=D minor" --section "B: key=F major"',
    ),
    Piece(
        "bach-chorale",
        "Bach, a chorale",
        "Four voices: the label of the ensemble is `chorale`, not `keyboard`.",
        "--composer Bach --label ensemble=chorale --form AAB --bars 4"
        ' --control "metre=4/4,tempo=80,lowest=E2,highest=G5"',
    ),
    Piece(
        "chopin-aba",
        "Chopin, ABA in triple time",
        "A ternary form of eight bars a section, in the metre and tempo of a waltz.",
        f'--composer Chopin {KEYBOARD} --form "A8 B8 A8"'
        f' --control "metre=3/4,tempo=132,lowest=C2,highest=C6"',
    ),
    Piece(
        "chopin-chords",
        "Chopin, over given chords",
        "Sixteen bars over a progression in A minor, a chord for each bar, played twice.",
        f'--composer Chopin {KEYBOARD} --form AB --bars 8 --control "metre=4/4,tempo=96"'
        ' --chords "Am | Dm | E7 | Am | F | Dm | E7 | Am" ',
    ),
    Piece(
        "schubert-verse-chorus",
        "Schubert, verse and chorus",
        "A verse and a chorus of six bars, twice.",
        f"--composer Schubert {KEYBOARD} --form verse-chorus --bars 6"
        f' --control "metre=2/4,tempo=76"',
    ),
    Piece(
        "schumann-rondo",
        "Schumann, ABACA",
        "A small rondo of four bars a section: the refrain returns after each episode.",
        f'--composer Schumann {KEYBOARD} --form ABACA --bars 4 --control "metre=4/4,tempo=112"',
    ),
    Piece(
        "mozart-minuet",
        "Mozart, AABA in G major",
        "A minuet of six bars a section, in the key of G major.",
        f'--composer Mozart {KEYBOARD} --form AABA --bars 6 --control "metre=3/4,tempo=126"'
        f' --control "key=G major"',
    ),
    Piece(
        "musette-infill",
        "Eight bars of a musette, written again",
        "Bars 9 to 16 are the model's; all other bars are those of the musette BWV Anh. 126.",
        f"--infill {MUSETTE} --bars 9-16 --composer Bach {KEYBOARD}",
    ),
    Piece(
        "menuet-accompaniment",
        "An accompaniment to a menuet",
        "The melody is the upper part of Petzold's menuet (BWV Anh. 114); the model wrote the"
        " part beside it.",
        "--accompany docs/listen/menuet-accompaniment-melody.mid --composer Bach"
        f' {KEYBOARD} --control "lowest=C2,highest=D4,polyphony=2"',
        melody=(MENUET, 1),
    ),
)


def pieces(names: str = "") -> list[Piece]:
    """The pieces with these names, separated by commas; all for "". Raises UsageError."""
    known = {each.name: each for each in PIECES}
    wanted = [name.strip() for name in names.split(",") if name.strip()] or list(known)
    for name in wanted:
        if name not in known:
            raise UsageError(f"there is no piece {name!r}", f"choose from: {', '.join(known)}")
    return [known[name] for name in wanted]


def read_seeds(path: Path = SEEDS) -> dict[str, int]:
    """The chosen seed of each piece; {} without the file."""
    return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}


def write_seeds(seeds: Mapping[str, int], path: Path = SEEDS) -> None:
    """Write what `read_seeds` reads."""
    head = "# The seed of each piece of docs/listen, chosen by benchmarks/listen.py and by eye.\n"
    text = head + "".join(f"{name} = {seed}\n" for name, seed in seeds.items())
    write_bytes(path, text.encode())


def parse_seeds(text: str) -> dict[str, int]:
    """`"bach-aaba=3,chopin-aba=5"` -> the seed of each piece. Raises UsageError."""
    pairs: Iterable[list[str]] = (part.split("=") for part in text.split(",") if part.strip())
    found = {}
    for pair in pairs:
        if len(pair) != 2 or not pair[1].strip().isdecimal():
            raise UsageError(f"{'='.join(pair)!r} is not PIECE=SEED", "such as bach-aaba=3")
        found[pieces(pair[0])[0].name] = int(pair[1])
    return found
