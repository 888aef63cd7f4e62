"""The optimiser of a run: which weights decay by default, one kernel for Adam and AdamW, gradients clipped by value."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from tenuto.train import OneProcess, TrainingOptions
from tenuto.train.optimiser import build_optimiser, ready_gradients
from tests.train.small_run import OPTIONS, small_run


@pytest.mark.parametrize(("optimizer", "decay"), [("adamw", 0.01), ("adam", 0.0), ("sgd", 0.0)])
def test_weights_decay_by_default_only_where_decay_is_not_part_of_the_gradient(optimizer, decay):
    built = build_optimiser(nn.LSTM(2, 3), TrainingOptions(optimizer=optimizer))
    assert [group["weight_decay"] for group in built.param_groups] == [decay, 0.0]
    assert TrainingOptions(optimizer=optimizer, weight_decay=0.3).decay == 0.3
    assert replace(TrainingOptions(), optimizer=optimizer).decay == decay


def test_a_recurrent_model_learns_with_adam_as_with_adamw():
    losses = {}
    for optimizer in ("adamw", "adam"):
        _, outcome = small_run(replace(OPTIONS, optimizer=optimizer, epochs=8))
        losses[optimizer] = min(line["validation_loss"] for line in outcome.metrics)
    assert losses["adam"] == pytest.approx(losses["adamw"], rel=0.01)
    assert losses["adam"] < 2.9  # guessing gives log 32 = 3.47


def test_adam_is_fused_only_where_all_weights_are_contiguous():
    crooked = nn.Linear(2, 3)
    crooked.weight = nn.Parameter(torch.randn(2, 3).t())
    assert build_optimiser(nn.Linear(2, 3), TrainingOptions()).defaults["fused"]
    assert not build_optimiser(crooked, TrainingOptions()).defaults["fused"]


def test_gradients_are_clipped_by_value_and_then_by_norm():
    weight = nn.Parameter(torch.zeros(3))

    def ready(**options):
        weight.grad = torch.tensor([3.0, -4.0, 0.5])
        norm, clipped = ready_gradients([weight], TrainingOptions(**options), OneProcess(), 1.0)
        assert norm == pytest.approx((9 + 16 + 0.25) ** 0.5)
        return weight.grad.tolist(), clipped

    assert ready(clip_norm=None) == ([3.0, -4.0, 0.5], False)
    assert ready(clip_norm=None, clip_value=1.0) == ([1.0, -1.0, 0.5], True)
    each, clipped = ready(clip_norm=None, clip_each=2.5249)
    assert clipped and sum(value**2 for value in each) == pytest.approx(2.5249**2) and each[0] / each[1] == pytest.approx(-0.75)
    assert ready(clip_norm=None, clip_each=6.0) == ([3.0, -4.0, 0.5], False)
    both, clipped = ready(clip_norm=0.75, clip_value=1.0)
    assert clipped
    assert both == pytest.approx([0.5, -0.5, 0.25], rel=1e-5)


def test_rows_are_clipped_beside_their_weights():
    """Brock et al. 2021, eq. 3: a row of norm 5 and a limit of a tenth of it; a row of zeros counts as 0.001 long."""
    weight, bias = nn.Parameter(torch.tensor([[3.0, 4.0], [3.0, 4.0], [0.0, 0.0]])), nn.Parameter(torch.tensor([0.0, 2.0]))
    weight.grad, bias.grad = torch.tensor([[0.6, 0.8], [0.3, 0.0], [2.0, 0.0]]), torch.tensor([0.0, 1.0])
    norm, clipped = ready_gradients([weight, bias], TrainingOptions(clip_norm=None, clip_ratio=0.1), OneProcess(), 1.0)
    assert clipped and norm == pytest.approx((1 + 0.09 + 4 + 1) ** 0.5)
    torch.testing.assert_close(weight.grad, torch.tensor([[0.3, 0.4], [0.3, 0.0], [1e-4, 0.0]]))
    torch.testing.assert_close(bias.grad, torch.tensor([0.0, 0.2]))
    _, clipped = ready_gradients([weight, bias], TrainingOptions(clip_norm=None, clip_ratio=0.11), OneProcess(), 1.0)
    assert not clipped
