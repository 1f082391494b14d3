"""How much of its form a piece keeps: A–A against A–B over generated AABA, for trained models.

    python -m benchmarks.form BUNDLE [BUNDLE …] [--composer Bach] [--count 8] [--save]

Sections are compared as `musictk evaluate --form` does. Given is the mean over `count` pieces of
seed 1 at the default variation, and at 0, where every return is to be the theme itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from symusic.core import ScoreTick

from benchmarks.keep import keep
from musictk import runtime
from musictk.evaluation.form import FormReport, form_report
from musictk.generation.compose import compose
from musictk.generation.markers import section_ticks
from musictk.generation.request import PieceRequest
from musictk.runtime import Runtime


def main() -> None:
    """Compose, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("bundles", nargs="+", type=Path)
    parser.add_argument("--composer", default="Bach")
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--save", action="store_true")
    flags = parser.parse_args()
    rows = [row(path, flags.composer, flags.count) for path in flags.bundles]
    for each in rows:
        print(each)
    if flags.save:
        title = "Form: generated AABA, likeness of sections (0 to 1)"
        note = f"mean of {flags.count} pieces a model; tiny models of some minutes' training"
        keep("form", title, f"BUNDLE … --composer {flags.composer}", rows, note)


def row(path: Path, composer: str, count: int) -> dict[str, Any]:
    """One model's line."""
    model = runtime.load(path, "torch", device="cpu")
    manifest = model.manifest
    usual = reports(model, composer, count, {})
    exact = reports(model, composer, count, {"variation": 0})
    same, other = mean(each.same for each in usual), mean(each.other for each in usual)
    return {
        "model": f"{manifest.architecture} on {manifest.tokenizer}",
        "steps": manifest.trained["step"],
        "A–A": round(same, 2),
        "A–B": round(other, 3),
        "ratio": f"{same / other:.1f} ×",
        "bars copied": f"{mean(each.copied for each in usual):.0%}",
        "A–A at variation 0": round(mean(each.same for each in exact), 3),
    }


def reports(
    model: Runtime, composer: str, count: int, dials: dict[str, Any]
) -> Sequence[FormReport]:
    """The form report of each piece."""
    tokenizer = model.manifest.make_tokenizer()
    asked = {"form": "AABA", "seed": 1, "count": count, "sampling": dials}
    asked["conditions"] = {"composer": [[composer, 1.0]]}
    found = []
    for piece in compose(model, tokenizer, PieceRequest.read(asked)):
        score = tokenizer.decode(piece.sequence)
        assert isinstance(score, ScoreTick)
        found.append(form_report(score, section_ticks(piece, tokenizer, score)))
    return found


if __name__ == "__main__":
    main()
