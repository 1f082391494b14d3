"""`musictk evaluate` and `musictk originality`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musictk.cli.context import session
from musictk.cli.music import MusicFile, named_music
from musictk.wording import counted

if TYPE_CHECKING:
    from musictk.evaluation.form import FormReport
    from musictk.evaluation.originality import Originality
    from musictk.evaluation.reference import Baseline, Shared


def evaluate(
    context: typer.Context,
    file: MusicFile,
    form: Annotated[
        bool,
        typer.Option("--form", help="Compare the sections marked in the file with each other."),
    ] = False,
    as_form: Annotated[
        str,
        typer.Option("--as", metavar="FORM", help="Form of a file without markers, such as AABA."),
    ] = "",
    composer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Compare with this composer only, not the whole corpus."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="SPLIT", help="Compare with one split only, such as valid."),
    ] = None,
) -> None:
    """Compare the musical features of a piece with the corpus.

    A piece is `inside` where it is within the central 80 % of the corpus.

    With --form, measure how similar its sections are to each other instead.
    """
    from musictk.jobs import evaluate as job
    from musictk.jobs.form_sections import sections_of

    here = session(context)
    music = named_music(here, file)
    score = music.score
    if form or as_form:
        marked = None if as_form else sections_of(music, here.catalog_if_any)
        found = job.form(score, as_form, marked)
        here.output.block(_form_data(found), _form_text(found))
        return
    with here.catalog() as catalog, here.output.progress("reading") as bar:
        report = job.music(catalog, here.workspace, score, composer, bar.update, split)
    if here.output.json:
        here.output.result(report)
    else:
        here.output.table(_feature_rows(report["features"]))


def originality(context: typer.Context, file: MusicFile) -> None:
    """Find the nearest training piece and the longest copied passage, in any key and tempo.

    The piece is compared with the training pieces of the catalog, if there is one, and with those
    of the built-in models, of which only a part of the patterns is known and no title.
    """
    from musictk.jobs import evaluate as job
    from musictk.jobs.originality import human_baseline, with_builtin

    here = session(context)
    score = named_music(here, file).score
    shared, usual = with_builtin(score)
    data: dict[str, Any] = {}
    lines: list[str] = []
    with here.catalog_if_any() as catalog, here.output.progress("searching") as bar:
        if catalog is not None and catalog.pieces("train", {"midi"}):
            found = job.originality(catalog, here.workspace, score, bar.update)
            human = human_baseline(catalog, here.workspace, found.notes, bar.update)
            data = found.plain() | {"human": None if human is None else human.plain()}
            lines = [*_copied_text(found, human), _baseline_text(human)]
    data["built_in"] = shared.plain() | {"human": None if usual is None else usual.plain()}
    here.output.result(data, *lines, _builtin_text(shared, usual))


def _copied_text(found: Originality, human: Baseline | None) -> Iterator[str]:
    """What a piece shares with the training pieces of the catalog."""
    share = copied = longest = ""
    if human is not None:
        share, copied = f"; human {human.share:.1%}", f" (human {human.copied:.1%})"
        longest = f" (human {human.longest})"
    nearest = f"nearest of {found.pieces:,} training pieces: {found.nearest}"
    if not found.nearest:
        nearest = f"nothing in common with any of {counted(found.pieces, 'training piece')}"
    yield f"{nearest} ({found.share:.1%} of this piece's {found.gram}-note patterns{share})"
    yield f"{found.copied:.1%}{copied} of {found.notes:,} notes are in long copied passages"
    if found.longest is not None:
        passage = found.longest
        yield (
            f"longest copied passage: {passage.notes} notes{longest} from bar {passage.bar},"
            f" as in {passage.piece} from bar {passage.piece_bar}, {passage.semitones:+d} semitones"
        )


def _builtin_text(shared: Shared, human: Baseline | None) -> str:
    """What a piece shares with the training pieces of the built-in models."""
    share, longest = "", ""
    if human is not None:
        share, longest = f" (human {human.share:.1%})", f" (human {human.longest})"
    return (
        f"training pieces of the built-in models: the nearest has {shared.share:.1%}{share} of the"
        f" patterns, the longest copied passage {shared.longest} notes{longest}"
    )


def _baseline_text(human: Baseline | None) -> str:
    """What the figures of human music are, or why there are none."""
    if human is None:
        return "no figures of human music: they need 20 valid or test pieces, and training pieces"
    return (
        f"human: 95 % of {human.pieces} valid and test pieces of this length share no more"
        " with the training pieces"
    )


def _feature_rows(features: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each feature that is a number."""
    return [
        {
            "feature": name,
            "generated": values["generated"],
            "corpus": values["corpus"],
            "10 %": values["low"],
            "90 %": values["high"],
            "inside": "yes" if values["inside"] else "no",
            "overlap": values["overlap"],
        }
        for name, values in features.items()
        if values["inside"] is not None
    ]


def _form_data(found: FormReport) -> dict[str, Any]:
    return {
        "labels": list(found.labels),
        "similarity": found.similarity.round(4).tolist(),
        "same": _number(found.same),
        "other": _number(found.other),
        "ratio": _number(found.ratio),
        "chance": _number(found.chance),
        "copied": _number(found.copied),
    }


def _form_text(found: FormReport) -> str:
    width = max(5, *(len(label) for label in found.labels))
    lines = [" " * (width + 1) + " ".join(f"{label:>{width}}" for label in found.labels)]
    for label, row in zip(found.labels, found.similarity, strict=True):
        lines.append(f"{label:>{width}} " + " ".join(f"{value:{width}.2f}" for value in row))
    lines += [
        "",
        f"same letter   {_text(found.same)}",
        f"other letter  {_text(found.other)}   (random pairs of bars: {_text(found.chance)})",
        f"ratio         {_text(found.ratio, 1)}",
    ]
    if math.isfinite(found.copied):
        lines.append(f"copied bars   {found.copied:.0%} of returning sections")
    return "\n".join(lines)


def _text(value: float, digits: int = 3) -> str:
    if math.isnan(value):
        return "–"  # fewer than two sections to compare
    return f"{value:.{digits}f}" if math.isfinite(value) else "∞"


def _number(value: float) -> float | None:
    """JSON has neither NaN nor infinity."""
    return round(value, 4) if math.isfinite(value) else None
