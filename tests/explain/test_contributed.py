"""The method "contributions" of `tenuto.explain`: complete for every task, the mean over several references, and the same alone and in a batch."""

import numpy as np
import pytest
import torch
from torch import nn

import tenuto
from tenuto.errors import TenutoError
from tests.explain.models import Reader, Words, double, fitted, target_of
from tests.tasks.launched import TASKS


@pytest.mark.parametrize("name", [name for name in TASKS if name != "softmax"])
def test_the_parts_are_the_whole_for_every_task(name):
    model, data = fitted(name)
    together = tenuto.explain(model, data, target=target_of(name), method="contributions")
    for item in together:
        assert abs(item.gap) <= 1e-4 * max(1.0, abs(item.prediction), abs(item.base)) and item.values.shape == item.x.shape
    alone = tenuto.explain(model, data[2:3], target=target_of(name), method="contributions")
    np.testing.assert_allclose(together[2].values, alone[0].values, rtol=1e-3, atol=1e-6)


def test_a_module_without_a_rule_is_refused_with_the_mend():
    model, data = fitted("softmax")
    with pytest.raises(TenutoError, match=r"AdaptiveLogSoftmaxWithLoss(.|\n)*gradient method"):
        tenuto.explain(model, data, method="contributions")


def test_several_references_are_their_mean_with_its_error():
    model, x, others = double(Reader(nn.LSTM)), torch.randn(5, 2, 3, dtype=torch.float64), torch.randn(5, 3, 3, dtype=torch.float64)
    together = tenuto.explain(model, x, target=0, background=others, method="contributions")
    each = np.stack([tenuto.explain(model, x, target=0, background=others[:, row : row + 1], method="contributions")[1].values for row in range(3)])
    np.testing.assert_allclose(together[1].values, each.mean(0), atol=1e-12)
    np.testing.assert_allclose(together[1].error, each.std(0, ddof=1) / 3**0.5, atol=1e-12)
    assert abs(together[1].gap) < 1e-12


def test_a_carried_state_is_a_term():
    layer = double(nn.LSTM(2, 3))
    x, state = torch.randn(4, 2, 2, dtype=torch.float64), tuple(torch.randn(1, 2, 3, dtype=torch.float64) for _ in range(2))
    for item in tenuto.explain(layer, x, state=state, target=(-1, 1), background="zero", method="contributions"):
        assert sorted(item.state) == ["c", "h"] and abs(item.gap) < 1e-12


def test_lengths_and_tokens():
    found = tenuto.explain(double(Reader()), torch.randn(5, 2, 3, dtype=torch.float64), lengths=[5, 2], background="mean", method="contributions")
    assert [len(values) for values in found.values] == [5, 2] and max(abs(gap) for gap in found.gaps) < 1e-12
    found = tenuto.explain(double(Words()), torch.tensor([[1, 2, 3]]), background="zero", method="contributions")
    assert abs(found[0].gap) < 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_parts_that_drown_the_answer_are_refused(dtype):
    """At zeros the new layer's norms have equal values to normalise: each step multiplies by 300, and 20 of them leave nothing of the sum."""
    layer = tenuto.Recurrent(tenuto.cells.LayerNormLSTM(), 3, 4).to(dtype).eval()
    x = torch.randn(20, 2, 3, dtype=dtype)
    with pytest.raises(TenutoError, match=r"rounding loses their sum(.|\n)*another reference"):
        tenuto.explain(layer, x, target=(-1, 0), background="zero", method="contributions")
    assert abs(tenuto.explain(layer, x, target=(-1, 0), background=torch.randn(20, 1, 3, dtype=dtype), method="contributions")[0].gap) < 1e-5
