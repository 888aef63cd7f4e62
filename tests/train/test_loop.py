"""The loop on a small regression: which weights it keeps, what stops it, what its errors say, what observers see."""

import pytest
import torch
from torch import nn

from tenuto.errors import ArgumentError
from tenuto.train import Launch, Loss, Observer, OneProcess, Outcome, TrainingError, TrainingOptions, train

X = torch.linspace(-1, 1, 24)[:, None]
Y = 3 * X - 1


class Recorder(Observer):
    def __init__(self):
        self.heard = []

    def started(self, *, epochs, steps_per_epoch):
        self.heard.append(("started", epochs, steps_per_epoch))

    def step_ended(self, *, epoch, step, loss, gradient_norm, learning_rate):
        self.heard.append(("step", epoch, step))

    def epoch_ended(self, metrics):
        self.heard.append(("epoch", metrics["epoch"]))

    def ended(self, *, stopped):
        self.heard.append(("ended", stopped))


def run(model=None, validation=None, spoil=None, seen=(), **options):
    """Fit a line to three batches of eight; `validation` gives the loss of each epoch, `spoil` changes the loss of a step."""
    model = model or nn.Linear(1, 1)
    losses = iter(validation) if validation else None
    steps = iter(range(1, 10**6))

    def loss(module, batch, carried):
        value = nn.functional.mse_loss(module(X[batch]), Y[batch])
        step = next(steps)
        return Loss(spoil(step, value) if spoil else value, len(batch))

    def validate(module):
        assert not module.training
        assert not torch.is_grad_enabled()
        value = next(losses) if losses else nn.functional.mse_loss(module(X), Y).item()
        if isinstance(value, BaseException):
            raise value
        return {"validation_loss": value}

    outcome = train(
        model,
        TrainingOptions(**{"learning_rate": 0.1, "warmup_steps": 0, **options}),
        batches=lambda epoch: torch.randperm(24, generator=torch.Generator().manual_seed(epoch)).split(8),
        loss=loss,
        validate=validate,
        describe_batch=lambda batch: f"rows {batch.tolist()}",
        observers=seen,
    )
    return model, outcome


def test_it_learns_and_reports():
    recorder = Recorder()
    model, outcome = run(epochs=80, seen=[recorder], weight_decay=0.0)
    torch.testing.assert_close(model.weight.item(), 3.0, atol=0.05, rtol=0)
    assert (outcome.stopped, outcome.steps, len(outcome.metrics)) == ("all epochs", 240, 80)
    assert not model.training
    first = outcome.metrics[0]
    assert first["epoch"] == 1
    assert (first["count"], first["steps"], first["best"]) == (24, 3, True)
    assert first["gradient_norm_max"] >= first["gradient_norm_mean"] > 0
    assert recorder.heard[:5] == [("started", 80, 3), ("step", 1, 1), ("step", 1, 2), ("step", 1, 3), ("epoch", 1)]
    assert recorder.heard[-1] == ("ended", "all epochs")


def test_the_best_weights_are_kept_and_patience_ends_training():
    weights = []

    class Watch(Observer):
        def epoch_ended(self, metrics):
            weights.append(model.weight.item())

    model = nn.Linear(1, 1)
    _, outcome = run(model, validation=[3.0, 1.0, 2.0, 1.2, 1.5, 0.1], patience=3, epochs=9, seen=[Watch()])
    assert (outcome.best_epoch, outcome.stopped, len(outcome.metrics)) == (2, "early stopping", 5)
    assert [line["best"] for line in outcome.metrics] == [True, True, False, False, False]
    assert model.weight.item() == weights[1]
    assert len(set(weights)) == 5


def test_of_equal_validations_the_last_is_kept_and_patience_counts_from_the_first():
    weights = []

    class Watch(Observer):
        def epoch_ended(self, metrics):
            weights.append(model.weight.item())

    model = nn.Linear(1, 1)
    _, outcome = run(model, validation=[3.0, 1.0, 2.0, 1.0, 1.0, 0.1], patience=3, epochs=9, seen=[Watch()])
    assert (outcome.best_epoch, outcome.stopped, len(outcome.metrics)) == (5, "early stopping", 5)
    assert [line["best"] for line in outcome.metrics] == [True, True, False, True, True]
    assert model.weight.item() == weights[4]


def test_ctrl_c_keeps_the_best_so_far():
    recorder = Recorder()
    _, outcome = run(validation=[3.0, 2.0, KeyboardInterrupt()], seen=[recorder])
    assert (outcome.stopped, outcome.best_epoch, len(outcome.metrics)) == ("interrupted", 2, 2)
    assert recorder.heard[-1] == ("ended", "interrupted")


def test_ctrl_c_before_the_first_validation_is_raised_to_the_caller():
    recorder = Recorder()
    with pytest.raises(KeyboardInterrupt):
        run(validation=[KeyboardInterrupt()], seen=[recorder])
    assert recorder.heard[-1] == ("ended", "error")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_named_with_step_and_batch(bad):
    with pytest.raises(TrainingError, match=r"the loss is not finite at step 5 \(epoch 2, batch 2 of 3\)(.|\n)*rows \["):
        run(spoil=lambda step, value: value * bad if step == 5 else value)


def test_a_gradient_that_is_not_finite_is_named():
    class Poison(torch.autograd.Function):
        @staticmethod
        def forward(context, value):
            return value.clone()

        @staticmethod
        def backward(context, gradient):
            return gradient * float("nan")

    with pytest.raises(TrainingError, match="the gradient is not finite at step 2 "):
        run(spoil=lambda step, value: Poison.apply(value) if step == 2 else value)


def test_steps_that_are_not_finite_can_be_left_out():
    model, outcome = run(spoil=lambda step, value: value * float("nan") if step == 2 else value, non_finite="skip", epochs=2)
    assert outcome.skipped_steps == 1
    assert [line["skipped_steps"] for line in outcome.metrics] == [1, 0]
    assert outcome.metrics[0]["count"] == 16
    assert torch.isfinite(model.weight).all()
    with pytest.raises(TrainingError, match="every step of epoch 1"):
        run(spoil=lambda step, value: value * float("nan"), non_finite="skip")


def test_a_validation_loss_that_never_is_finite_is_an_error():
    with pytest.raises(TrainingError, match="validation loss was not finite"):
        run(validation=[float("nan")] * 4, patience=3)


def test_gradients_are_clipped_and_their_norm_before_is_logged():
    _, free = run(epochs=1, clip_norm=None)
    model, outcome = run(epochs=1, clip_norm=1e-3)
    assert outcome.metrics[0]["clipped_steps"] == 3
    assert outcome.metrics[0]["gradient_norm_mean"] > 0.1
    assert free.metrics[0]["clipped_steps"] == 0


def test_training_can_be_limited_by_time():
    _, outcome = run(time_limit_s=1e-9)
    assert (outcome.stopped, len(outcome.metrics)) == ("time limit", 1)


def test_only_matrices_decay():
    model = nn.Linear(1, 1)
    nn.init.ones_(model.weight), nn.init.ones_(model.bias)
    run(model, epochs=1, learning_rate=1e-9, weight_decay=1e7, spoil=lambda step, value: value * 0)
    assert model.weight.item() < 0.99
    assert abs(model.bias.item() - 1) < 1e-6


def test_the_same_start_gives_the_same_weights():
    ends = []
    for _ in range(2):
        torch.manual_seed(5)
        ends.append(run(epochs=3)[0].weight.item())
    assert ends[0] == ends[1]


def test_another_launch_is_used_for_everything():
    asked = []

    class Elsewhere(OneProcess):
        is_main_process = False

        def prepare(self, *objects):
            asked.append("prepare")
            return super().prepare(*objects)

        def backward(self, loss):
            asked.append("backward")
            super().backward(loss)

        def clip_grad_norm_(self, parameters, max_norm):
            asked.append("clip")
            return super().clip_grad_norm_(parameters, max_norm)

    recorder = Recorder()
    elsewhere: Launch = Elsewhere()
    outcome = train(
        nn.Linear(1, 1),
        TrainingOptions(epochs=1),
        batches=lambda epoch: [slice(0, 24)],
        loss=lambda module, batch, carried: Loss(nn.functional.mse_loss(module(X[batch]), Y[batch]), 24),
        validate=lambda module: {"validation_loss": 0.0},
        observers=[recorder],
        launch=elsewhere,
    )
    assert isinstance(outcome, Outcome)
    assert asked == ["prepare", "backward", "clip"]
    assert recorder.heard == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"learning_rate": -1.0},
        {"learning_rate": float("nan")},
        {"clip_norm": 0.0},
        {"patience": 0},
        {"schedule": "linear"},
        {"non_finite": "ignore"},
        {"weight_decay": -1.0},
    ],
)
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        TrainingOptions(**wrong)


def test_what_is_best_can_be_another_number_than_the_loss():
    shares = iter([0.1, 0.9, 0.9, 0.5])
    outcome = train(
        nn.Linear(1, 1),
        TrainingOptions(epochs=9, patience=2, select_by="validation_accuracy", schedule="constant"),
        batches=lambda epoch: [X],
        loss=lambda module, batch, carried: Loss(module(batch).square().mean(), len(batch)),
        validate=lambda module: {"validation_loss": 1.0 - len(module.bias), "validation_accuracy": next(shares)},
    )
    assert (outcome.best_epoch, outcome.stopped) == (3, "early stopping")  # of the two equal ones the last
    assert [line["best"] for line in outcome.metrics] == [True, True, True, False]
    with pytest.raises(ArgumentError, match=r"no 'validation_exact'(.|\n)*validation_loss"):  # a known measure, but this validation does not return it
        run(select_by="validation_exact")
    with pytest.raises(ArgumentError, match="no measure 'loss'"):
        TrainingOptions(select_by="loss")
