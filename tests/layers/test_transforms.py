"""Layers and cells inside torch's function transforms, forward mode and batched derivatives, each beside torch.nn in a plain loop.

torch.nn's numbers come from calls without any transform: `vmap` knows no `torch.lstm`. A `Recurrent` stands beside itself on the reference engine.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.autograd import functional as older
from torch.func import functional_call, grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, stack_module_state, vjp, vmap
from torch.utils._pytree import tree_leaves

import tenuto
from tenuto import Recurrent, cells

DTYPE = torch.float64
STEPS, ROWS, INPUT, HIDDEN = 3, 2, 3, 4


class Case:
    """A layer or cell, torch.nn's beside it with the same weights, an input and a state."""

    def __init__(self, make: Callable[[], tuple[nn.Module, nn.Module]], x: tuple[int, ...], state: tuple[int, ...] = (), states: int = 1) -> None:
        self.make, generator = make, torch.Generator().manual_seed(0)
        self.x = torch.randn(x, generator=generator, dtype=DTYPE)
        values = tuple(torch.randn(state, generator=generator, dtype=DTYPE) for _ in range(states))
        self.state = () if not state else (values,) if states > 1 else values

    def pairs(self, count: int) -> tuple[list[nn.Module], list[nn.Module]]:
        torch.manual_seed(0)
        pairs = [self.make() for _ in range(count)]
        return [ours for ours, _ in pairs], [theirs for _, theirs in pairs]

    def of(self, module: nn.Module) -> Callable[[Tensor], tuple[Tensor, ...]]:
        return lambda x: tuple(tree_leaves(module(x, *self.state)))

    def call(self, module: nn.Module, weights: dict[str, Tensor], x: Tensor) -> tuple[Tensor, ...]:
        return tuple(tree_leaves(functional_call(module, weights, (x, *self.state))))

    def loss(self, module: nn.Module) -> Callable[[Tensor], Tensor]:
        return lambda x: total(self.of(module)(x))

    def one(self) -> tuple[nn.Module, nn.Module]:
        ours, theirs = self.pairs(1)
        return ours[0], theirs[0]


def drop_in(name: str, **options: object) -> Callable[[], tuple[nn.Module, nn.Module]]:
    def make() -> tuple[nn.Module, nn.Module]:
        theirs, ours = (getattr(home, name)(INPUT, HIDDEN, **options).to(DTYPE) for home in (nn, tenuto))
        ours.load_state_dict(theirs.state_dict())
        return ours, theirs

    return make


def any_cell(cell: tenuto.Cell, **options: object) -> Callable[[], tuple[nn.Module, nn.Module]]:
    def make() -> tuple[nn.Module, nn.Module]:
        ours, theirs = (Recurrent(cell, INPUT, HIDDEN, engine=engine, **options).to(DTYPE) for engine in ("auto", "reference"))
        ours.load_state_dict(theirs.state_dict())
        return ours, theirs

    return make


SEQUENCE, ONE_STEP, BATCH = (STEPS, ROWS, INPUT), (1, ROWS, INPUT), (ROWS, INPUT)
CASES = {
    "LSTM": Case(drop_in("LSTM", num_layers=2, bidirectional=True, batch_first=True), (ROWS, STEPS, INPUT)),
    "LSTM with a state": Case(drop_in("LSTM", bias=False), SEQUENCE, (1, ROWS, HIDDEN), 2),
    "LSTM of one step": Case(drop_in("LSTM"), ONE_STEP, (1, ROWS, HIDDEN), 2),
    "LSTM with a projection": Case(drop_in("LSTM", proj_size=2), SEQUENCE),
    "GRU": Case(drop_in("GRU", bias=False), SEQUENCE, (1, ROWS, HIDDEN)),
    "GRU without a batch": Case(drop_in("GRU"), (STEPS, INPUT)),
    "RNN": Case(drop_in("RNN"), SEQUENCE),
    "RNN of one step": Case(drop_in("RNN", nonlinearity="relu"), ONE_STEP),
    "LSTMCell": Case(drop_in("LSTMCell"), BATCH, (ROWS, HIDDEN), 2),
    "GRUCell": Case(drop_in("GRUCell", bias=False), BATCH, (ROWS, HIDDEN)),
    "RNNCell without a batch": Case(drop_in("RNNCell"), (INPUT,)),
    "Recurrent": Case(any_cell(cells.ResetBeforeGRU(), num_layers=2, bidirectional=True, residual=True, learned_state=True), SEQUENCE),
    "Recurrent of one step": Case(any_cell(cells.MGU(), reverse=True), ONE_STEP),
}
every = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
few = pytest.mark.parametrize("case", [CASES[name] for name in ("LSTM with a state", "LSTMCell", "Recurrent")], ids=("LSTM", "LSTMCell", "Recurrent"))


def total(results: tuple[Tensor, ...]) -> Tensor:
    return sum((value * value).sum() + value.sin().sum() for value in results)


def same(actual: object, expected: object) -> None:
    actual, expected = tree_leaves(actual), tree_leaves(expected)
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in module.named_parameters()}


def gradients(module: nn.Module) -> list[Tensor]:
    return [torch.zeros_like(value) if value.grad is None else value.grad for value in module.parameters()]


def together(results: list[tuple[Tensor, ...]]) -> list[Tensor]:
    return [torch.stack(values) for values in zip(*results, strict=True)]


# --- vmap: ensembles, per-sample gradients --------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("axis", [None, 0, -1], ids=["one x", "x first", "x last"])
def test_an_ensemble_learns(case, axis):
    """vmap over stacked parameters, and the backward pass outside of it."""
    ours, theirs = case.pairs(3)
    stacked, _ = stack_module_state(ours)
    each = [case.x] * 3 if axis is None else [case.x, 2 * case.x, -case.x]
    x = case.x if axis is None else torch.stack(each, axis).requires_grad_()
    found = vmap(lambda weights, x: case.call(ours[0], weights, x), in_dims=(0, axis), randomness="same")(stacked, x)
    expected = together([case.of(module)(own) for module, own in zip(theirs, each, strict=True)])
    same(found, expected)
    total(found).backward()
    total(expected).backward()
    for place, gradient in enumerate(value.grad for value in stacked.values()):
        same(gradient, torch.stack([gradients(module)[place] for module in theirs]))


@few
def test_vmap_over_x_and_the_state_alone(case):
    ours, theirs = case.one()
    x = torch.stack([case.x, 2 * case.x, -case.x])
    found, expected = vmap(case.of(ours), randomness="different")(x), together([case.of(theirs)(one) for one in x])
    same(found, expected)
    total(found).backward()
    total(expected).backward()
    same(gradients(ours), gradients(theirs))
    if case.state:
        several = torch.utils._pytree.tree_map(lambda value: torch.stack([value, -value]), case.state)
        found = vmap(lambda state: tuple(tree_leaves(ours(case.x, *state))))(several)
        pick = [torch.utils._pytree.tree_map(lambda value: value[k], several) for k in range(2)]
        same(found, together([tuple(tree_leaves(theirs(case.x, *state))) for state in pick]))


@every
def test_gradients_of_each_sample(case):
    ours, theirs = case.one()
    x, weights = torch.stack([case.x, 2 * case.x, -case.x, case.x + 1]), weights_of(ours)

    def loss(weights: dict[str, Tensor], x: Tensor) -> Tensor:
        return total(case.call(ours, weights, x))

    expected = []
    for one in x:
        theirs.zero_grad()
        case.loss(theirs)(one).backward()
        expected.append(tuple(gradients(theirs)))
    for chunk in (None, 3):
        same(vmap(grad(loss), in_dims=(None, 0), chunk_size=chunk)(weights, x), together(expected))
    found, values = vmap(grad_and_value(loss), in_dims=(None, 0))(weights, x)
    same([found, values], [*together(expected), torch.stack([case.loss(theirs)(one) for one in x])])


@every
def test_gradients_of_an_ensemble_in_both_orders(case):
    ours, theirs = case.pairs(3)
    stacked = {name: value.detach() for name, value in stack_module_state(ours)[0].items()}
    for module in theirs:
        case.loss(module)(case.x).backward()
    expected = together([tuple(gradients(module)) for module in theirs])
    same(vmap(grad(lambda weights: total(case.call(ours[0], weights, case.x))))(stacked), expected)
    same(grad(lambda weights: total(vmap(lambda own: case.call(ours[0], own, case.x))(weights)))(stacked), expected)


@few
def test_vmap_in_vmap(case):
    ours, theirs = case.pairs(2)
    stacked, x = stack_module_state(ours)[0], torch.stack([case.x, -case.x, 2 * case.x])
    found = vmap(vmap(lambda weights, x: case.call(ours[0], weights, x), in_dims=(None, 0)), in_dims=(0, None))(stacked, x)
    expected = together([tuple(together([case.of(module)(one) for one in x])) for module in theirs])
    same(found, expected)
    total(found).backward()
    total(tuple(expected)).backward()
    for place, gradient in enumerate(value.grad for value in stacked.values()):
        same(gradient, torch.stack([gradients(module)[place] for module in theirs]))


@few
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_an_ensemble_without_gradients(case, mode):
    ours, theirs = case.pairs(3)
    stacked, _ = stack_module_state(ours)
    with mode():
        same(vmap(lambda weights: case.call(ours[0], weights, case.x))(stacked), together([case.of(module)(case.x) for module in theirs]))


@pytest.mark.parametrize("count", [1, 3, 40], ids=["one", "few", "many"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_few_members_and_many_are_the_same(kind, count):
    """Many members of few steps are made by torch's own operations all at once, few by a loop each."""
    case = Case(drop_in(kind), SEQUENCE)
    ours, theirs = case.one()
    x = torch.stack([case.x * (k + 1) for k in range(count)])
    found, expected = vmap(case.of(ours))(x), together([case.of(theirs)(one) for one in x])
    same(found, expected)
    total(found).backward()
    total(tuple(expected)).backward()
    same(gradients(ours), gradients(theirs))


@pytest.mark.cpp
def test_the_engine_asked_for_runs_each_member(monkeypatch):
    from tenuto.engines.cpp import Cpp

    calls = []
    forward = Cpp.forward
    monkeypatch.setattr(Cpp, "forward", lambda self, *args: calls.append(1) or forward(self, *args))
    layer = Recurrent(cells.GRU(), INPUT, HIDDEN, engine="cpp")
    vmap(lambda x: layer(x).output)(torch.randn(20, 1, ROWS, INPUT))
    assert len(calls) == 20


def test_lengths_resets_and_drawn_masks_under_vmap():
    layer = Recurrent(cells.GRU(), INPUT, HIDDEN, recurrent_dropout=0.5, zoneout=0.3).to(DTYPE).eval()
    x = torch.randn(3, STEPS, ROWS, INPUT, dtype=DTYPE)
    lengths, resets = torch.tensor([[3, 1], [2, 2], [0, 3]]), torch.rand(3, STEPS, ROWS) < 0.5
    found = vmap(lambda x, n, r: layer(x, lengths=n, resets=r)[0])(x, lengths, resets)
    same(found, torch.stack([layer(*one[:1], lengths=one[1], resets=one[2])[0] for one in zip(x, lengths, resets, strict=True)]))
    layer.train()
    with pytest.raises(RuntimeError, match="randomness"):
        vmap(lambda x: layer(x)[0])(x)
    alike = vmap(lambda x: layer(x)[0], randomness="same")(torch.stack([x[0], x[0]]))
    other = vmap(lambda x: layer(x)[0], randomness="different")(torch.stack([x[0], x[0]]))
    assert torch.equal(alike[0], alike[1]) and not torch.equal(other[0], other[1])


def test_a_contest_of_engines_within_a_transform():
    """Large enough that engines are measured against each other, whose numbers are none of the transform's."""
    layer = tenuto.LSTM(48, 96)
    x = torch.randn(2, 20, 16, 48)
    torch.testing.assert_close(vmap(lambda x: layer(x)[0])(x), torch.stack([layer(one)[0] for one in x]))


def test_the_vendor_under_vmap():
    layer = tenuto.LSTM(INPUT, HIDDEN).to(DTYPE)
    layer.engine = "vendor"
    x = torch.randn(2, STEPS, ROWS, INPUT, dtype=DTYPE)
    same(vmap(lambda x: layer(x, lengths=torch.tensor([3, 1]))[0])(x), torch.stack([layer(one, lengths=[3, 1])[0] for one in x]))


# --- forward mode -----------------------------------------------------------------------------------------------------------


@every
def test_tangents(case):
    ours, theirs = case.one()
    tangent = torch.randn_like(case.x)
    expected = older.jvp(case.of(theirs), case.x, tangent)
    same(jvp(case.of(ours), (case.x,), (tangent,)), expected)
    same(older.jvp(case.of(ours), case.x, tangent), expected)
    with forward_ad.dual_level():
        same([*zip(*map(forward_ad.unpack_dual, case.of(ours)(forward_ad.make_dual(case.x, tangent))), strict=True)], expected)
        same(case.of(ours)(case.x), expected[0])
    several = torch.stack([tangent, -2 * tangent])
    same(vmap(lambda t: jvp(case.of(ours), (case.x,), (t,))[1])(several), [torch.stack([one, -2 * one]) for one in tree_leaves(expected[1])])


@every
def test_tangents_of_the_weights(case):
    ours, theirs = case.one()
    names, values = zip(*weights_of(ours).items(), strict=True)
    tangents = tuple(map(torch.randn_like, values))
    expected = older.jvp(lambda *own: case.call(theirs, dict(zip(names, own, strict=True)), case.x), values, tangents)
    same(jvp(lambda *own: case.call(ours, dict(zip(names, own, strict=True)), case.x), values, tangents), expected)
    with forward_ad.dual_level():
        dual = {name: forward_ad.make_dual(own, t) for name, own, t in zip(names, ours.parameters(), tangents, strict=True)}
        same([*zip(*map(forward_ad.unpack_dual, case.call(ours, dual, case.x)), strict=True)], expected)


@every
def test_gradients_of_tangents(case):
    """Backwards after forwards, with the layer's own weights; and forwards after backwards."""
    ours, theirs = case.one()
    tangent = torch.randn_like(case.x)
    total(jvp(case.of(ours), (case.x,), (tangent,))[1]).backward()
    total(older.jvp(case.of(theirs), case.x, tangent, create_graph=True)[1]).backward()
    same(gradients(ours), gradients(theirs))
    product = older.hvp(case.loss(theirs), case.x, tangent)[1]
    same(jvp(grad(case.loss(ours)), (case.x,), (tangent,))[1], product)
    with forward_ad.dual_level():
        x = forward_ad.make_dual(case.x.clone().requires_grad_(), tangent)
        (gradient,) = torch.autograd.grad(case.loss(ours)(x), x, create_graph=True)
        same(forward_ad.unpack_dual(gradient).tangent, product)


@few
def test_a_backward_pass_whose_cotangents_have_tangents(case):
    ours, theirs = case.one()
    x = case.x.clone().requires_grad_()
    results = case.of(ours)(x)
    given = [torch.randn_like(value) for value in results]
    expected = torch.autograd.grad(case.of(theirs)(x), x, given)[0]
    with forward_ad.dual_level():
        dual = [forward_ad.make_dual(torch.zeros_like(d), d) for d in given]
        for history in (False, True):
            (found,) = torch.autograd.grad(results, x, dual, retain_graph=True, create_graph=history)
            same(forward_ad.unpack_dual(found).tangent, expected)
    _, pull = vjp(case.of(ours), case.x)
    same(jvp(lambda *d: pull(d)[0], tuple(map(torch.zeros_like, given)), tuple(given))[1], expected)


@every
def test_jacobians_and_hessians(case):
    ours, theirs = case.one()
    expected = older.jacobian(case.of(theirs), case.x)
    for jacobian in (jacfwd, jacrev, lambda f: jacrev(f, chunk_size=2)):
        same(jacobian(case.of(ours))(case.x), expected)
    expected = older.hessian(case.loss(theirs), case.x)
    for make in (hessian, lambda f: jacrev(jacrev(f)), lambda f: jacrev(jacfwd(f))):
        same(make(case.loss(ours))(case.x), expected)


@few
def test_the_older_functions_of_jacobians_and_hessians(case):
    ours, theirs = case.one()
    expected, vector = older.jacobian(case.of(theirs), case.x), torch.randn_like(case.x)
    for options in ({}, {"vectorize": True}, {"vectorize": True, "strategy": "forward-mode"}, {"strict": True}):
        same(older.jacobian(case.of(ours), case.x, **options), expected)
    expected = older.hessian(case.loss(theirs), case.x)
    for options in ({}, {"vectorize": True}, {"vectorize": True, "outer_jacobian_strategy": "forward-mode"}):
        same(older.hessian(case.loss(ours), case.x, **options), expected)
    for function in (older.vhp, older.hvp):
        same(function(case.loss(ours), case.x, vector), function(case.loss(theirs), case.x, vector))


@few
def test_the_hessian_of_an_ensemble(case):
    ours, theirs = case.pairs(2)
    stacked = {name: value.detach() for name, value in stack_module_state(ours)[0].items()}
    found = vmap(lambda weights: hessian(lambda x: total(case.call(ours[0], weights, x)))(case.x))(stacked)
    same(found, torch.stack([older.hessian(case.loss(module), case.x) for module in theirs]))


@pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr Node")  # torch's own, of any function
def test_a_linearized_layer():
    case = CASES["GRU"]
    ours, theirs = case.one()
    tangent = torch.randn_like(case.x)
    value, linear = linearize(case.of(ours), case.x)
    same([value, linear(tangent)], older.jvp(case.of(theirs), case.x, tangent))


def test_forward_mode_within_invariant_is_refused_in_words():
    layer, x = tenuto.GRU(INPUT, HIDDEN), torch.randn(SEQUENCE)
    with tenuto.invariant(), pytest.raises(tenuto.errors.EngineError, match="forward mode"):
        jvp(lambda x: layer(x)[0], (x,), (x,))


def test_layer_norm_to_every_order():
    """Of torch's own normalisation gradients of tangents and third derivatives are wrong (torch 2.13), so they are ours."""
    layer = Recurrent(cells.MGU(), INPUT, HIDDEN, 2, layer_norm=True).to(DTYPE)
    x, t = torch.randn(SEQUENCE, dtype=DTYPE), torch.randn(SEQUENCE, dtype=DTYPE)

    def along(step: Tensor) -> Tensor:
        return layer(x + step * t).output.sin().sum()

    zero, width = torch.zeros((), dtype=DTYPE), 1e-4
    by_grad, by_jvp = along, along
    for _ in range(3):
        lower = by_grad
        by_grad, by_jvp = grad(by_grad), (lambda f: lambda step: jvp(f, (step,), (torch.ones_like(step),))[1])(by_jvp)
        difference = (lower(zero + width) - lower(zero - width)) / (2 * width)
        torch.testing.assert_close(by_grad(zero), difference, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(by_jvp(zero), difference, rtol=1e-5, atol=1e-5)


# --- batched cotangents, higher orders -------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("history", [False, True], ids=["once", "twice"])
def test_batched_cotangents_with_trained_weights(case, history):
    ours, theirs = case.one()
    found, expected = [], []
    for module, answers in ((ours, found), (theirs, expected)):
        torch.manual_seed(1)
        x = case.x.clone().requires_grad_()
        results, leaves = case.of(module)(x), [x, *module.parameters()]
        given = [torch.randn(3, *value.shape, dtype=DTYPE) for value in results]
        options = {"create_graph": history, "retain_graph": True, "allow_unused": True, "materialize_grads": True}
        if module is ours:
            answers += torch.autograd.grad(results, leaves, given, is_grads_batched=True, **options)
        else:
            answers += together([torch.autograd.grad(results, leaves, [d[k] for d in given], **options) for k in range(3)])
        if history:
            total(tuple(answers)).backward()
            answers += [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]
    same(found, expected)


@every
def test_third_derivatives(case):
    ours, theirs = case.one()
    found = []
    for module in (ours, theirs):
        x = case.x.clone().requires_grad_()
        value, leaves = case.loss(module)(x), [x, *module.parameters()]
        for _ in range(3):
            derivatives = torch.autograd.grad(value, leaves, create_graph=True, allow_unused=True, materialize_grads=True)
            value = total(derivatives)
        found.append([one.detach() for one in derivatives])
    same(*found)


@few
def test_torchs_own_checks_of_every_kind(case):
    ours, _ = case.one()
    x = case.x.clone().requires_grad_()
    assert torch.autograd.gradcheck(case.of(ours), x, check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True)
    assert torch.autograd.gradgradcheck(case.of(ours), x, check_fwd_over_rev=True, check_batched_grad=True, fast_mode=True, atol=1e-4)
