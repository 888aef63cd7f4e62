"""Options are declared once: for the constructor, the checks, the documentation, and the training loop of every task."""

import dataclasses
import math

import pytest
import torch

from tenuto import Recurrent
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
    "bounds": {"clip_each": 0.1, "clip_ratio": 0.01, "spectral_bound": 0.5},
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


@pytest.mark.parametrize("name", [name for name in TASKS if name != "softmax"])
def test_every_task_starts_its_layers_as_it_is_told(name):
    model, x, y = TASKS[name]()
    model.set_params(epochs=1, learning_rate=1e-12, weight_decay=0.0, average=None, recurrent_start="identity", longest=50).fit(x, y)
    layer = model.network_.encoder if isinstance(model.network_.encoder, Recurrent) else next(part for part in model.network_.encoder.modules() if isinstance(part, Recurrent))
    hidden = layer.hidden_size
    for block in layer.weight_hh_l0.detach().chunk(3):
        torch.testing.assert_close(block, torch.eye(hidden), atol=1e-6, rtol=0)
    forgets = dict(zip(layer.cell.widths("gates"), layer.bias_l0.detach().chunk(3)))["z"]
    assert forgets.min() >= -1e-6 and forgets.max() > 1 and forgets.max() <= math.log(49) + 1e-6


def test_recurrent_weights_stay_within_their_bound():
    model, x, y = TASKS["classify"]()
    model.set_params(epochs=3, learning_rate=0.1, average=None, spectral_bound=0.5).fit(x, y)
    (layer,) = [part for part in model.network_.modules() if isinstance(part, Recurrent)]
    sizes = [float(torch.linalg.matrix_norm(block.detach(), 2)) for suffix in layer.suffixes(0) for block in layer.matrices(suffix).values()]
    assert max(sizes) == pytest.approx(0.5, rel=1e-5)


def test_a_start_that_is_not_known_is_refused():
    model, x, y = TASKS["classify"]()
    with pytest.raises(ArgumentError, match="weight_hh is 'orthogonl'"):
        model.set_params(recurrent_start="orthogonl").fit(x, y)
