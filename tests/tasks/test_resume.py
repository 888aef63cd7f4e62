"""Every task's estimator: a fit that was stopped goes on to the same bits; one with other options or data is refused."""

import pytest
import torch

from tenuto.errors import RunError
from tenuto.train import Checkpoint, Observer
from tests.tasks.launched import TASKS


class Crash(Observer):
    def __init__(self, at):
        self.at, self.resumed_at = at, None

    def resumed(self, *, step, metrics):
        self.resumed_at = step

    def step_ended(self, *, step, **rest):
        if step == self.at:
            raise ZeroDivisionError


@pytest.mark.parametrize("task", [name for name in TASKS if name != "softmax"])
def test_a_fit_that_was_stopped_ends_with_the_same_bits(task, tmp_path):
    model, x, y = TASKS[task]()
    model.set_params(dropout=0.3, num_layers=2)
    whole = model.fit(x, y)
    weights, metrics = {name: tensor.clone() for name, tensor in whole.network_.state_dict().items()}, whole.metrics_
    checkpoint, again = Checkpoint(tmp_path, every_steps=2), Crash(None)
    with pytest.raises(ZeroDivisionError):
        model.fit(x, y, checkpoint=checkpoint, observers=[Crash(5)])
    model.set_params(time_limit_s=100.0)  # may change
    model.fit(x, y, checkpoint=checkpoint, observers=[again])
    assert again.resumed_at == 4
    torch.testing.assert_close(dict(model.network_.state_dict()), weights, rtol=0, atol=0)
    assert [line["train_loss"] for line in model.metrics_] == [line["train_loss"] for line in metrics]
    with pytest.raises(RunError, match=r"belongs to another run: options.dropout differs"):
        model.set_params(dropout=0.1).fit(x, y, checkpoint=checkpoint)
    with pytest.raises(RunError, match="belongs to another run: train"):
        model.set_params(dropout=0.3).fit(x[1:], y and y[1:], checkpoint=checkpoint)
