"""A sampler asks the tokenizer what its tokens mean: the scale lock of `examples/`."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import numpy as np
import pytest
from symusic.core import ScoreTick

from musictk.config import build
from musictk.errors import UsageError
from musictk.generation import Sampler, draw
from musictk.generation.compose import compose
from musictk.generation.request import PieceRequest
from musictk.plugin import GROUP, Registry, registry
from musictk.testing.samplers import LAWS, TOKENIZERS, Law, order_is_kept
from musictk.tokens import PITCH, Tokenizer
from tests.generation.pieces import MIDIS, tokenizer, untrained

EXAMPLE = Path(__file__).parents[2] / "examples" / "musictk-scale"
MUSIC = ("remi", "remi with bpe", "remi with programs", "events", "pianoroll")
D_MINOR = {2, 4, 5, 7, 9, 10, 0}


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The example, beside what is installed."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    found = Registry([*entry_points(group=GROUP), EntryPoint("scale", "musictk_scale", GROUP)])
    assert not found.failures
    monkeypatch.setattr(draw, "registry", lambda: found)
    return found


def scale(plugins: Registry, made: Tokenizer) -> Sampler:
    kind = plugins.load("sampler", "scale")
    sampler: Sampler = kind(build(kind.Config, {"root": 2, "mode": "minor"}, "scale"), made)
    return sampler


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("law", [*LAWS, order_is_kept], ids=lambda law: law.__name__)
def test_laws(law: Law, name: str, plugins: Registry) -> None:
    law(scale(plugins, tokenizer(name)))


@pytest.mark.parametrize("name", MUSIC)
def test_every_note_that_can_be_is_in_the_scale(name: str, plugins: Registry) -> None:
    """In events a velocity asks for a note above the last, and there may be none of the scale."""
    link = ("scale", {"root": 2, "mode": "minor"})
    request = PieceRequest(bars=3, seed=5, count=3, samplers=(link,))
    played: list[int] = []
    for piece in compose(untrained(name), tokenizer(name), request):
        music = tokenizer(name).decode(piece.sequence)
        assert isinstance(music, ScoreTick)
        played += [note.pitch % 12 for t in music.tracks if not t.is_drum for note in t.notes]
    assert len(played) > 20
    outside = np.mean([pitch not in D_MINOR for pitch in played])
    assert outside == 0 if name != "events" else outside < 0.2  # 5 / 12 without the lock
    assert plugins.failures == []


@pytest.mark.parametrize("name", MUSIC)
def test_tokens_sound_the_pitches_they_say(name: str) -> None:
    """Of a piece as encoded, as many notes of each pitch as in its music."""
    made = tokenizer(name)
    sounds = made.attributes()[PITCH].states
    sequence = made.encode(ScoreTick.from_file(MIDIS / "Bach/invention_08_f_major.mid"))
    music = made.decode(sequence)
    assert isinstance(music, ScoreTick)
    if sequence.ndim == 2:
        frames = np.concatenate([np.zeros((1, 128), bool), sequence.astype(bool) @ sounds])
        stated = (np.diff(frames.astype(np.int8), axis=0) == 1).sum(0)
    else:
        stated = sounds[sequence].sum(0)
    played = np.concatenate([track.notes.numpy()["pitch"] for track in music.tracks])
    if name != "remi with bpe":
        assert np.array_equal(stated, np.bincount(played, minlength=128))
    assert np.array_equal(stated > 0, np.bincount(played, minlength=128) > 0)


def test_tokens_that_do_not_say_their_pitch_are_refused(plugins: Registry) -> None:
    kind = registry().load("tokenizer", "text")
    with pytest.raises(UsageError, match="do not say which notes"):
        scale(plugins, kind(kind.Config()))
