"""The gate to raw memory: whatever a tensor is and whatever is at work around a call, a loop reads real numbers, or the call says in words why not."""

import re
from pathlib import Path

import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks

import tenuto
from tenuto import Recurrent, cells
from tenuto.engines.cpp import memory
from tenuto.errors import EngineError, TenutoError
from tests.layers.closeness import assert_near

pytestmark = pytest.mark.cpp
STEPS, ROWS, INPUT, HIDDEN = 5, 2, 3, 4
ENGINE = Path(memory.__file__).parent


def test_addresses_are_taken_at_the_gate_alone():
    for path in ENGINE.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert path.name == "memory.py" or not re.search(r"data_ptr|torch\.(empty|zeros|ones|full)\(", text), path


def layer_and_input():
    return Recurrent(cells.PeepholeLSTM(), INPUT, HIDDEN, engine="cpp"), torch.randn(STEPS, ROWS, INPUT)


def learn(layer, x, **options):
    x = x.clone().requires_grad_()
    output = layer(x, **options)[0]
    return [output, *torch.autograd.grad(output.square().sum(), [x, *layer.parameters()])]


def with_gaps(tensor):
    return torch.stack([tensor, tensor], -1)[..., 0]


def with_a_waiting_minus(tensor):
    return torch._neg_view(-tensor) if tensor.is_floating_point() else tensor


@pytest.mark.parametrize("unpack", [with_gaps, with_a_waiting_minus, torch.clone, lambda tensor: tensor.as_subclass(Named)])
@pytest.mark.parametrize("make", [layer_and_input, lambda: (tenuto.LSTM(INPUT, HIDDEN), torch.randn(STEPS, ROWS, INPUT))])
@pytest.mark.parametrize("engine", ["cpp", "vendor"])
def test_saved_tensors_may_come_back_in_another_form(make, unpack, engine):
    layer, x = make()
    if engine == "vendor" and isinstance(layer, Recurrent):
        layer = tenuto.GRU(INPUT, HIDDEN)
    layer.engine = engine
    expected = learn(layer, x)
    with saved_tensors_hooks(lambda tensor: tensor.detach(), unpack):
        found = learn(layer, x)
    for actual, value in zip(found, expected, strict=True):
        assert_near(actual.as_subclass(torch.Tensor), value, gradient=True)


@pytest.mark.parametrize(
    ("unpack", "words"),
    [
        (torch.Tensor.half, "kernels are for float32 and float64"),
        (lambda tensor: tensor.double() if tensor.shape == (STEPS, ROWS, HIDDEN) else tensor, "has other numbers than the loop was compiled for"),
        (lambda tensor: tensor[:1], "came to the backward pass in another shape"),
        (torch.Tensor.to_sparse, "has no numbers in main memory"),
    ],
)
def test_saved_tensors_that_come_back_as_something_else_are_named(unpack, words):
    layer, x = layer_and_input()
    with saved_tensors_hooks(lambda tensor: tensor.detach(), unpack), pytest.raises(EngineError, match=words):
        learn(layer, x)


class Named(torch.Tensor):
    """A subclass with ordinary memory."""


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("form", [with_gaps, with_a_waiting_minus, lambda tensor: tensor.as_subclass(Named), torch.nn.Parameter])
def test_inputs_of_any_form(form, gradients):
    layer, x = layer_and_input()
    with torch.set_grad_enabled(gradients):
        assert_near(layer(form(x))[0].as_subclass(torch.Tensor), layer(x)[0])


def test_an_input_without_memory_is_named():
    layer, x = layer_and_input()
    with torch.no_grad(), pytest.raises(EngineError, match="x has no numbers in main memory"):
        layer(x.to_sparse())


def test_a_stream_takes_its_steps_at_the_gate_too():
    layer, x = layer_and_input()
    stream = layer.eval().stream(ROWS)
    stream.advance(x[0])
    with pytest.raises(TenutoError):
        stream.advance(x[1].to("meta"))
    assert_near(stream.advance(torch._neg_view(-x[1])), layer(x[:2])[0][1])  # the refused step has not moved it on


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("name", ["LSTM", "GRU", "Recurrent"])
def test_fake_tensors_have_shapes_and_no_numbers(name, gradients):
    with FakeTensorMode() as mode, torch.set_grad_enabled(gradients):
        layer = Recurrent(cells.PeepholeLSTM(), INPUT, HIDDEN) if name == "Recurrent" else getattr(tenuto, name)(INPUT, HIDDEN)
        x = torch.empty(STEPS, ROWS, INPUT)
        output = layer(x)[0]
        assert output.shape == (STEPS, ROWS, HIDDEN) and output.fake_mode is mode
        assert layer(x, lengths=torch.empty(ROWS, dtype=torch.int64))[0].shape == output.shape
        if gradients:
            output.sum().backward()
            assert all(parameter.grad.shape == parameter.shape for parameter in layer.parameters())
    with torch.set_grad_enabled(gradients):  # the mode is gone, its tensors are not
        assert layer(x)[0].fake_mode is mode


@pytest.mark.parametrize("gradients", [False, True])
def test_meta_tensors_have_shapes_and_no_numbers(gradients):
    for layer in (tenuto.LSTM(INPUT, HIDDEN, 2, device="meta"), Recurrent(cells.MGU(), INPUT, HIDDEN, device="meta")):
        with torch.set_grad_enabled(gradients):
            output = layer(torch.empty(STEPS, ROWS, INPUT, device="meta"))[0]
            assert output.is_meta and output.shape == (STEPS, ROWS, HIDDEN)
            if gradients:
                output.sum().backward()
                assert all(parameter.grad.is_meta for parameter in layer.parameters())


@pytest.mark.parametrize("gradients", [False, True])
def test_torchs_default_device_and_dtype_change_nothing(gradients):
    """Large enough for pooled memory, several chunks and, where the processor has them, matrix units."""
    layer = Recurrent(cells.PeepholeLSTM(), 40, 48, bidirectional=True, learned_state=True)
    x, lengths = torch.randn(130, 33, 40), torch.arange(33) + 90
    resets = torch.rand(130, 33) > 0.95
    options = {"lengths": lengths, "resets": resets}

    def run(module):
        with torch.set_grad_enabled(gradients):
            return learn(module, x, **options) if gradients else [module(x, **options)[0]]

    expected = run(layer)
    with torch.device("meta"):
        within = Recurrent(cells.PeepholeLSTM(), 40, 48, bidirectional=True, learned_state=True, device="cpu")  # draws, and starts parameters
        assert not any(parameter.is_meta for parameter in within.parameters())
        found = run(layer)
        stream = tenuto.LSTM(INPUT, HIDDEN, device="cpu").eval().stream()
        assert not stream.advance(torch.zeros(1, INPUT, device="cpu")).is_meta
    torch.set_default_dtype(torch.float64)
    try:
        other = run(layer)
    finally:
        torch.set_default_dtype(torch.float32)
    for value, actual, third in zip(expected, found, other, strict=True):
        assert torch.equal(actual, value) and torch.equal(third, value)
