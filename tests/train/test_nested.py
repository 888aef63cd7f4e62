"""Nested values go through JSON, and come back as what they were."""

import json

import torch

from tenuto.cell import State
from tenuto.layers import StackedState, TransformerState
from tenuto.train.nested import nested_of, plain_nested


def test_a_state_is_plain_data_and_comes_back_as_it_was():
    inner = TransformerState(torch.randn(1, 2, 3, 4), torch.randn(1, 2, 3, 4), torch.tensor([3, 2]))
    value = StackedState((State(h=torch.tensor([[float("-inf"), 0.1]])), inner))
    again = nested_of(json.loads(json.dumps(plain_nested(value), allow_nan=False)))
    assert type(again) is StackedState and type(again.layers[1]) is TransformerState and again.layers[1].rows_first == inner.rows_first and again.layers[0]._fields == ("h",)
    torch.testing.assert_close(again, value, rtol=0, atol=0)
    assert nested_of(plain_nested(None)) is None


def test_plain_data_of_any_dtype_to_the_last_bit():
    odd = torch.tensor([0.1, -0.0, float("inf"), float("-inf"), float("nan"), 1e-40, 3e38])
    for dtype in (torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.int64, torch.bool):
        value = odd.nan_to_num(0, 1, 1).to(dtype) if dtype in (torch.int64, torch.bool) else odd.to(dtype)
        again = nested_of(json.loads(json.dumps(plain_nested((value, {"a": 1}, [None])), allow_nan=False)))
        assert again[0].dtype == dtype and again[1:] == ({"a": 1}, [None])
        assert again[0].view(torch.uint8).equal(value.view(torch.uint8))
