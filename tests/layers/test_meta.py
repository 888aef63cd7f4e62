"""Layers without numbers, on the meta device, and filled later; and layers that run with parameters that are not their own. Each beside torch.nn."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import skip_init

import tenuto
from tenuto import Recurrent, cells
from tenuto.errors import ShapeError

LAYERS, CELLS = ["LSTM", "GRU", "RNN"], ["LSTMCell", "GRUCell", "RNNCell"]
names = pytest.mark.parametrize("name", [*LAYERS, *CELLS])
ANY = {
    "Recurrent": lambda **o: Recurrent(cells.ResetBeforeGRU(), 3, 4, 2, bidirectional=True, learned_state=True, layer_norm=True, **o),
    "with masks": lambda **o: Recurrent(cells.LSTM(), 3, 4, recurrent_dropout=0.5, zoneout=0.1, weight_dropout=0.1, **o),
}


def both(name: str) -> tuple[type[nn.Module], type[nn.Module]]:
    return getattr(tenuto, name), getattr(nn, name)


def input_of(name: str, **options: object) -> Tensor:
    torch.manual_seed(0)
    return torch.randn((2, 3) if name in CELLS else (5, 2, 3), **options)


def flat(result: object) -> list[Tensor]:
    return torch.utils._pytree.tree_leaves(result)


def kinds(result: object) -> list[tuple[object, ...]]:
    return [(tensor.shape, tensor.dtype, tensor.device) for tensor in flat(result)]


@names
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_meta_tensors_give_shapes(name, dtype):
    x = input_of(name, device="meta", dtype=dtype)
    for given in (x, x[..., 0, :], x[:1]):  # a batch, one sequence, one step
        found = []
        for kind in both(name):
            module = kind(3, 4, device="meta", dtype=dtype)
            results = module(given)
            flat(results)[0].sum().backward()
            found.append([kinds(results), kinds([parameter.grad for parameter in module.parameters()])])
            with torch.no_grad():
                assert kinds(module(given)) == found[-1][0]
            assert kinds(copy.deepcopy(module)(given)) == found[-1][0] == kinds(kind(3, 4, dtype=dtype).to("meta")(given))
        assert found[0] == found[1] and all(device.type == "meta" for *_, device in found[0][0])


@names
@pytest.mark.parametrize("way", ["context", "default"])
def test_a_default_device(name, way):
    """Layers and tensors made where it holds are there; a layer and tensors on the CPU stay what they are."""
    ours, theirs = (kind(3, 4) for kind in both(name))
    ours.load_state_dict(theirs.state_dict())
    x, found = input_of(name), []
    expected = flat(theirs(x))

    def inside() -> None:
        found.extend(kinds(kind(3, 4)(input_of(name))) for kind in both(name))
        results = flat(ours(x))
        results[0].sum().backward()
        for actual, wanted in zip(results, expected, strict=True):
            torch.testing.assert_close(actual, wanted, check_device=True)

    if way == "context":
        with torch.device("meta"):
            inside()
    else:
        torch.set_default_device("meta")
        try:
            inside()
        finally:
            torch.set_default_device(None)
    assert found[0] == found[1] and found[0][0][2].type == "meta"


@names
def test_weights_come_later(name):
    """`skip_init`, `to_empty` and `reset_parameters` draw what torch.nn draws; `assign=True` takes tensors of any dtype."""
    ours_kind, theirs_kind = both(name)
    ours, theirs = skip_init(ours_kind, 3, 4), theirs_kind(3, 4, device="meta").to_empty(device="cpu")
    for module in (ours, theirs):
        torch.manual_seed(0)
        module.reset_parameters()
    for (key, one), (other_key, other) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert key == other_key and torch.equal(one, other) and one.requires_grad
    x = input_of(name, dtype=torch.float64)
    with torch.device("meta"):
        late = copy.deepcopy(nn.Sequential(ours_kind(3, 4)))[0]
    late.load_state_dict({key: value.double() for key, value in theirs.state_dict().items()}, assign=True)
    theirs.double()
    results = []
    for module in (late.requires_grad_(), theirs):
        out = flat(module(x))
        sum(value.square().sum() for value in out).backward()
        results.append([*out, *(parameter.grad for parameter in module.parameters())])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)
    with pytest.raises(NotImplementedError, match="to_empty"):
        ours_kind(3, 4, device="meta").to("cpu")


@pytest.mark.parametrize("make", ANY.values(), ids=ANY)
def test_a_layer_of_any_cell_without_numbers(make):
    layer, own = make(device="meta"), make()
    x = torch.randn(5, 2, 3)
    resets = torch.zeros(5, 2, dtype=torch.bool)
    for masks in ({}, {"lengths": [5, 2]}, {"resets": resets}, {"resets": resets.tolist()}):
        result = layer(x.to("meta"), **masks)
        assert [(shape, dtype) for shape, dtype, _ in kinds(result)] == [(shape, dtype) for shape, dtype, _ in kinds(own(x, **masks))]
        assert result.output.is_meta
    result.output.sum().backward()
    assert all(parameter.grad.is_meta for parameter in layer.parameters())
    assert "meta" in str(layer.engine_report(x.to("meta")))
    layer.load_state_dict(own.state_dict(), assign=True)
    assert torch.equal(layer.eval()(x).output, own.eval()(x).output)
    filled = make(device="meta").to_empty(device="cpu")
    filled.reset_parameters()
    assert all(parameter.isfinite().all() for parameter in filled.parameters())
    with pytest.raises(ShapeError, match="on meta, but x is on cpu"):
        make(device="meta")(x)


@names
@pytest.mark.parametrize("given", [False, True], ids=["zeros", "state"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_parameters_of_another_dtype_or_device(name, dtype, device, given):
    ours, theirs = (kind(3, 4) for kind in both(name))
    weights = {key: value.detach().to(device, dtype).requires_grad_(dtype != torch.bfloat16) for key, value in theirs.named_parameters()}
    x = input_of(name).to(device, dtype)
    state = torch.ones((2, 4) if name in CELLS else (1, 2, 4), dtype=dtype, device=device)
    call = (x, (state, state) if name.startswith("LSTM") else state) if given else (x,)
    results = []
    for module in (ours, theirs):
        out = flat(functional_call(module, weights, call))
        gradients = torch.autograd.grad(sum(value.sum() for value in out), list(weights.values())) if dtype != torch.bfloat16 else ()
        results.append([*out, *gradients])
        module(input_of(name))  # the module's own are what they were
    assert kinds(results[0]) == kinds(results[1])
    if device == "cpu":
        tolerance = {"rtol": 2e-2, "atol": 2e-2} if dtype == torch.bfloat16 else {}
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other, **tolerance)


@pytest.mark.parametrize("make", ANY.values(), ids=ANY)
def test_parameters_of_another_dtype_for_any_cell(make):
    layer, x = make().eval(), torch.randn(5, 2, 3)
    wide = {key: value.double() for key, value in layer.named_parameters()}
    expected = copy.deepcopy(layer).double()(x.double()).output
    assert torch.equal(functional_call(layer, wide, (x.double(),)).output, expected)
    bare = {key: value.to("meta") for key, value in layer.named_parameters()}
    assert functional_call(layer, bare, (x.to("meta"),)).output.is_meta


@names
def test_parameters_that_do_not_fit_are_refused(name):
    """All in float64 with x in float32; and one alone in float64, which was rounded without a word."""
    ours, theirs = (kind(3, 4) for kind in both(name))
    x = input_of(name)
    own = {key: value.detach() for key, value in ours.named_parameters()}
    wrong = [{key: value.double() for key, value in own.items()}]
    wrong += [{**own, key: own[key].double()} for key in own]
    for weights in wrong:
        with pytest.raises((RuntimeError, ValueError)):
            functional_call(theirs, weights, (x,))
        with pytest.raises((RuntimeError, ValueError), match="float64"):
            functional_call(ours, weights, (x,))


@pytest.mark.parametrize("cell", [cells.LSTM(), cells.IndRNN(), cells.PeepholeLSTM()], ids=repr)
def test_one_wide_weight_of_any_cell_is_refused(cell):
    layer, x = Recurrent(cell, 3, 4), torch.randn(5, 2, 3)
    for key, value in layer.named_parameters():
        with pytest.raises(ShapeError, match=r"float64.*\n(.*\n)*  fix"):
            functional_call(layer, {key: value.double()}, (x,))


def test_a_second_derivative_on_the_meta_device():
    """Shapes alone, also where autocast is asked for: that device has none."""
    layer, x = tenuto.GRU(3, 4, device="meta"), torch.zeros(5, 2, 3, device="meta", requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(x)[0].sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), x)
    assert second.shape == x.shape and second.is_meta
