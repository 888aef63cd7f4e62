"""Layers and cells in forward mode, with batched cotangents, and derivatives of higher orders, each beside torch.nn."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.autograd import functional as older
from torch.func import grad, hessian, jacfwd, jacrev, jvp, linearize, stack_module_state, vjp, vmap
from torch.utils._pytree import tree_leaves

import tenuto
from tenuto import Recurrent, cells
from tests.layers.beside_torch import (
    CASES,
    DTYPE,
    HIDDEN,
    INPUT,
    SEQUENCE,
    every,
    few,
    gradients,
    same,
    together,
    total,
    weights_of,
)

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


@pytest.mark.parametrize("case", [CASES["GRU without a batch"], CASES["LSTMCell"]], ids=["GRU", "LSTMCell"])
def test_forward_mode_in_compiled_code(case):
    torch._dynamo.reset()
    ours, theirs = case.one()
    tangent = case.x.cos()
    compiled = torch.compile(lambda x: jvp(case.of(ours), (x,), (x.cos(),))[1], backend="aot_eager")
    same(compiled(case.x), older.jvp(case.of(theirs), case.x, tangent)[1])
    compiled = torch.compile(lambda x: jacfwd(jacrev(case.loss(ours)))(x), backend="aot_eager")
    same(compiled(case.x), older.hessian(case.loss(theirs), case.x))
