"""Products of bfloat16 under autocast and in 16-bit layers: the rounding, every gradient, the bits, and what is said where there are none."""

from __future__ import annotations

import pytest
import torch

import tenuto
from tenuto import cells
from tenuto.engines import report
from tenuto.engines.cpp import library
from tenuto.engines.problem import Form, Problem
from tests.engines.cpp.posing import BFLOAT16, ENGINE, INVARIANT_BFLOAT16, ours, pose, truth
from tests.zoo import CELLS

pytestmark = pytest.mark.cpp
has_them = pytest.mark.skipif(not library.multiplies_bfloat16(), reason="this processor does not multiply bfloat16")
FORMS = {"plain": {}, "lengths_reverse": {"lengths": True, "reverse": True, "bias": False}, "packed_resets": {"lengths": True, "packed": True, "resets": True}}


def rounded(tensor):
    return tensor.bfloat16().double()


def off(actual, expected):
    return float((actual.detach().double() - expected.detach().double()).norm() / (expected.detach().double().norm() + 1e-30))


@has_them
@pytest.mark.parametrize("sizes", [(1, 3, 5, 7), (1, 1, 1, 16), (1, 37, 66, 129), (1, 2, 9001, 6)])
def test_products_are_those_of_rounded_numbers(sizes):
    """Forward and backward of one step whose maths is a product and nothing else."""
    form = Form(cells.Elman(activation="relu"))
    inputs = pose(form, sizes, torch.float32)
    inputs["weight_ih"] /= sizes[2] ** 0.5
    inputs["bias"] = torch.full_like(inputs["bias"], 4.0)  # so that nothing is cut off
    x, h, weight, recurrent = (rounded(inputs[name]) for name in ("x", "s.h", "weight_ih", "U.h"))
    result = BFLOAT16.forward(form, inputs, True)
    torch.testing.assert_close(result.output[0].double() - 4, x[0] @ weight.t() + h @ recurrent.t(), rtol=1e-5, atol=2e-5)
    generator = torch.Generator().manual_seed(3)
    d = torch.randn(result.output.shape, generator=generator)
    found = BFLOAT16.backward(form, inputs, result, d, [torch.zeros_like(result.final[0])], frozenset({"x", "weight_ih", "U.h", "bias", "s.h"}))
    for name, expected in {
        "x": rounded(d) @ weight, "s.h": rounded(d[0]) @ recurrent, "weight_ih": rounded(d[0]).t() @ x[0], "U.h": rounded(d[0]).t() @ h, "bias": d[0].sum(0).double(),
    }.items():  # fmt: skip
        torch.testing.assert_close(found[name].double(), expected, rtol=1e-5, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


@has_them
@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_and_every_gradient(cell, kind):
    form = Form(CELLS[cell], **FORMS[kind])
    for sizes in ((5, 3, 4, 6), (7, 17, 20, 34)):
        inputs = pose(form, sizes, torch.float32)
        output, final, gradients = truth(form, inputs)
        result, found = ours(form, inputs, BFLOAT16)
        assert off(result.output, output) < 2e-2
        for actual, expected in zip(result.final, final, strict=True):
            assert off(actual, expected) < 2e-2
        for name, expected in gradients.items():
            assert off(found[name], expected) < 0.2, name  # a relu near zero may be open here and closed there


@has_them
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("sizes", [(20, 32, 64, 128), (10, 37, 70, 133), (6, 100, 9, 40)])
def test_no_less_accurate_than_torch(kind, sizes):
    steps, rows, features, hidden = sizes
    torch.manual_seed(0)
    theirs = getattr(torch.nn, kind)(features, hidden)
    ours, exact = getattr(tenuto, kind)(features, hidden), getattr(torch.nn, kind)(features, hidden).double()
    for layer in (ours, exact):
        layer.load_state_dict(theirs.state_dict())
    ours.engine = "cpp"
    x, d, found = torch.randn(steps, rows, features), torch.randn(steps, rows, hidden), []
    for layer in (ours, theirs, exact):
        given = x.to(next(layer.parameters()).dtype, copy=True).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=layer is not exact):
            output = layer(given)[0]
        (output * d.to(output.dtype)).sum().backward()
        found.append([output, given.grad, *(parameter.grad for parameter in layer.parameters())])
    for actual, peer, expected in zip(*found, strict=True):
        assert off(actual, expected) <= off(peer, expected)


@has_them
@pytest.mark.parametrize("autocast", [False, True])
def test_layers_take_it_and_the_bits_do_not_depend_on_the_batch(autocast):
    torch.manual_seed(1)
    layer, x = tenuto.LSTM(40, 70, num_layers=2), torch.randn(9, 35, 40)
    if not autocast:
        layer, x = layer.bfloat16(), x.bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast), torch.no_grad(), tenuto.invariant():
        assert str(layer.engine_report(x)).count("invariant cpp in bfloat16 runs") == 1
        whole, (h, c) = layer(x)
        alone = layer(x[:, 4:5])[0]
        first, state = layer(x[:4])
        second, (h_in_chunks, _) = layer(x[4:], state)
    assert whole.dtype == torch.bfloat16 and torch.equal(whole[:, 4:5], alone)
    assert torch.equal(first, whole[:4])
    if autocast:  # a 16-bit layer's state is rounded between its calls
        assert off(second, whole[4:]) < 1e-2 and off(h_in_chunks, h) < 1e-2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_streams_of_16_bit_layers_give_the_bits_of_whole_sequences(dtype):
    torch.manual_seed(3)
    layer, x = tenuto.GRU(20, 34, num_layers=2).eval().to(dtype), torch.randn(6, 2, 20).to(dtype)
    with tenuto.invariant(), torch.no_grad():
        whole, state = layer(x)
        stream = layer.stream(2)
        steps = [layer.step(row, stream).clone() for row in x]
    assert torch.equal(torch.stack(steps), whole) and torch.equal(stream.state, state)
    again = layer.stream(2, state=state)
    assert torch.equal(again.state, state) and layer.step(x[0], again).dtype == dtype


@has_them
@pytest.mark.parametrize("cell", ["lstm", "gru", "layer_norm"])
def test_threads_give_the_same_bits(cell):
    form = Form(CELLS[cell], lengths=True)
    inputs = pose(form, (7, 19, 33, 68), torch.float32)
    result, gradients = ours(form, inputs, INVARIANT_BFLOAT16)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        again, gradients_again = ours(form, inputs, INVARIANT_BFLOAT16)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(result.output, again.output)
    for name, gradient in gradients.items():
        assert torch.equal(gradient, gradients_again[name]), name


@has_them
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_nan_and_inf_stay_where_they_are(value):
    form = Form(cells.Elman(activation="relu"))
    inputs = pose(form, (1, 20, 41, 36), torch.float32)
    clean = BFLOAT16.forward(form, inputs, False).output
    inputs["x"][0, 3, 7] = value
    output = BFLOAT16.forward(form, inputs, False).output
    others = torch.arange(20) != 3
    assert torch.equal(output[0, others], clean[0, others]) and not torch.equal(output[0, 3], clean[0, 3])


@has_them
def test_compiled_calls_give_the_same_bits():
    torch.manual_seed(2)
    layer, x = tenuto.GRU(6, 20), torch.randn(5, 3, 6)
    layer.engine = "cpp"
    with torch.autocast("cpu", torch.bfloat16):
        expected = layer(x)[0]
        compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)(x)[0]
    assert compiled.dtype == torch.bfloat16 and torch.equal(compiled, expected)


def problem(narrow, **form):
    return Problem(Form(cells.LSTM(), **form), 5, 3, 4, 8, torch.float32, torch.device("cpu"), False, narrow=narrow)


def test_why_float32_is_multiplied_instead(monkeypatch):
    monkeypatch.setattr(library, "multiplies_bfloat16", lambda: False)
    said = str(report(problem(torch.bfloat16), "cpp"))
    assert "this processor does not multiply bfloat16" in said and "cpp             runs" in said
    assert "three bits less than float16" in str(report(problem(torch.float16), "cpp"))
    assert "bfloat16" not in str(report(problem(None), "cpp"))
    assert not BFLOAT16.supports(problem(torch.bfloat16, sparse=True)) and ENGINE.supports(problem(torch.bfloat16, sparse=True))
