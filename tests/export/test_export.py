"""Exports are whole, honest, and refused where they play otherwise than the model."""

from __future__ import annotations

import re
import shutil
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from safetensors.numpy import load_file, save_file

from musictk.errors import MusictkError, UsageError
from musictk.export import Excerpt, ExportReport, export_onnx, export_torchscript
from musictk.export import onnx as onnx_export
from musictk.export.writing import Written
from musictk.model import bundle, manifest
from musictk.model.manifest import WEIGHTS, Manifest
from musictk.plugin import Registry
from musictk.runtime import Runtime, load
from musictk.testing import exports
from musictk.testing.exports import Blank, write_untrained
from musictk.tokens import Tokens


class Stages:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def stage(self, name: str) -> None:
        self.stages.append(name)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("source")
    write_untrained(directory, "gpt", Blank(Tokens(400)), dim=64, depth=1, heads=2, max_length=400)
    return directory


STAGES = Stages()


@pytest.fixture(scope="module")
def report(source: Path, tmp_path_factory: pytest.TempPathFactory) -> ExportReport:
    """An export that every test may read; its report."""
    return export_onnx(source, tmp_path_factory.mktemp("exports") / "out", listener=STAGES)


def test_the_report_has_the_measured_values(report: ExportReport, source: Path) -> None:
    assert STAGES.stages == ["writing", "replaying", "timing"]
    assert report.kind == "onnx"
    assert report.steps > 256
    assert report.max_logit_difference <= 1e-4
    assert report.greedy_agreement == 1
    assert min(report.tokens_per_second, report.eager_tokens_per_second) > 0
    files = sorted(file.name for file in report.path.iterdir())
    assert files == ["manifest.json", "model.onnx", "vocabulary.json", "weights.safetensors"]
    # The weights are stored once, in the graph: a second copy would double the file.
    assert report.bytes < 1.3 * (source / "weights.safetensors").stat().st_size
    assert Manifest.read(report.path).trained["export"]["steps"] == report.steps


@pytest.mark.parametrize("room", [1, 5])
def test_a_model_with_room_for_few_positions(tmp_path: Path, room: int) -> None:
    place, tokens = tmp_path / "source", Blank(Tokens(40))
    write_untrained(place, "gpt", tokens, dim=16, depth=1, heads=2, max_length=room)
    assert export_torchscript(place, tmp_path / "out").greedy_agreement == 1


def test_attention_reads_the_joint_projection(report: ExportReport) -> None:
    nodes = [node.op_type for node in onnx.load(report.path / "model.onnx").graph.node]
    assert "GroupQueryAttention" in nodes
    assert not {"Reshape", "Transpose", "Slice", "Split", "Concat"} & set(nodes)


def test_int8_and_fp16_are_smaller_and_own_up_to_their_rounding(
    source: Path, tmp_path: Path
) -> None:
    full = (source / "weights.safetensors").stat().st_size
    int8 = export_onnx(source, tmp_path / "int8", "int8")
    half = export_onnx(source, tmp_path / "fp16", "fp16")
    assert half.bytes < 0.75 * full
    assert 0 < half.max_logit_difference < int8.max_logit_difference < 1
    assert 0.98 <= int8.greedy_agreement <= half.greedy_agreement
    for rounded in (int8, half):
        assert (rounded.music, rounded.music_positions) == ("generated music", 8 * 256)
        assert rounded.nats_difference is not None
        assert abs(rounded.nats_difference) < 0.01
    nodes = onnx.load(tmp_path / "int8" / "model.onnx").graph.node
    products = [node.op_type for node in nodes if "MatMul" in node.op_type]
    assert products == ["MatMulNBits"] * 6, "qkv, out, up, down, the head and conditions"


def test_int8_stores_weights_that_half_precision_represents_in_it(
    source: Path, tmp_path: Path
) -> None:
    """The embeddings of a bundle in half precision, as those of the built-in models."""
    network, about = bundle.read(source)
    (tmp_path / "halved").mkdir()
    bundle.write(tmp_path / "halved", network.half(), about)
    export_onnx(tmp_path / "halved", tmp_path / "int8", "int8")
    tables = {}
    for each in onnx.load(tmp_path / "int8" / "model.onnx").graph.initializer:
        if ".int8" not in each.name and ".scale" not in each.name and np.prod(each.dims) > 4096:
            tables[each.name] = numpy_helper.to_array(each)
    assert {table.shape for table in tables.values()} == {(400, 64)}, "tokens and positions"
    assert {table.dtype for table in tables.values()} == {np.dtype(np.float16)}


def test_int8_rows_do_not_depend_on_each_other(source: Path, tmp_path: Path) -> None:
    export_onnx(source, tmp_path / "int8", "int8", least=0)
    runtime = load(tmp_path / "int8", device="cpu")
    quiet = runtime.condition([[]])[None, None]
    loud = quiet + 100
    alone = runtime.begin(1, 8).step(np.array([[5]]), quiet)
    beside = runtime.begin(2, 8).step(np.array([[5], [9]]), np.concatenate([quiet, loud]))
    np.testing.assert_allclose(beside[:1], alone, atol=1e-5)


@pytest.fixture
def uneven(tmp_path: Path) -> Path:
    """A model one of whose channels is so loud that 8 bits have no room for the others."""
    directory = tmp_path / "uneven"
    settings = {"dim": 64, "depth": 1, "heads": 2, "max_length": 300}
    write_untrained(directory, "gpt", Blank(Tokens(400)), **settings)
    weights = load_file(directory / WEIGHTS)
    norm, head = (weights[name].copy() for name in ("head.norm.weight", "head.linear.weight"))
    norm[0], head[:, 0] = 400, 0
    save_file(
        {**weights, "head.norm.weight": norm, "head.linear.weight": head}, directory / WEIGHTS
    )
    return directory


def test_rounding_that_changes_the_choices_is_refused(uneven: Path, tmp_path: Path) -> None:
    with pytest.raises(MusictkError) as caught:
        export_onnx(uneven, tmp_path / "int8", "int8")
    said = str(caught.value)
    share = re.search(r"makes only (\d+\.\d)% of the model's greedy choices over 2,048", said)
    assert share is not None
    assert float(share[1]) < 98
    assert said.endswith("export with --fp16, or --onnx alone for fp32")
    assert not (tmp_path / "int8").exists()
    assert export_onnx(uneven, tmp_path / "fp16", "fp16").greedy_agreement >= 0.98
    assert export_onnx(uneven, tmp_path / "bad", "int8", least=0).greedy_agreement < 0.98


def test_rounding_is_measured_on_the_music_given(source: Path, tmp_path: Path) -> None:
    """By hand: the nats of each position under both engines, alone and step by step."""
    notes = np.random.default_rng(1).integers(3, 400, 60)
    music = [Excerpt(notes[:40], [[(2, 1.0)]]), Excerpt(notes[40:], [[]])]
    report = export_onnx(source, tmp_path / "int8", "int8", music=music, least=0)
    assert (report.music, report.music_positions) == ("validation music", 60)
    engines = load(tmp_path / "int8", device="cpu"), load(source, device="cpu")
    nats = [sum(cost(engine, each) for each in music) for engine in engines]
    assert report.nats_difference == pytest.approx((nats[0] - nats[1]) / 60, abs=2e-3)


def cost(engine: Runtime, excerpt: Excerpt) -> float:
    session, condition = engine.begin(1, 64), engine.condition(excerpt.labels)[None, None]
    last, total = 1, 0.0
    for token in excerpt.sequence.tolist():
        logits = session.step(np.array([[last]]), condition)[0, 0].astype(np.float64)
        total += float(np.log(np.exp(logits).sum()) - logits[token])
        last = token
    return total


def test_what_would_overflow_is_refused_by_name(tmp_path: Path) -> None:
    tiny = {"dim": 32, "depth": 1, "heads": 2, "windows": (4, 64)}
    write_untrained(tmp_path / "source", "conformer", Blank(Tokens(40)), **tiny)
    with pytest.raises(UsageError, match="windows of 4 with xpos cannot be exported"):
        export_onnx(tmp_path / "source", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_changed_weight_is_refused(
    report: ExportReport, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One weight of the 25,600 of the embedding, off by a tenth, is enough to be found out."""
    write = onnx_export.write_graph

    def tampered(network: object, manifest: Manifest, path: Path) -> Written:
        written = write(network, manifest, path)  # type: ignore[arg-type]
        model = onnx.load(path)
        weight = next(t for t in model.graph.initializer if list(t.dims) == [400, 64])
        array = numpy_helper.to_array(weight).copy()
        array[17, 3] += 0.1
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
        onnx.save(model, path)
        return written

    target = tmp_path / "exports" / "out"
    shutil.copytree(report.path, target)
    kept = (target / "model.onnx").read_bytes()
    monkeypatch.setattr(onnx_export, "write_graph", tampered)
    with pytest.raises(MusictkError, match="differs from the model"):
        export_onnx(source, target)
    assert [path.name for path in target.parent.iterdir()] == ["out"], "nothing is left lying about"
    assert (target / "model.onnx").read_bytes() == kept, "the earlier export is untouched"


def test_an_export_replaces_an_export_and_nothing_else(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    export_torchscript(source, target)
    first = (target / "manifest.json").stat().st_ino
    assert load(target, "torchscript").name == "torchscript"
    export_torchscript(source, target)
    assert (target / "manifest.json").stat().st_ino != first
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("four years")
    with pytest.raises(MusictkError, match="exists and is not an export"):
        export_torchscript(source, precious)
    assert (precious / "thesis.txt").read_text() == "four years"


def test_unknown_precision_and_missing_source(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose from: fp32, int8, fp16"):
        export_onnx(source, tmp_path / "out", "int4")  # type: ignore[arg-type]
    with pytest.raises(MusictkError, match="does not exist"):
        export_onnx(tmp_path / "nowhere", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the architectures of `odd_plugin.py`."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    found = Registry([EntryPoint("odd", "odd_plugin", "musictk")])
    assert not found.failures
    for module in (manifest, exports):
        monkeypatch.setattr(module, "registry", lambda: found)


@pytest.mark.usefixtures("odd")
def test_a_state_that_does_not_begin_at_zero_is_kept(tmp_path: Path) -> None:
    write_untrained(tmp_path / "source", "echo", Blank(Tokens(40)), dim=8)
    export_onnx(tmp_path / "source", tmp_path / "onnx")
    session = load(tmp_path / "onnx").begin(2, 4)
    other = load(tmp_path / "source").begin(2, 4)
    sequence, condition = np.full((2, 1), 5), np.zeros((2, 1, 8), np.float32)
    np.testing.assert_allclose(
        session.step(sequence, condition), other.step(sequence, condition), atol=1e-5
    )


@pytest.mark.usefixtures("odd")
def test_layers_may_share_their_weights(tmp_path: Path) -> None:
    write_untrained(tmp_path / "source", "repeated", Blank(Tokens(40)), dim=8)
    export_torchscript(tmp_path / "source", tmp_path / "script")
    sessions = [
        load(tmp_path / name, runtime).begin(1, 4)
        for name, runtime in (("source", "torch"), ("script", "torchscript"))
    ]
    sequence, condition = np.full((1, 3), 5), np.ones((1, 1, 8), np.float32)
    one, two = (each.step(sequence, condition) for each in sessions)
    np.testing.assert_allclose(one, two, atol=1e-5)


@pytest.mark.usefixtures("odd")
def test_an_architecture_that_does_not_export_is_named(tmp_path: Path) -> None:
    write_untrained(tmp_path / "source", "stubborn", Blank(Tokens(40)), dim=8)
    with pytest.raises(MusictkError, match="architecture 'stubborn' cannot be exported as onnx"):
        export_onnx(tmp_path / "source", tmp_path / "onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.usefixtures("odd")
@pytest.mark.parametrize(
    ("architecture", "said"),
    [
        ("stubborn", "a branch or a size depends on values in a tensor in body (odd_plugin.py:"),
        ("sorter", "no form of the operation aten._linalg_svd in body.blocks.1 (odd_plugin.py:"),
        ("looper", "its forward works for a fixed number of positions only"),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], architecture: str, said: str
) -> None:
    write_untrained(tmp_path / "source", architecture, Blank(Tokens(40)), dim=8)
    with pytest.raises(MusictkError) as found:
        export_onnx(tmp_path / "source", tmp_path / "onnx")
    assert said in str(found.value)
    assert str(found.value).endswith("; let its begin and forward compile with torch.export")
    assert "\n" not in str(found.value)
    assert "\x1b" not in str(found.value)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("odd")
def test_what_cannot_be_scripted_is_one_line(tmp_path: Path) -> None:
    write_untrained(tmp_path / "source", "counter", Blank(Tokens(40)), dim=8)
    with pytest.raises(MusictkError) as found:
        export_torchscript(tmp_path / "source", tmp_path / "script")
    assert "architecture 'counter' cannot be exported as torchscript: " in str(found.value)
    assert "(odd_plugin.py:" in str(found.value)
    assert "\n" not in str(found.value)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
