"""The CPU engine against the reference in float64: every cell, both dtypes, lengths, resets, directions, odd sizes."""

from __future__ import annotations

import pytest
import torch

from tenuto import Recurrent, cells
from tenuto.engines.problem import Form
from tests.engines.cpp.posing import ENGINE, INVARIANT, engines, ours, pose, truth
from tests.zoo import CELLS

pytestmark = pytest.mark.cpp

FORMS = {
    "plain": {},
    "reverse": {"reverse": True},
    "lengths": {"lengths": True},
    "lengths_reverse": {"lengths": True, "reverse": True, "bias": False},
    "resets": {"resets": True},
    "resets_reverse": {"resets": True, "reverse": True},
    "lengths_resets": {"lengths": True, "resets": True},
    "packed": {"lengths": True, "packed": True},
    "packed_reverse": {"lengths": True, "packed": True, "reverse": True},
    "packed_resets": {"lengths": True, "packed": True, "resets": True},
    "packed_resets_reverse": {"lengths": True, "packed": True, "resets": True, "reverse": True, "bias": False},
}
SIZES = [(5, 3, 4, 6), (4, 1, 1, 34), (13, 17, 20, 16)]  # T, B, I, H
# relative to the norm: forward, gradients
TOLERANCE = {torch.float64: (1e-13, 1e-12), torch.float32: (1e-6, 5e-6)}

# What is smaller is a sum whose terms, of about one, cancelled: it is as exact as they are.
CANCELLED = 0.1


def assert_near(name, actual, expected, tolerance):
    scale = max(expected.norm().item(), CANCELLED)
    torch.testing.assert_close(
        actual.double() / scale, expected / scale, rtol=0, atol=tolerance, msg=lambda text: f"{name} relative to its norm: {text}"
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("cell", CELLS)
def test_forward_and_every_gradient(cell, kind, dtype):
    form = Form(CELLS[cell], **FORMS[kind])
    for sizes in SIZES:
        inputs = pose(form, sizes, dtype, fixed_streams=kind in ("reverse", "lengths_reverse", "packed_reverse"))
        if form.lengths and form.resets and not form.packed:
            inputs["resets"] &= torch.arange(sizes[0])[:, None] < inputs["lengths"]
        output, final, gradients = truth(form, inputs)
        forward_tolerance, gradient_tolerance = TOLERANCE[dtype]
        for engine in engines(dtype):
            result, ours_gradients = ours(form, inputs, engine)
            assert_near("output", result.output, output, forward_tolerance)
            for name, actual, expected in zip(form.cell.widths("state"), result.final, final):
                assert_near(name, actual, expected, forward_tolerance)
            for name, expected in gradients.items():
                assert_near(f"d {name}", ours_gradients[name], expected, gradient_tolerance)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "reset_before", "elman"])
@pytest.mark.parametrize("sizes", [(9, 33, 70, 140), (3, 150, 600, 48)])
def test_sizes_at_which_products_run_on_matrix_units(cell, sizes, packed):
    """More rows than one group of parts, and depths over several groups and not a multiple of a block; machines without matrix units use vectors."""
    form = Form(CELLS[cell], lengths=True, packed=packed)
    inputs = pose(form, sizes, torch.float32)
    output, _, gradients = truth(form, inputs)
    result, ours_gradients = ours(form, inputs)
    assert_near("output", result.output, output, TOLERANCE[torch.float32][0])
    for name, expected in gradients.items():
        assert_near(f"d {name}", ours_gradients[name], expected, TOLERANCE[torch.float32][1])


@pytest.mark.parametrize("where", ["x", "weight_ih", "U.h"])
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 3e38, -1e38, 1e-40])
@pytest.mark.parametrize("engine", [ENGINE, INVARIANT], ids=["cpp", "invariant"])
def test_numbers_at_the_ends_of_the_range(engine, where, value):
    """The same as in a loop of multiply-adds: a sum with Inf in it is Inf, and the values next to it do not change."""
    form = Form(cells.Elman(activation="relu"))
    inputs = pose(form, (1, 20, 40, 36), torch.float32)
    inputs[where].view(-1)[inputs[where].shape[-1] * 2 + 5] = value
    exact = {name: tensor.double() for name, tensor in inputs.items()}
    expected = (exact["x"][0] @ exact["weight_ih"].t() + exact["bias"] + exact["s.h"] @ exact["U.h"].t()).float().relu()
    torch.testing.assert_close(engine.forward(form, inputs, False).output[0], expected, rtol=1e-5, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("cell", CELLS)
def test_inference_and_training_give_the_same_bits(cell):
    form = Form(CELLS[cell])
    inputs = pose(form, (6, 5, 3, 20), torch.float32)
    kept, plain = ENGINE.forward(form, inputs, True), ENGINE.forward(form, inputs, False)
    for a, b in zip([kept.output, *kept.final], [plain.output, *plain.final]):
        assert torch.equal(a, b)


@pytest.mark.parametrize("sizes", [(0, 3, 2, 4), (3, 0, 2, 4), (1, 1, 1, 1)], ids=["T=0", "B=0", "ones"])
@pytest.mark.parametrize("kind", ["plain", "lengths", "reverse"])
def test_empty_and_smallest(kind, sizes):
    form = Form(CELLS["gru"], **FORMS[kind])
    inputs = pose(form, sizes, torch.float64)
    result, gradients = ours(form, inputs)
    assert result.output.shape == (sizes[0], sizes[1], sizes[3])
    if 0 in sizes:
        assert torch.equal(result.final[0], inputs["s.h"])
        assert not gradients["weight_ih"].any()
    else:
        output, _, expected = truth(form, inputs)
        torch.testing.assert_close(result.output, output)
        torch.testing.assert_close(gradients["U.h"], expected["U.h"])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("sizes", [(5, 3, 4, 6), (4, 2, 40, 34)])
def test_weights_that_lie_by_columns_give_the_same_bits(cell, sizes):
    form = Form(CELLS[cell])
    inputs = pose(form, sizes, torch.float32)
    weights = [name for name in inputs if name == "weight_ih" or name.startswith("U.")]
    turned = inputs | {name: inputs[name].t().contiguous().t() for name in weights} | {"s.h": inputs["s.h"].t().contiguous().t()}
    result, gradients = ours(form, inputs)
    turned_result, turned_gradients = ours(form, turned)
    assert torch.equal(result.output, turned_result.output)
    for name, expected in gradients.items():
        assert torch.equal(turned_gradients[name], expected), name
        assert turned_gradients[name].shape == expected.shape


def test_inputs_that_are_not_contiguous():
    form = Form(CELLS["lstm"])
    inputs = pose(form, (6, 4, 5, 8), torch.float64)
    expected, _ = ours(form, inputs)
    strided = dict(inputs)
    strided["x"] = inputs["x"].transpose(0, 1).contiguous().transpose(0, 1)
    strided["weight_ih"] = inputs["weight_ih"].t().contiguous().t()
    strided["U.h"] = inputs["U.h"].repeat(1, 2)[:, :8]
    assert not any(strided[name].is_contiguous() for name in ("x", "weight_ih", "U.h"))
    result, _ = ours(form, strided)
    assert torch.equal(result.output, expected.output)
    expanded = {**inputs, "s.h": inputs["s.h"][:1].expand(4, -1)}
    same = {**inputs, "s.h": inputs["s.h"][:1].repeat(4, 1)}
    assert torch.equal(ours(form, expanded)[0].output, ours(form, same)[0].output)


@pytest.mark.parametrize("cell", ["lstm", "gru", "layer_norm", "elman"])
def test_nan_stays_in_its_sequence(cell):
    form = Form(CELLS[cell])
    inputs = pose(form, (5, 7, 3, 20), torch.float32)
    clean = ENGINE.forward(form, inputs, False).output
    inputs["x"][2, 3, 1] = float("nan")
    output = ENGINE.forward(form, inputs, False).output
    assert output[2:, 3].isnan().all() and not output[:2].isnan().any()
    others = [row for row in range(7) if row != 3]
    assert torch.equal(output[:, others], clean[:, others])


def test_padding_is_never_read():
    form = Form(CELLS["gru"], lengths=True)
    inputs = pose(form, (6, 4, 3, 8), torch.float32)
    inputs["lengths"] = torch.tensor([6, 0, 3, 1])
    expected, expected_gradients = ours(form, inputs)
    dirty = dict(inputs)
    dirty["x"] = torch.where(torch.arange(6)[:, None, None] < inputs["lengths"][None, :, None], inputs["x"], torch.nan)
    result, gradients = ours(form, dirty)
    assert torch.equal(result.output, expected.output)
    for name, expected_gradient in expected_gradients.items():
        assert torch.equal(gradients[name], expected_gradient), name


@pytest.mark.parametrize("lengths", [None, torch.tensor([2] * 9 + [1] * 9)], ids=["equal", "ragged"])
def test_an_input_much_wider_than_the_state(lengths):
    """The input's gradient begins from zeros as wide as the input; in an earlier version they were as wide as the gates, and the memory after them was added."""
    wide = Recurrent(cells.LSTM(), 188, 8, engine="cpp")
    slow = Recurrent(cells.LSTM(), 188, 8, engine="reference")
    slow.load_state_dict(wide.state_dict())
    for _ in range(3):  # so that memory is used that was used before
        x, weight = torch.randn(2, 18, 188), torch.randn(2, 18, 8)
        found, expected = (torch.autograd.grad((layer(y := x.clone().requires_grad_(), lengths=lengths).output * weight).sum(), y)[0] for layer in (wide, slow))
        torch.testing.assert_close(found, expected)
