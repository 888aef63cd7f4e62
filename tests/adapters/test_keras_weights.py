"""The adapter without Keras: gate order, masks as lengths, dropout for each gate."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tenuto.activations import ACTIVATIONS
from tenuto.adapters.keras import (
    ACTIVATION_NAMES,
    KERAS_GATES,
    GateDropout,
    drop_inputs,
    steps_from_mask,
    weights_from_keras,
    weights_to_keras,
)
from tenuto.cells import GRU, LSTM, Elman, ResetBeforeGRU
from tenuto.errors import ShapeError

CELLS = [Elman(), LSTM(), GRU(), ResetBeforeGRU()]


def keras_weights(cell, inputs=3, units=4, bias=True):
    """Weights as a Keras layer holds them: kernel, recurrent kernel and bias."""
    columns = len(KERAS_GATES[type(cell)]) * units
    shape = (2, columns) if isinstance(cell, GRU) else (columns,)
    return torch.randn(inputs, columns), torch.randn(units, columns), torch.randn(shape) if bias else None


@pytest.mark.parametrize(
    ("cell", "order"),
    [(Elman(), "h"), (LSTM(), "ifgo"), (GRU(), "zrn"), (ResetBeforeGRU(), "zrn")],
    ids=lambda value: str(value),
)
def test_keras_gate_order_is_pinned(cell, order):
    """Keras documents i, f, c, o for LSTM and z, r, h for GRU; our names for c and h are g and n."""
    kernel, recurrent_kernel, _ = keras_weights(cell, bias=False)
    weights = weights_from_keras(cell, kernel, recurrent_kernel, None)
    blocks = dict(zip(cell.widths("gates"), weights["weight_ih"].chunk(len(order))))
    for place, gate in enumerate(order):
        torch.testing.assert_close(blocks[gate], kernel[:, 4 * place : 4 * place + 4].t())
        torch.testing.assert_close(weights["U"][gate], recurrent_kernel[:, 4 * place : 4 * place + 4].t())


@pytest.mark.parametrize("cell", CELLS, ids=repr)
@pytest.mark.parametrize("bias", [True, False])
def test_weights_go_there_and_back(cell, bias):
    tensors = keras_weights(cell, bias=bias)
    weights = weights_from_keras(cell, *tensors)
    back = weights_to_keras(cell, weights)
    again = weights_from_keras(cell, *back, *([] if bias else [None]))
    torch.testing.assert_close(back[0], tensors[0])
    torch.testing.assert_close(back[1], tensors[1])
    for name in ("weight_ih", "bias", "U", "parameters"):
        torch.testing.assert_close(again[name], weights[name])


def test_weights_that_do_not_fit_are_refused():
    kernel, recurrent_kernel, bias = keras_weights(GRU())
    with pytest.raises(ShapeError, match=r"bias does not fit ResetBeforeGRU with 4 units") as caught:
        weights_from_keras(ResetBeforeGRU(), kernel, recurrent_kernel, bias)
    assert "reset_after=True" in str(caught.value)
    with pytest.raises(ShapeError, match="recurrent_kernel does not fit LSTM"):
        weights_from_keras(LSTM(), torch.zeros(3, 16), recurrent_kernel, None)


@pytest.mark.parametrize("name", sorted(ACTIVATION_NAMES))
def test_every_activation_named_is_known(name):
    assert ACTIVATION_NAMES[name] in ACTIVATIONS


@given(st.data(), st.integers(1, 4), st.integers(1, 6), st.booleans())
def test_masks_become_lengths_and_outputs_go_back_to_their_steps(data, batch, time, zero_masked):
    mask = torch.tensor(data.draw(st.lists(st.lists(st.booleans(), min_size=time, max_size=time), min_size=batch, max_size=batch)))
    steps = steps_from_mask(mask)
    x = torch.arange(1.0, 1 + batch * time).view(batch, time, 1)
    if steps is None:
        assert mask.all()
        return
    gathered = steps.gather(x)
    gathered = torch.where(torch.arange(time)[:, None] < steps.lengths[:, None, None], gathered, 0)  # past its length the engines give zero
    scattered = steps.scatter(gathered, zero_masked)
    for b in range(batch):
        kept = x[b, mask[b]]
        torch.testing.assert_close(gathered[b, : len(kept)], kept)
        last = torch.zeros(1)
        for t in range(time):
            last = x[b, t] if mask[b, t] else last
            torch.testing.assert_close(scattered[b, t], torch.zeros(1) if zero_masked and not mask[b, t] else last)


def test_padding_at_the_end_moves_nothing():
    steps = steps_from_mask(torch.tensor([[True, True, False], [True, True, True], [False, False, False]]))
    assert steps.order is None
    assert steps.lengths.tolist() == [2, 3, 0]


def test_drop_inputs_gives_each_gate_its_own_copy():
    x, weight = torch.randn(2, 5, 3), torch.randn(8, 3)
    masks = [torch.bernoulli(torch.full((2, 3), 0.5)) * 2 for _ in range(2)]
    wide, block = drop_inputs(x, weight, masks)
    expected = [(x * mask[:, None]) @ part.t() for mask, part in zip(masks, weight.chunk(2))]
    torch.testing.assert_close(wide @ block.t(), torch.cat(expected, -1))
    narrow, same = drop_inputs(x, weight, masks[0])
    torch.testing.assert_close(narrow, x * masks[0][:, None])
    assert same is weight


def test_gate_dropout_declares_a_mask_for_each_gate():
    assert GateDropout(LSTM()).streams.split() == ["mask_i", "mask_f", "mask_g", "mask_o"]
    assert list(GateDropout(GRU()).widths("parameters")) == ["recurrent_bias"]
