"""The folder docs/listen: a picture and an mp3 beside each MIDI file, and the page."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from symusic.core import ScoreTick

from benchmarks.listen_measures import COPIES, Human, Measured
from benchmarks.listen_pieces import Piece
from musictk.errors import MusictkError
from musictk.files import write_bytes
from musictk.jobs.named_music import read_score
from musictk.music import bars
from musictk.rendering import audio, pianoroll
from musictk.rendering.midi import SectionSpan, sections
from musictk.rendering.soundfonts import BUILT_IN

PAGE = "README.md"
LARGEST = 10_000_000  # bytes of the whole folder
MADE = (".mid", ".png", ".mp3")
LINKED = re.compile(r"\]\(([^)#:]+\.\w+)\)")
DIGEST = re.compile(r"\[MIDI\]\(([^)]+)\), sha256 `([0-9a-f]{64})`")

Shown = tuple[Piece, int, Human, Measured]  # a piece, its seed and its measures

INTRODUCTION = """\
# Ten pieces

What the built-in model writes. Each piece was composed by the command above its picture, and
nothing in it was changed by hand. Of the seeds that were tried, one among the best by the measures
of `benchmarks/listen.py` was chosen by looking at the pictures. On another processor the last bits
of a model's results may differ, and with them the piece.

The tables have the measures of each piece beside the central 80 % of excerpts of held-out human
pieces, as long as the piece, with the same composer and labels. A value outside is marked ✗.
"""


def draw(piece: Piece, score: ScoreTick, path: Path, title: str) -> None:
    """Draw the piano roll: by section, or what was given and what was written."""
    found = sections(score)
    if piece.rewritten is not None:
        lines, (first, last) = bars(score).tolist(), piece.rewritten
        edges = (0, lines[first - 1], lines[last], lines[-1])
        names = ("given", "written", "given")
        spans = zip(names, edges, edges[1:], strict=False)
        found = [SectionSpan(*each) for each in spans if each[2] > each[1]]
    pianoroll.draw(score, found, path, f"{piece.title} ({title})")


def write_page(folder: Path, shown: Sequence[Shown]) -> int:
    """Write pictures, audio and the page beside the MIDI files; returns the bytes of the folder.

    Files that no piece has any more are removed. Raises MusictkError for a folder that is too
    large.
    """
    parts = [INTRODUCTION]
    for piece, seed, human, measured in shown:
        path = folder / f"{piece.name}.mid"
        score = read_score(path)
        draw(piece, score, path.with_suffix(".png"), f"seed {seed}")
        seconds = audio.render(score, path.with_suffix(".mp3"), BUILT_IN)
        parts.append(part_text(piece, seed, seconds, path))
        parts.append(table_text(human, measured))
    text = "\n\n".join(part.strip() for part in parts) + "\n"
    write_bytes(folder / PAGE, text.encode())
    for path in folder.iterdir():
        if path.suffix in MADE and path.name not in LINKED.findall(text):
            path.unlink()
    size = sum(path.stat().st_size for path in folder.iterdir())
    if size > LARGEST:
        raise MusictkError(f"{folder} has {size / 1e6:.1f} MB", "choose shorter pieces")
    return size


def faults(folder: Path) -> list[str]:
    """Where the page and the files of a folder do not agree; [] if they do."""
    text = (folder / PAGE).read_text("utf-8")
    linked = set(LINKED.findall(text))
    there = {path.name for path in folder.iterdir()} - {PAGE}
    found = [f"the page has no {name}" for name in sorted(there - linked)]
    found += [f"there is no {name}" for name in sorted(linked - there)]
    for name, digest in DIGEST.findall(text):
        path = folder / name
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            found.append(f"{name} has another sha256 than on the page")
        found += [
            f"{name} has no {suffix}"
            for suffix in MADE
            if path.with_suffix(suffix).name not in linked
        ]
    if sum((folder / name).stat().st_size for name in there) > LARGEST:
        found.append("the files are too large")
    return found


def part_text(piece: Piece, seed: int, seconds: float, path: Path) -> str:
    """Title, command, picture, and links with the digest of the MIDI."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    length = f"{int(seconds // 60)}:{int(seconds % 60):02d}"
    melody = "" if piece.given is None else f" · [the melody]({piece.given})"
    return "\n\n".join(
        [
            f"## {piece.title}",
            piece.about,
            f"    {piece.command(seed)}",
            f"![{piece.title}]({path.stem}.png)",
            f"[mp3]({path.stem}.mp3), {length} · [MIDI]({path.name}), sha256 `{digest}`{melody}",
        ]
    )


def table_text(human: Human, measured: Measured) -> str:
    """The measures beside the human ranges, where there are any."""
    beside = f"human, 10 to 90 % ({human.excerpts} excerpts, {human.whose})"
    lines = [f"| measure | this piece | {beside if human.ranges else 'human'} |", "|---|---|---|"]
    for name, value in measured.values.items():
        known = human.ranges.get(name)
        mark = " ✗" if known is not None and known.distance(value) > 0 else ""
        said = "" if known is None else f"{known.low:.3g} to {known.high:.3g}"
        lines.append(f"| {name} | {value:.3g}{mark} | {said} |")
    for name, value in zip(("A–A", "A–B"), measured.form or (), strict=False):
        lines.append(f"| likeness of sections, {name} | {value:.2f} | |")
    for name, value in measured.ends.items():
        share = f"{human.ends[name]:.0%} of the pieces" if name in human.ends else ""
        lines.append(f"| {name} | {'yes' if value else 'no'} | {share} |")
    if COPIES in measured.faults:
        lines.append(f"| {COPIES} | ✗ | |")
    return "\n".join(lines)
