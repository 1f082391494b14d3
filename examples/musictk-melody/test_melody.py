"""Run it with `pytest` in a folder of MIDI files."""

from pathlib import Path

import pytest
from musictk_melody.sampler import TopA, TopAConfig
from musictk_melody.tokenizer import Melody, MelodyConfig
from symusic.core import ScoreTick

from musictk.testing import samplers, tokenizers


def test_the_tokenizer() -> None:
    pieces = [ScoreTick.from_file(path) for path in sorted(Path().glob("**/*.mid"))[:5]]
    tokenizers.check(Melody(MelodyConfig()), pieces)


@pytest.mark.parametrize("name", samplers.TOKENIZERS)
@pytest.mark.parametrize("law", [*samplers.LAWS, samplers.order_is_kept])
def test_the_sampler(law: samplers.Law, name: str) -> None:
    law(TopA(TopAConfig(), samplers.tokenizer(name)))
