"""`musictk settings` lists exactly what `train --set` accepts, and refuses all else by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from musictk.catalog import Catalog
from musictk.cli.settings import assignments
from musictk.errors import UnknownNameError, UsageError
from musictk.generation.draw import make_chain
from musictk.jobs.config import RunConfig
from musictk.jobs.merge import merge
from musictk.jobs.settings import Setting, component_settings, list_settings
from musictk.jobs.sources import Source
from musictk.model.sizes import SIZES
from musictk.testing.samplers import tokenizer
from musictk.training.auto import Machine, choose
from tests.cli.shell import Shell
from tests.installed import available, write_plugin

PLUGIN = """
from dataclasses import dataclass

from musictk.config import setting
from musictk.model.contract import Architecture
from musictk.plugin import hookimpl


@dataclass(frozen=True)
class ToyConfig:
    dim: int = 8
    depth: int = 1
    heads: int = 1
    dropout: float = 0.0
    max_length: int = 64
    gain: float = setting(2.0, "Gain of the output.", above=0, below=9)
    bare: int = 3


class Toy(Architecture):
    Config = ToyConfig
    name = "toy"

    def begin(self, batch, capacity): ...

    def forward(self, x, state): ...


@hookimpl
def register_architectures(register):
    register("toy", "plugin_toy:Toy", "a toy")
"""
Capture = pytest.CaptureFixture[str]
ARCHITECTURES = tuple(component_settings("architecture"))
TOKENIZERS = tuple(component_settings("tokenizer"))
PAIRS = list(zip_longest(ARCHITECTURES, TOKENIZERS, fillvalue="remi"))


def merged(arch: str, tokenizer: str, *pairs: str) -> RunConfig:
    """The settings of `train --arch … --tokenizer … --set PAIR …`."""
    names = Source("flags", {"arch": arch, "tokenizer": tokenizer})
    return merge([names, Source("--set", assignments(pairs))])


def everything() -> list[Setting]:
    """Every setting of every built-in component."""
    parts = [
        *component_settings("architecture").values(),
        *component_settings("tokenizer").values(),
    ]
    return [*list_settings(), *(each for part in parts for each in part)]


def listed(shell: Shell, capsys: Capture, *words: str) -> dict[str, Any]:
    code, out, error = shell.here(capsys, "--json", "settings", *words)
    assert code == 0, error
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.mark.parametrize(("arch", "tokenizer"), PAIRS)
def test_each_default_is_accepted_as_it_is_listed(arch: str, tokenizer: str) -> None:
    rows = list_settings(arch, tokenizer)
    pairs = []
    for row in rows:
        text = row.default if isinstance(row.default, str) else json.dumps(row.default)
        pairs.append(f"{row.key}={text}")
    config = merged(arch, tokenizer, *pairs)
    assert config.train == {row.name: row.default for row in rows if row.key.startswith("train.")}


@pytest.mark.parametrize(("arch", "tokenizer"), PAIRS)
def test_nothing_else_is_accepted(arch: str, tokenizer: str) -> None:
    rows = list_settings(arch, tokenizer)
    with pytest.raises(UnknownNameError) as caught:
        merged(arch, tokenizer, "nonsense=1")
    assert caught.value.known == sorted({row.name for row in rows})
    for group in {row.key.partition(".")[0] for row in rows}:
        with pytest.raises(UnknownNameError) as caught:
            merged(arch, tokenizer, f"{group}.nonsense=1")
        names = [row.name for row in rows if row.key.startswith(f"{group}.")]
        assert caught.value.known == sorted(names)


def test_every_setting_has_one_sentence() -> None:
    for row in everything():
        assert row.help.endswith("."), f"{row.key} needs a sentence: give its field a `setting(…)`"
        assert row.help[0].isupper(), row.key
        assert len(row.help) <= 100, row.key
        assert row.values, row.key


def test_the_valid_values_name_the_type_once() -> None:
    for row in everything():
        kind, _, rest = row.values.partition(", ")
        assert kind not in rest, f"{row.key}: {row.values}"


def test_the_automatic_settings_are_those_that_train_chooses() -> None:
    cpu = choose(Machine("cpu", 2), 10**6, lambda size: 10**6)
    cuda = choose(Machine("cuda", 2, 10**10), 10**6, lambda size: 10**6)
    train = {f"train.{key}" for chosen in (cpu, cuda) for key in chosen.train}
    model = {f"model.{key}" for chosen in (cpu, cuda) for key in (*chosen.model, *SIZES["tiny"])}
    assert {row.key for row in everything() if row.automatic} == train | model


@pytest.mark.parametrize("row", everything(), ids=lambda row: f"{row.section} {row.key}")
def test_a_value_of_another_type_is_refused_with_the_valid_ones(row: Setting) -> None:
    kind, _, name = row.section.partition(" ")
    arch = name if kind == "architecture" else "gpt"
    tokenizer = name if kind == "tokenizer" else "remi"
    with pytest.raises(UsageError) as caught:
        merged(arch, tokenizer, f"{row.key}=1979-05-27")
    assert caught.value.exit_code == 2
    assert row.values in str(caught.value)


@pytest.mark.parametrize("row", everything(), ids=lambda row: f"{row.section} {row.key}")
def test_a_number_outside_the_range_is_refused_with_the_range(row: Setting) -> None:
    kind, _, name = row.section.partition(" ")
    arch = name if kind == "architecture" else "gpt"
    tokenizer = name if kind == "tokenizer" else "remi"
    if row.values.startswith(("integer", "number")):
        numbers = [-1, *([10**30] if "from" in row.values or "below" in row.values else [])]
        numbers += [0] if "above 0" in row.values and "or above" not in row.values else []
        for number in (str(number) for number in [*numbers, "nan", "true"]):
            with pytest.raises(UsageError, match=r"must be|is not valid"):
                merged(arch, tokenizer, f"{row.key}={number}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("lr=-1", "training lr=-1.0 must be above 0 (from --set)"),
        ("model.dim=7", "heads=8 must be a divisor of dim=7 (from --set)"),
        ("dim=0", "gpt dim=0 must be above 0 (from --set)"),
        ("dropout=1", "gpt dropout=1.0 must be at least 0 and below 1 (from --set)"),
        ("bpe=7", "bpe=7 must be above 444, the vocabulary size without merges, or 0"),
        ("batch=many", "batch='many' is not valid (from --set); give: integer, above 0"),
        ("batch=true", "batch=True must be a whole number"),
        ("velocity=128", "data velocity=128 must be from 0 to 127"),
        ("keys=[0]", "must be integers from -60 to 60, and not 0"),
        ("rest_res=[[0, 4, 3]]", "must be of a finest resolution that divides 8, that of beat_res"),
        ("tempo_range=[31, 32]", "must be a range with a metronome mark, such as [40, 200]"),
        ("pitch_range=[90, 20]", "must be two ascending pitches from 0 to 127"),
        ("weight_decy=0", "did you mean 'weight_decay'? list them with: musictk settings gpt"),
    ],
)
def test_train_refuses_it_before_there_is_a_corpus(
    tmp_path: Path, capsys: Capture, words: str, said: str
) -> None:
    Catalog.open(f"sqlite:///{tmp_path}/catalog.db", tmp_path).close()
    code, _, error = Shell(tmp_path).here(capsys, "train", "--set", words)
    assert code == 2
    assert said in error
    assert len(error.splitlines()) == 1


def test_the_list_grows_with_what_is_named(tmp_path: Path, capsys: Capture) -> None:
    shell = Shell(tmp_path)
    common = listed(shell, capsys)
    keys = [row["key"] for row in common["settings"]]
    assert {"train.lr", "data.transpose", "network.tied", "sample.top_k"} <= set(keys)
    assert not [key for key in keys if key.startswith(("model.", "tokens."))]
    whole = listed(shell, capsys, "gpt", "--tokenizer", "events")["settings"]
    more = common["architectures"]["gpt"] + common["tokenizers"]["events"]
    assert len(whole) == len(keys) + more
    assert {"model.rotary", "tokens.ticks_per_beat"} <= {row["key"] for row in whole}
    default = listed(shell, capsys, "conformer")["settings"]
    assert {"model.windows", "tokens.bpe"} <= {row["key"] for row in default}


def test_words_narrow_the_list(tmp_path: Path, capsys: Capture) -> None:
    shell = Shell(tmp_path)
    one = listed(shell, capsys, "conformer", "model.dim")["settings"]
    assert [row["key"] for row in one] == ["model.dim"]
    everywhere = listed(shell, capsys, "Warm-up")["settings"]
    assert {"train.schedule", "train.warmup"} == {row["key"] for row in everywhere}
    _, out, _ = shell.here(capsys, "settings", "swiglu")
    assert "architecture gpt" in out
    code, _, error = shell.here(capsys, "settings", "confromer")
    assert (code, error) == (2, "error: no setting 'confromer'; did you mean 'conformer'?\n")


def test_the_settings_of_samplers_are_those_that_sample_accepts(
    tmp_path: Path, capsys: Capture
) -> None:
    shell = Shell(tmp_path)
    rows = listed(shell, capsys, "repetition")["settings"]
    assert [row["key"] for row in rows] == ["repetition:penalty", "repetition:window"]
    assert rows[0]["values"] == "number, from 1 to 100"
    assert rows[0]["help"] == "Penalty on notes that repeat (1: none)."
    assert listed(shell, capsys)["samplers"]["repetition"] == 2
    out = str(tmp_path / "x.mid")
    for pair in ("penalty=101", "window=0"):
        code, _, error = shell.here(
            capsys, "sample", "--bars", "1", "-o", out, "--sampler", f"repetition:{pair}"
        )
        assert (code, "must be" in error) == (2, True)
    for samplers in component_settings("sampler").values():
        for row in samplers:
            name, _, key = row.key.partition(":")
            make_chain([(name, {key: row.default})], tokenizer("remi"))
            assert row.help.endswith("."), row.key


def test_a_component_without_settings_is_named(tmp_path: Path, capsys: Capture) -> None:
    code, _, error = Shell(tmp_path).here(capsys, "settings", "torchscript")
    assert (code, error) == (2, "error: runtime 'torchscript' has no settings\n")


def test_a_preset_shows_its_values(tmp_path: Path, capsys: Capture) -> None:
    shell = Shell(tmp_path)
    rows = {row["key"]: row for row in listed(shell, capsys, "--preset", "seed-001")["settings"]}
    assert rows["train.accumulation"]["preset"] == 8
    assert rows["model.rotary"]["preset"] is None, "the preset leaves the default"
    _, out, _ = shell.here(capsys, "settings", "--preset", "seed-001", "accumulation")
    assert out.splitlines()[0].split()[:3] == ["setting", "default", "seed-001"]
    assert out.splitlines()[1].split()[:3] == ["train.accumulation", "1", "8"]


def test_what_a_setting_needs_is_said(tmp_path: Path, capsys: Capture) -> None:
    _, out, _ = Shell(tmp_path).here(capsys, "settings", "torch.compile")
    assert "Needs CUDA." in out
    assert "automatic" in Shell(tmp_path).here(capsys, "settings", "train.steps")[1]


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[None]:
    """An installed plugin with an architecture; only one of its own settings has a description."""
    folder = tmp_path / "site"
    write_plugin(folder, "toy", PLUGIN)
    with available(folder, "toy"):
        yield


@pytest.mark.usefixtures("toy")
def test_the_settings_of_a_plugin_are_listed_and_checked(tmp_path: Path, capsys: Capture) -> None:
    shell = Shell(tmp_path)
    assert listed(shell, capsys)["architectures"]["toy"] == 7
    rows = {row["key"]: row for row in listed(shell, capsys, "toy")["settings"]}
    assert rows["model.gain"]["help"] == "Gain of the output."
    assert rows["model.gain"]["values"] == "number, above 0 and below 9"
    assert rows["model.bare"] | {"help": "", "values": "integer"} == rows["model.bare"]
    assert rows["model.dim"]["help"] == "Model width (embedding dimension)."
    Catalog.open(f"sqlite:///{tmp_path}/catalog.db", tmp_path).close()
    code, _, error = shell.here(capsys, "train", "--arch", "toy", "--set", "gain=9")
    assert code == 2
    assert "setting of toy gain=9.0 must be above 0 and below 9 (from --set)" in error
    code, _, error = shell.here(capsys, "train", "--arch", "toy", "--set", "gian=1")
    assert "did you mean 'gain'? list them with: musictk settings toy" in error
