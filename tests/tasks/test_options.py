"""Options are declared once: for the constructor, the checks, the documentation, and the training loop of every task."""

import dataclasses

import pytest

from tenuto.errors import ArgumentError
from tenuto.tasks import cards
from tenuto.tasks.option import options_of
from tenuto.tasks.task import load
from tenuto.train import TrainingOptions
from tests.tasks.launched import TASKS

LOOPS = {
    "sgd": {"optimizer": "sgd", "momentum": 0.5, "clip_value": 0.5, "average": "ema", "ema_decay": 0.5, "max_steps": 3, "validate_every": 2},
    "adam": {"optimizer": "adam", "betas": (0.5, 0.9), "precision": "bfloat16", "accumulate": 2, "non_finite": "skip"},
    "nt-asgd": {"schedule": "nt-asgd", "trigger_patience": 1, "optimizer": "sgd"},
    "plateau": {"schedule": "plateau", "plateau_factor": 0.1, "plateau_patience": 1, "warmup_steps": 1, "select_by": "validation_loss"},
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("name", [name for name in TASKS if name != "softmax"])
def test_every_task_trains_with_every_loop(name, loop):
    model, x, y = TASKS[name]()
    model.set_params(epochs=2, **LOOPS[loop]).fit(x, y)
    options = model.evaluation_["training"]["options"]
    assert {key: options[key] for key in LOOPS[loop]} == LOOPS[loop]


@pytest.mark.parametrize("card", cards(), ids=lambda card: card.name)
def test_every_option_of_the_loop_is_an_option_of_the_task(card):
    known = {one.name: one for one in options_of(card.options)}
    for field in dataclasses.fields(TrainingOptions):
        assert field.name in known


@pytest.mark.parametrize("card", cards(), ids=lambda card: card.name)
def test_a_value_out_of_range_is_refused_by_name(card):
    model = load(card.estimator)()
    model.check_options()
    for known in options_of(card.options):
        wrong = [] if known.least is None else [known.least - 1, "many", float("nan"), *([2.5, True] if known.kind is int else [])]
        for value in [*wrong, *([] if known.below is None else [known.below])]:
            with pytest.raises(ArgumentError, match=f"{known.name}={value!r} is out of range"):
                load(card.estimator)(**{known.name: value}).check_options()


@pytest.mark.parametrize("card", cards(), ids=lambda card: card.name)
def test_the_documentation_of_a_class_has_each_option(card):
    kind = load(card.estimator)
    assert all(f"        {known.name}: {known.told(None if known.none is not None else 0)}".replace("\\[", "[") in kind.__doc__ for known in options_of(kind))
