"""Layers and cells under torch.vmap and torch.func.grad: ensembles over stacked parameters, gradients of each sample, each beside torch.nn."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.func import grad, grad_and_value, stack_module_state, vmap
from torch.utils._pytree import tree_leaves, tree_map

import tenuto
from tenuto import Recurrent, cells
from tests.layers.beside_torch import (
    DTYPE,
    HIDDEN,
    INPUT,
    ROWS,
    SEQUENCE,
    STEPS,
    Case,
    drop_in,
    every,
    few,
    gradients,
    same,
    together,
    total,
    weights_of,
)


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
        several = tree_map(lambda value: torch.stack([value, -value]), case.state)
        found = vmap(lambda state: tuple(tree_leaves(ours(case.x, *state))))(several)
        pick = [tree_map(lambda value: value[k], several) for k in range(2)]
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
