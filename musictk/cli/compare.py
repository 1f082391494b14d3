"""`musictk runs compare`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musictk.cli.context import session
from musictk.cli.output import Output, safe, short
from musictk.errors import UsageError
from musictk.files import write_bytes
from musictk.training import bands
from musictk.wording import counted

if TYPE_CHECKING:
    from musictk.jobs.compare import RunComparison

HEADINGS = {
    "per_token": "nats per token",
    "per_note": "nats per note",
    "per_second": "nats per second",
    "behind": "nats per second above best",
}
TOKENIZERS_DIFFER = (
    "nats per token are not comparable across tokenizers or their settings; nats per note and per "
    "second favour tokenizers that encode less: events leaves out tempo, pianoroll also velocity "
    "and metre, and only remi with programs has drums, whose notes count for it alone"
)
STDOUT = Path("-")


def compare(
    context: typer.Context,
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="Names of runs.",
            show_default="all finished runs with pieces in common",
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(metavar="SPLIT", help="Split to score on: valid or test.")
    ] = "valid",
    group: Annotated[
        bool,
        typer.Option(
            "--group/--no-group",
            help="One row for runs that differ in their seed alone: mean ± standard deviation.",
        ),
    ] = False,
    csv_file: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write the table as CSV (-: to stdout)."),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the table as Markdown (-: to stdout)."),
    ] = None,
) -> None:
    """Compare runs by their negative log-likelihood (in nats) on the same pieces.

    Nats per token are comparable between runs with the same tokenizer and its settings. Nats per
    note and per second of music are comparable between all runs, but favour tokenizers that encode
    less: events leaves out tempo, pianoroll also velocity and metre. Notes of drums count where the
    tokenizer has drums: remi with programs. Nats by position are per token, grouped by the
    token's position in its piece. The 95 % intervals are bootstrapped over works: all versions of
    one piece count as one work. Settings are shown if they differ between the runs. With --group,
    ± is the sample standard deviation over n seeds; a run that repeats one is in another group.
    """
    from musictk.jobs.compare import compare as job

    here = session(context)
    if STDOUT in (csv_file, markdown) and (here.output.json or csv_file == markdown):
        other = "--json" if here.output.json else "another table on stdout"
        raise UsageError(f"a table on stdout cannot be combined with {other}", "name a file")
    with here.catalog() as catalog, here.output.progress("scoring") as bar:
        found = job(catalog, here.workspace, runs or [], split, bar.update)
    report(here.output, found, group, csv_file, markdown)


def report(
    output: Output,
    found: RunComparison,
    group: bool,
    csv_file: Path | None = None,
    markdown: Path | None = None,
) -> None:
    """Print the comparison, or write it to files."""
    rows = found.plain_groups() if group else found.plain()
    lines = [_line(row) for row in rows]
    for path, text in ((csv_file, to_csv(rows)), (markdown, to_markdown(lines))):
        if path == STDOUT:
            output.block(rows, text)
        elif path is not None:
            write_bytes(path, text.encode("utf-8"))
            output.note(f"wrote {path}")
    if STDOUT not in (csv_file, markdown):
        output.table(rows if output.json else lines)
    for note in notes(found, group):
        output.note(note)
    for name, many in found.seen.items():
        pieces = counted(many, "piece")
        output.warn(
            f"{name} was trained on {pieces} of the current split; all runs are scored without them"
        )
    for name, why in found.left_out.items():
        output.warn(f"{name} is excluded: {why}")


def notes(found: RunComparison, group: bool) -> Iterator[str]:
    """What to know when reading the table."""
    if not found.equal_tokens:
        yield TOKENIZERS_DIFFER
    seeds = max(map(len, found.groups))
    if seeds > 1 and not group:
        yield "some runs differ in their seed alone; --group shows mean ± standard deviation"


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows with all digits; intervals, positions and settings have a column per value."""
    flat = [dict(_columns(row)) for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in flat for key in row)))
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue().replace("\r\n", "\n")


def _columns(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        if key.endswith("_95"):
            low, high = value or (None, None)
            yield f"{key.removesuffix('_95')}_low", low
            yield f"{key.removesuffix('_95')}_high", high
        elif key in ("settings", "by_position"):
            for name, each in (value or {}).items():
                yield (name if key == "settings" else f"per_token {name}"), _text(each)
        else:
            yield key, _text(value)


def _text(value: Any) -> Any:
    """A value of a CSV table."""
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else value


def to_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table of GitHub-flavoured Markdown."""
    names = list(rows[0])
    cells = [names, ["---"] * len(names), *([row[name] for name in names] for row in rows)]
    lines = (" | ".join(safe(short(cell)).replace("|", "\\|") for cell in line) for line in cells)
    return "".join(f"| {line} |\n" for line in lines)


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the comparison as text: each mean with its interval, or with its deviation."""
    grouped = "runs" in row
    line: dict[str, Any] = {"run": ", ".join(row["runs"])} if grouped else {"run": row["run"]}
    line |= {"arch": row["arch"], "size": row["size"]}
    line |= {"n": row["n"]} if grouped else {"seed": row["seed"]}
    line |= {name: "–" if each is None else short(each) for name, each in row["settings"].items()}
    line |= {key: row[key] for key in ("tokenizer", "pieces")}
    for name in HEADINGS:
        line[HEADINGS[name]] = _deviation(row, name) if grouped else _interval(row, name)
    by_position = row["by_position"] or {}
    line["nats by position"] = bands.describe(by_position) or "–"
    line["parameters"] = f"{row['parameters'] / 1e6:.1f} M"
    return line | {"tokens/s": f"{row['positions_per_second']:,.0f}"}


def _interval(row: Mapping[str, Any], name: str) -> str:
    mean, interval = row[name], row[f"{name}_95"]
    if mean is None:
        return "–"
    if row["works"] == 1:  # one work has no interval
        return f"{mean:.4g}"
    return f"{mean:.4g} ({interval[0]:.4g} to {interval[1]:.4g})"


def _deviation(row: Mapping[str, Any], name: str) -> str:
    mean, spread = row[name], row[f"{name}_sd"]
    if mean is None:
        return "–"
    return f"{mean:.4g}" if spread is None else f"{mean:.4g} ± {spread:.2g}"
