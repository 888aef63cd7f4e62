"""What the options promise, compared with sums by hand: accumulation, averages of the weights, the plateau, 16-bit products."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from tenuto.train import Checkpoint, Loss, Observer, TrainingOptions, train
from tenuto.train.average import WeightAverage
from tests.train.small_run import OPTIONS, small_run

X = torch.linspace(-1, 1, 24)[:, None]
Y = 3 * X - 1


class Weights(Observer):
    """The weight after each step."""

    def __init__(self, model):
        self.model, self.seen = model, []

    def step_ended(self, **rest):
        self.seen.append(self.model.weight.item())


def line(batches, validation=None, factor=lambda step: 1.0, grain=0.0, **options):
    """A line through these batches; returns the model, its weights after each step, and the outcome."""
    torch.manual_seed(1)
    model, losses, steps = nn.Linear(1, 1), iter(validation or []), iter(range(1, 10**6))
    weights = Weights(model)
    outcome = train(
        model,
        TrainingOptions(**{"learning_rate": 0.1, "warmup_steps": 0, "schedule": "constant", **options}),
        batches=lambda epoch: batches,
        loss=lambda module, batch, carried: Loss(nn.functional.mse_loss(module(X[batch]), Y[batch]) * factor(next(steps)), len(batch)),
        validate=lambda module: {"validation_loss": next(losses) if validation else nn.functional.mse_loss(module(X), Y).item()},
        grain=grain,
        observers=[weights],
    )
    return model, weights.seen, outcome


def test_accumulated_batches_of_unequal_size_are_the_step_of_one_large_batch():
    order = torch.randperm(24, generator=torch.Generator().manual_seed(3))
    parts = order.split([1, 8, 3, 7, 2, 3])
    _, small, outcome = line(list(parts), accumulate=3, epochs=4, clip_norm=0.5)
    _, large, whole = line([order[:12], order[12:]], epochs=4, clip_norm=0.5)
    torch.testing.assert_close(small, large, rtol=1e-5, atol=0)
    for name in ("train_loss", "gradient_norm_mean", "count", "steps", "clipped_steps"):
        assert [entry[name] for entry in outcome.metrics] == pytest.approx([entry[name] for entry in whole.metrics], rel=1e-5), name


def test_the_exponential_average_is_what_is_kept():
    model, weights, outcome = line(X.new_ones(24).nonzero()[:, 0].split(8), validation=[3.0, 2.0, 1.0], epochs=3, average="ema", ema_decay=0.3)
    torch.manual_seed(1)
    average = nn.Linear(1, 1).weight.item()
    for decay, weight in zip([2 / 11, 3 / 12, *[0.3] * 7], weights, strict=True):  # in the first steps the decay is smaller
        average = decay * average + (1 - decay) * weight
    assert model.weight.item() == pytest.approx(average, rel=1e-6)
    assert outcome.metrics[-1]["averaging"]


def test_validations_within_the_grain_count_as_equal_and_the_last_is_kept():
    losses = [3.0, 1.0, 1.25, 1.5, 1.25, 1.3]
    model, weights, outcome = line([torch.arange(24)], validation=losses, grain=0.25, epochs=6)
    assert [one["best"] for one in outcome.metrics] == [True, True, True, False, True, False]
    assert outcome.best_epoch == 5 and model.weight.item() == pytest.approx(weights[4])


def test_statistics_of_a_normalisation_are_averaged_with_the_weights():
    model = nn.Sequential(nn.BatchNorm1d(1), nn.Linear(1, 1))
    average, expected = WeightAverage(model, 0.5), 0.0
    for step in range(6):
        model(X + step)
        average.update(model)
        decay = min(0.5, (2 + step) / (11 + step))
        expected = decay * expected + (1 - decay) * model[0].running_mean.item()
    own = model[0].running_mean.item()
    with average.swapped(model):
        assert model[0].running_mean.item() == pytest.approx(expected, rel=1e-6)
    assert model[0].running_mean.item() == own != pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("schedule, average", [("cosine", "ema"), ("constant", "ema"), ("nt-asgd", None)])
def test_an_average_left_open_goes_with_every_schedule(schedule, average):
    assert TrainingOptions(schedule=schedule, average="auto").average == average


def test_averaging_begins_when_the_loss_stops_falling():
    losses = [3.0, 2.0, 2.5, 2.4, 2.3, 1.5, 1.0]  # the fifth is the first that is above an earlier one with two or more between them
    model, weights, outcome = line([torch.arange(24)], validation=losses, epochs=7, schedule="nt-asgd", trigger_patience=2, optimizer="sgd")
    assert [entry["averaging"] for entry in outcome.metrics] == [False] * 4 + [True] * 3
    assert {entry["learning_rate"] for entry in outcome.metrics} == {0.1}
    assert model.weight.item() == pytest.approx(sum(weights[5:]) / 2, rel=1e-6)


def test_the_rate_falls_on_a_plateau():
    losses = [3.0, 2.0, 2.5, 2.4, 2.3, 2.2, 1.0]
    _, _, outcome = line([torch.arange(24)], validation=losses, epochs=7, schedule="plateau", plateau_patience=2, plateau_factor=0.1)
    assert [entry["learning_rate"] for entry in outcome.metrics] == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.001])


# --- 16 bits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_products_of_16_bits_train_weights_of_32_on_a_cpu(precision):
    seen = set()

    class Watched(nn.Linear):
        def forward(self, x):
            y = super().forward(x)
            seen.add(y.dtype)
            return y

    def trained(kind):
        torch.manual_seed(1)
        model = Watched(1, 1)
        options = TrainingOptions(learning_rate=0.1, epochs=40, precision=kind)
        measure = lambda module: nn.functional.mse_loss(module(X).float(), Y)  # noqa: E731
        outcome = train(
            model, options, batches=lambda epoch: [slice(0, 12), slice(12, 24)], validate=lambda module: {"validation_loss": measure(module).item()},
            loss=lambda module, batch, carried: Loss(nn.functional.mse_loss(module(X[batch]).float(), Y[batch]), 12),
        )  # fmt: skip
        return model, outcome

    model, outcome = trained(precision)
    assert getattr(torch, precision) in seen
    assert model.weight.dtype == torch.float32
    assert outcome.skipped_steps <= (3 if precision == "float16" else 0)  # until the scale is small enough for these gradients
    reference, _ = trained("float32")
    torch.testing.assert_close(model.weight, reference.weight, rtol=0.05, atol=0)


def test_a_gradient_beyond_float16_costs_a_step_and_halves_the_scale():
    model, weights, outcome = line([torch.arange(24)], factor=lambda step: 0.1 if step != 3 else 50.0, epochs=5, precision="float16")
    assert outcome.skipped == ["the gradient is not finite at step 3 (epoch 3, batch 1 of 1): overflow at a loss scale of 65536"]
    assert len(weights) == 4
    assert [entry["epoch"] for entry in outcome.metrics] == [1, 2, 4, 5], "nothing was learnt in the third"
    assert torch.isfinite(model.weight).all()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_run_in_16_bits_goes_on_to_the_same_bits(tmp_path, precision):
    class Stop(Observer):
        def step_ended(self, *, step, **rest):
            if step == 7:
                raise ZeroDivisionError

    options = replace(OPTIONS, precision=precision)
    model, outcome = small_run(options)
    assert outcome.metrics[-1]["train_loss"] < outcome.metrics[0]["train_loss"]
    with pytest.raises(ZeroDivisionError):
        small_run(options, checkpoint=Checkpoint(tmp_path, every_steps=2), observers=[Stop()])
    again, _ = small_run(options, checkpoint=Checkpoint(tmp_path, every_steps=2))
    torch.testing.assert_close(dict(again.state_dict()), dict(model.state_dict()), rtol=0, atol=0)
