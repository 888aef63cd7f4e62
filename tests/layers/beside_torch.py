"""Layers and cells with torch.nn's beside them, for tests of transforms and derivatives: the same weights, an input and a state, in float64.

torch.nn's numbers come from calls without any transform: `vmap` knows no `torch.lstm`. A `Recurrent` stands beside itself on the reference engine.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
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
