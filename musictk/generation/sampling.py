"""The options of sampling. Each is one field of `Sampling`; everything else is derived from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from musictk.config import SettingInfo, build, check_settings, setting, settings_of
from musictk.generation.metres import STEADY, is_metre

Links = tuple[tuple[str, dict[str, Any]], ...]
CONTROL_GUIDANCE = 3.0  # the default where bar controls are chosen
LEAST = 16  # minimum of `memory` and `max_tokens`, in positions


def _enough(value: int) -> bool:
    return value == 0 or value >= LEAST


@dataclass(frozen=True)
class Sampling:
    """How a piece is sampled, how it uses memory and form, and where it ends.

    To add an option, add a field here: its annotation, default, help and range make the flag of
    `musictk sample`, its environment variable and line in `musictk.toml`, the key under [sample] in
    presets and bundles, and the key in stored requests. Then use it where it takes effect.
    """

    temperature: float = setting(0.95, "Softmax temperature; higher is more random (0: greedy).")
    top_k: int = setting(0, "Top-k sampling (0 disables).")
    top_p: float = setting(
        0.95,
        "Nucleus (top-p) sampling (1 disables).",
        high=1,
        above=0,
    )
    min_p: float = setting(0.0, "Drop tokens below p times the most likely (0 disables).", high=1)
    guidance: float = setting(
        1.5,
        "Classifier-free guidance scale of labels; 3 where bar controls are chosen.",
        high=100,
    )
    variation: float = setting(
        0.3, "How much a returning section varies (0: exact repeat; 1: free).", high=1
    )
    contrast: float = setting(
        0.0, "Make new sections differ from earlier ones (0 disables).", high=4
    )
    metre: str = setting(
        STEADY,
        "Metre: steady (that of the first bar), free, or fixed, such as 3/4.",
        words="steady, free or a metre such as 3/4",
        check=is_metre,
    )
    programs: str = setting(
        "",
        "Instruments to write: names, families or numbers, such as piano,violin,drums.",
        words="text with names, such as piano,violin",
    )
    strict: bool = setting(
        False,
        "Where a control gives the key, write only its scale (in minor harmonic or melodic).",
    )
    cadence: bool = setting(True, "End with the tonic in the bass of the last bar.")
    blend: float = setting(
        0.5, "Influence of the original section where it returns and varies.", high=1
    )
    ramp: int = setting(
        2, "Bars over which --blend rises to its full weight where a section returns."
    )
    figure: float = setting(
        0.5,
        "Mean length of a passage that varies a returning section, in bars.",
        above=0,
    )
    memory: int = setting(
        0,
        "Context length, in tokens or frames (0: as in training).",
        words=f"0 or at least {LEAST}",
        check=_enough,
    )
    prompt_tokens: int = setting(0, "Use only the last N tokens of the prompt (0: all).")
    max_tokens: int = setting(
        0,
        "Stop after N new tokens (0: when all bars are written).",
        words=f"0 or at least {LEAST}",
        check=_enough,
    )

    def __post_init__(self) -> None:
        check_settings(self, "sample")

    @property
    def chain(self) -> Links:
        """Samplers in the usual order, without those that would change nothing."""
        links: list[tuple[str, dict[str, Any]]] = []
        if self.temperature != 1:
            links.append(("temperature", {"temperature": self.temperature}))
        if self.top_k > 0:
            links.append(("top-k", {"k": self.top_k}))
        if self.top_p < 1:
            links.append(("top-p", {"p": self.top_p}))
        if self.min_p > 0:
            links.append(("min-p", {"p": self.min_p}))
        return tuple(links)


def options() -> Mapping[str, SettingInfo]:
    """Every option of `Sampling`, by name, in order."""
    return {name: info for name, info in settings_of(Sampling).items() if info is not None}


def resolve_sampling(
    saved: Mapping[str, Any], given: Mapping[str, Any], planned: bool, controlled: bool = False
) -> Sampling:
    """The options that were `given`, else those `saved` with the model, else the defaults.

    If bars or a form are `planned`, they define where the piece ends, and the model's saved
    `max_tokens` is ignored. If bars are `controlled`, guidance is that of the controls, not of the
    labels, and is CONTROL_GUIDANCE unless it was given.
    """
    kept = {key: value for key, value in saved.items() if not (planned and key == "max_tokens")}
    usual = {"guidance": CONTROL_GUIDANCE} if controlled else {}
    return build(Sampling, {**kept, **usual, **given}, "sample")
