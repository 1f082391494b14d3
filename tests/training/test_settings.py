from __future__ import annotations

import pytest

from musictk.errors import UnknownNameError, UsageError
from musictk.training.settings import GROUP_OF, TrainSettings


def test_flat_names_round_trip() -> None:
    changed = TrainSettings().but(lr=0.5, steps=7, precision="bf16", batch=3)
    assert (changed.optimisation.lr, changed.schedule.steps, changed.loop.batch) == (0.5, 7, 3)
    assert TrainSettings().but(**changed.flat()) == changed
    assert set(changed.flat()) == set(GROUP_OF)


def test_strings_are_parsed_as_by_set() -> None:
    changed = TrainSettings().but(lr="3e-4", compile="true", accumulation="4")
    assert changed.optimisation.lr == 3e-4
    assert changed.precision.compile is True
    assert changed.loop.accumulation == 4


def test_an_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'weight_decay'"):
        TrainSettings().but(weight_decy=0.1)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("batch", 0),
        ("steps", -1),
        ("length", 1),
        ("condition_dropout", 1.5),
        ("precision", "fp8"),
        ("warmup", 1.0),
        ("log_every", 0),
        ("muon_steps", 0),
        ("lr", "fast"),
        ("lr", -1),
        ("lr", float("inf")),
        ("beta1", 2),
        ("beta2", 1.0),
        ("weight_decay", -0.1),
        ("clip", -1),
        ("clip", float("nan")),
        ("label_smoothing", 1.5),
        ("patience", -3),
        ("final", 2),
        ("accumulation", 0),
        ("evaluate_batches", -1),
        ("seed", -1),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"{key}={value!r}"):
        TrainSettings().but(**{key: value})
