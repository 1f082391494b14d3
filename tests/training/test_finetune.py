from __future__ import annotations

import builtins
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from musictk.errors import MusictkError
from musictk.model import bundle
from musictk.model.conditions import Conditions
from musictk.training.finetune import grow, start_from
from musictk.training.language import LanguageModeling
from musictk.training.loop import train
from tests.training.run_log import read_log

KNOWN = Conditions(
    {"composer": ("", "OTHER", "Bach", "Chopin", "Satie")}, {"composer": ("Alkan", "Field")}
)


def test_new_labels_are_appended_and_no_id_changes() -> None:
    wanted = Conditions(
        {"composer": ("", "OTHER", "Alkan", "Bach", "Ravel"), "period": ("", "OTHER", "Baroque")},
        {"composer": ("Chopin", "Tarrega"), "period": ()},
    )
    grown = grow(KNOWN, wanted)
    assert grown.labels["composer"][:5] == KNOWN.labels["composer"]
    assert grown.labels["composer"][5:] == ("Alkan", "Ravel")
    assert grown.folded["composer"] == ("Field", "Tarrega")
    assert grown.labels["period"] == ("", "OTHER", "Baroque")
    assert grow(grown, wanted) == grown


def test_a_new_composer_starts_from_the_known_vectors(
    small: SimpleNamespace, tmp_path: Path
) -> None:
    network, manifest = small.fresh()
    bundle.write(tmp_path, network, manifest)
    wanted = Conditions({"composer": ("", "OTHER", "Ravel"), "period": ("", "OTHER", "Baroque")})
    grown, described = start_from(tmp_path, conditions=wanted)
    before = network.state_dict()["tables.0.weight"]
    table = grown.state_dict()["tables.0.weight"]
    assert torch.equal(table[:5], before)
    assert torch.allclose(table[5], before[2:].mean(0))
    assert not grown.state_dict()["tables.1.weight"].any()
    assert described.conditions.labels["composer"][5] == "Ravel"
    assert described.trained["from"]["digest"] == bundle.weights_digest(network)
    # A label of the new category changes nothing until it has been trained.
    sequence = torch.randint(3, 131, (1, 16))
    with torch.no_grad():
        old = network.eval()(sequence, network.condition(torch.tensor([[2]])), network.begin(1, 0))
        ids = torch.tensor([[2, 2]])
        new = grown.eval()(sequence, grown.condition(ids), grown.begin(1, 0))
    assert torch.allclose(old[0], new[0], atol=1e-6)


def test_a_model_without_labels_gets_labels(small: SimpleNamespace, tmp_path: Path) -> None:
    _, manifest = small.fresh()
    bare = replace(manifest, conditions=Conditions())
    bundle.write(tmp_path, bundle.build_network(bare), bare)
    grown, described = start_from(tmp_path, conditions=KNOWN)
    assert described.conditions.labels == KNOWN.labels
    assert grown.condition_logits is not None
    assert not grown.condition_logits.linear.weight.any()


def test_all_weights_are_trained_on(small: SimpleNamespace, tmp_path: Path) -> None:
    first = small.run(tmp_path / "first")
    network, manifest = start_from(first.best, conditions=KNOWN)
    split, valid = small.splits()
    outcome = train(
        LanguageModeling(network, manifest, split, valid),
        small.SMALL,
        tmp_path / "second",
        device="cpu",
    )
    assert outcome.best_nll is not None
    assert first.best_nll is not None
    assert outcome.best_nll < first.best_nll
    assert bundle.read(outcome.best)[1].trained["from"]["trained"]["step"] == first.best_step


@pytest.mark.parametrize("lora", [0, 4])
def test_the_start_stays_the_best_until_it_is_beaten(
    small: SimpleNamespace, tmp_path: Path, lora: int
) -> None:
    first = small.run(tmp_path / "first", small.SMALL.but(steps=60, lr=1e-2))
    split, valid = small.splits()
    settings = small.SMALL.but(lr=1.0)  # far too high: every step is for the worse
    network, manifest = start_from(first.best, lora=lora)
    outcome = train(
        LanguageModeling(network, manifest, split, valid), settings, tmp_path / "bad", device="cpu"
    )
    assert outcome.kept_start
    scores = [line["nll"] for line in read_log(tmp_path / "bad") if line["kind"] == "evaluation"]
    assert len(scores) == 4
    assert outcome.best_nll == scores[0] == min(scores)
    before, after = bundle.read(first.best)[0], bundle.read(outcome.best)[0]
    assert bundle.weights_digest(after) == bundle.weights_digest(before)
    assert bundle.read(outcome.best)[1].trained["step"] == 0


def test_a_fine_tuned_run_resumes_exactly(small: SimpleNamespace, tmp_path: Path) -> None:
    first = small.run(tmp_path / "first")
    split, valid = small.splits()
    outcomes = []
    for name, listener in (("whole", None), ("cut", small.Stopper(4))):
        network, manifest = start_from(first.best)
        directory = tmp_path / name
        outcomes.append(
            train(
                LanguageModeling(network, manifest, split, valid),
                small.SMALL,
                directory,
                listener,
                device="cpu",
            )
        )
    assert outcomes[1].interrupted
    network, manifest = bundle.read(tmp_path / "cut/last")
    directory = tmp_path / "cut"
    end = train(
        LanguageModeling(network, manifest, split, valid),
        small.SMALL,
        directory,
        resume=True,
        device="cpu",
    )
    whole = outcomes[0]
    assert (end.digest, end.best_step, end.best_nll) == (
        whole.digest, whole.best_step, whole.best_nll,
    )  # fmt: skip
    steps = [line["step"] for line in read_log(directory) if line["kind"] == "evaluation"]
    assert steps == [0, 5, 10, 12]


def test_without_peft_the_hint_is_to_install_it(
    small: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def absent(name: str, *args: object, **kwargs: object) -> object:
        if name == "peft":
            raise ImportError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    bundle.write(tmp_path, *small.fresh())
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MusictkError, match=r"pip install 'peft"):
        start_from(tmp_path, lora=4)
