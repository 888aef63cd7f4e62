"""One step of a layer or cell that torch has too is torch's own, unless something else is asked for."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

import tenuto

LAYERS, CELLS = ["LSTM", "GRU", "RNN"], ["LSTMCell", "GRUCell", "RNNCell"]
FORMS = [{}, {"num_layers": 2, "bidirectional": True}, {"batch_first": True, "bias": False}, {"num_layers": 2}]


def pair(name, *sizes, dtype=torch.float64, **options):
    torch.manual_seed(0)
    theirs, ours = getattr(nn, name)(*sizes, **options).to(dtype), getattr(tenuto, name)(*sizes, **options).to(dtype)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def flat(result):
    return [result] if isinstance(result, torch.Tensor) else [tensor for part in result for tensor in flat(part)]


def state_for(name, rows, layers=None):
    shape = (rows, 4) if layers is None else (layers, rows, 4)
    h, c = torch.randn(shape, dtype=torch.float64), torch.randn(shape, dtype=torch.float64)
    return (h, c) if name.startswith("LSTM") else h


@pytest.mark.parametrize("given", [True, False], ids=["state", "zeros"])
@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_gives_torchs_numbers_and_derivatives(name, form, given):
    ours, theirs = pair(name, 3, 4, **form)
    layers = form.get("num_layers", 1) * (1 + form.get("bidirectional", False))
    for shape in ((1, 2, 3), (1, 3)):  # a batch, and one sequence
        x = torch.randn(shape if not form.get("batch_first") or len(shape) == 2 else (2, 1, 3), dtype=torch.float64)
        state = state_for(name, 2, layers) if given else None
        if state is not None and len(shape) == 2:
            state = tuple(value[:, 0] for value in state) if isinstance(state, tuple) else state[:, 0]
        results = []
        for layer in (ours, theirs):
            layer.zero_grad()
            out = flat(layer(x, state))
            sum((value * value).sum() for value in out).backward()
            results.append([*out, *(parameter.grad for parameter in layer.parameters())])
        torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize("name", [*LAYERS, *CELLS])
def test_which_is_the_same_as_the_loop(name):
    """Within `invariant()` and with an engine by name it is the engine's."""
    ours, _ = pair(name, 3, 4)
    x = torch.randn(*((1,) if name in LAYERS else ()), 2, 3, dtype=torch.float64)
    expected = flat(ours(x))
    with tenuto.invariant():
        torch.testing.assert_close(flat(ours(x)), expected)
    for engine in ("cpp", "reference"):
        ours.engine = engine
        torch.testing.assert_close(flat(ours(x)), expected)


@pytest.mark.parametrize("name", LAYERS)
def test_the_report_says_so(name, monkeypatch):
    ours, _ = pair(name, 3, 4, dtype=torch.float32)
    report = ours.engine_report(torch.randn(1, 2, 3))
    assert report.chosen == "vendor" and "this is one step" in str(report)
    assert ours.engine_report(torch.randn(2, 2, 3)).chosen != "vendor" and ours.engine_report(torch.randn(1, 2, 3), lengths=[1, 1]).chosen != "vendor"
    ours.engine = "cpp"
    assert ours.engine_report(torch.randn(1, 2, 3)).chosen == "cpp"
    ours.engine = "auto"
    monkeypatch.setenv("TENUTO_ENGINE", "reference")
    assert ours.engine_report(torch.randn(1, 2, 3)).chosen == "reference"


@pytest.mark.parametrize("name", [*LAYERS, *CELLS])
def test_derivatives_of_second_order_and_forward_mode(name):
    ours, _ = pair(name, 3, 4)
    x = torch.randn(*((1,) if name in LAYERS else ()), 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: flat(ours(x))[0], (x,))
    assert torch.autograd.gradcheck(lambda x: flat(ours(x))[0], (x,), check_forward_ad=True, check_batched_grad=True)


@pytest.mark.parametrize("name", [*LAYERS, *CELLS])
def test_a_parametrized_weight_is_the_one_in_use(name):
    ours, theirs = pair(name, 3, 4)
    suffix = "_l0" if name in LAYERS else ""
    for module in (ours, theirs):
        weight_norm(module, f"weight_hh{suffix}")
        with torch.no_grad():
            module.parametrizations[f"weight_hh{suffix}"].original0.mul_(2)
    x = torch.randn(*((1,) if name in LAYERS else ()), 2, 3, dtype=torch.float64)
    state = state_for(name, 2, 1 if name in LAYERS else None)
    doubled = getattr(nn, name)(3, 4).double()
    weights = {key: getattr(theirs, key) for key in doubled.state_dict()}
    torch.testing.assert_close(flat(ours(x, state)), flat(torch.func.functional_call(doubled, weights, (x, state))))


@pytest.mark.parametrize("name", [*LAYERS, *CELLS])
def test_half_precision_is_still_computed_in_float32(name):
    ours, _ = pair(name, 3, 4, dtype=torch.float32, bias=False)
    x = torch.randn(*((1,) if name in LAYERS else ()), 2, 3)
    with torch.no_grad():
        expected = flat(ours.bfloat16().float()(x.bfloat16().float()))
        found = flat(ours.bfloat16()(x.bfloat16()))
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.bfloat16
        torch.testing.assert_close(one, other.bfloat16(), rtol=0, atol=0)


@pytest.mark.parametrize("name", [*LAYERS, *CELLS])
def test_vmap_over_stacked_parameters(name):
    members = [pair(name, 3, 4)[0] for _ in range(3)]
    parameters, _ = torch.func.stack_module_state(members)
    x = torch.randn(*((1,) if name in LAYERS else ()), 2, 3, dtype=torch.float64)
    outputs = torch.vmap(lambda weights: flat(torch.func.functional_call(members[0], weights, (x,)))[0])(parameters)
    torch.testing.assert_close(outputs, torch.stack([flat(member(x))[0] for member in members]))


@pytest.mark.parametrize("name", LAYERS)
def test_dropout_between_the_layers_is_drawn(name):
    ours, _ = pair(name, 3, 4, num_layers=2, dropout=0.5)
    x = torch.randn(1, 2, 3, dtype=torch.float64)
    assert not torch.equal(ours(x)[0], ours(x)[0])
    ours.eval()
    assert torch.equal(ours(x)[0], ours(x)[0])
