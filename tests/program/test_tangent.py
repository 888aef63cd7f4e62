"""The tangent program against autograd's forward mode, for each kind and for whole cells."""

import pytest
import torch

from tenuto.engines.problem import size_of
from tenuto.program import trace
from tenuto.program.grammar import KINDS
from tenuto.program.multipliers import Tensors
from tenuto.program.step import run_step
from tenuto.program.tangent import CHOSEN, LINEAR, SLOPES, push, tangent_of
from tests.random_cells import random_cell
from tests.zoo import CELLS, Leaking

HIDDEN, ROWS = 6, 5


def test_every_kind_has_a_rule():
    assert set(KINDS) == set(SLOPES) | set(LINEAR) | set(CHOSEN)


@pytest.mark.parametrize("kind", [kind for kind in SLOPES if KINDS[kind].gives == "real"])
def test_slopes_are_autograds(kind):
    arity = KINDS[kind].arity
    args = [(torch.rand(50, 1, dtype=torch.float64) + 0.3).requires_grad_() for _ in range(arity)]
    if kind not in ("log", "log1p", "sqrt", "rsqrt", "pow", "reciprocal", "div"):
        args = [(2 * torch.randn(50, 1, dtype=torch.float64)).requires_grad_() for _ in range(arity)]
    y = KINDS[kind].meaning(*args)
    expected = torch.autograd.grad(y.sum(), args, allow_unused=True)
    with torch.no_grad():
        found = SLOPES[kind](Tensors(torch.float64), [arg.detach() for arg in args], y.detach())
    for slope, right in zip(found, expected, strict=True):
        torch.testing.assert_close(torch.zeros(50, 1, dtype=torch.float64) + (0.0 if slope is None else slope), torch.zeros(50, 1, dtype=torch.float64) if right is None else right)


def agrees(cell):
    """`push` of one step with random changes of all inputs, and torch.autograd's Jacobian times these."""
    traced = trace(cell)
    chance = torch.Generator().manual_seed(3)
    draw = lambda *shape: torch.randn(*shape, generator=chance, dtype=torch.float64)  # noqa: E731
    program = traced.forward
    values = {key: draw(ROWS, size_of(program.nodes[number].width, HIDDEN)) for key, number in program.inputs.items() if key[0] != "product"}
    weights = {name: draw(size_of(width, HIDDEN), size_of(stack.width_in, HIDDEN)) / 2 for stack in traced.stacks for name, width in zip(stack.products, stack.widths)}
    changes = {(f"t_{role}", name): draw(*value.shape) for (role, name), value in values.items()}
    names = [key[1] for key, _ in program.outputs if key[0] == "state"]

    def step(*flat):
        made = {}
        new, output = run_step(cell, dict(zip(values, flat)), lambda name, value: made.setdefault(name, value @ weights[name].T))
        values_with_products.update(made)
        return (*(getattr(new, name) + 0 * flat[0].sum() for name in names), output + 0 * flat[0].sum())

    values_with_products: dict = {}
    _, right = torch.autograd.functional.jvp(step, tuple(values.values()), tuple(changes.values()))
    products = {("product", name): value.detach() for name, value in values_with_products.items()}
    found = push(traced, {**values, **products}, changes, lambda stack, value: [value @ weights[name].T for name in stack.products], HIDDEN)
    for key, expected in zip([*(("t_state", name) for name in names), ("t_output", "output")], right, strict=True):
        torch.testing.assert_close(found[key], expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", [name for name in CELLS if "heads" not in name])
def test_cells_of_the_zoo(name):
    agrees(CELLS[name])


def test_a_cell_with_a_stream():
    agrees(Leaking())


@pytest.mark.parametrize("seed", range(40))
def test_random_cells(seed):
    cell = random_cell(seed, smooth=False)
    if "detach" in cell.__doc__:
        pytest.skip("a tangent is that of the step's values, whatever a derivative is told to leave out")
    agrees(cell)


def test_the_program_is_printed():
    assert "change of s.h' = " in str(tangent_of(trace(CELLS["elman"])))
