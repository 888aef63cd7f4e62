"""A step that cannot be traced: the error names the user's line and says what to write instead."""

import re

import pytest
import torch

from tenuto.cell import Cell, State
from tenuto.errors import TraceError
from tenuto.program import trace


class Bad(Cell):
    gates = "h"
    state = "h"


class Branches(Bad):
    def step(self, x, U, s):
        if x.h.sum() > 0:
            return State(h=x.h)
        return State(h=s.h)


class TakesANumber(Bad):
    def step(self, x, U, s):
        return State(h=s.h * float(x.h.max()))


class WritesIntoItsArgument(Bad):
    def step(self, x, U, s):
        x.h.add_(1)
        return State(h=torch.tanh(x.h))


class WritesInPlace(Bad):
    def step(self, x, U, s):
        v = x.h + U.h @ s.h
        v *= 2
        return State(h=v)


class UsesAnUnknownOperation(Bad):
    def step(self, x, U, s):
        return State(h=torch.cumsum(x.h + U.h @ s.h, -1))


class Slices(Bad):
    def step(self, x, U, s):
        return State(h=torch.cat([x.h[:, 1:], x.h[:, :1]], -1))


class NamesAnUndeclaredGate(Bad):
    def step(self, x, U, s):
        return State(h=torch.tanh(x.h + U.g @ s.h))


class NamesAnUndeclaredInput(Bad):
    def step(self, x, U, s):
        return State(h=torch.tanh(x.z))


class NamesAnUndeclaredState(Bad):
    def step(self, x, U, s):
        return State(h=torch.tanh(x.h + s.c))


class NamesAnUndeclaredParameter(Bad):
    def step(self, x, U, s):
        return State(h=torch.tanh(x.h * self.p.u))


class ReturnsAnotherState(Bad):
    def step(self, x, U, s):
        return State(m=torch.tanh(x.h))


class ReturnsNothing(Bad):
    def step(self, x, U, s):
        pass


class LosesTheBatch(Bad):
    def step(self, x, U, s):
        return State(h=x.h.sum(0))


class ReducesToOneChannel(Bad):
    def step(self, x, U, s):
        return State(h=x.h.sum(-1, keepdim=True))


class MultipliesTwoValues(Bad):
    def step(self, x, U, s):
        return State(h=torch.tanh(U.h @ s.h + U.h @ x.h))


class DividesByTheWidth(Bad):
    def step(self, x, U, s):
        return State(h=x.h / x.h.shape[-1])


class HasATensorOfItsOwn(Bad):
    def step(self, x, U, s):
        return State(h=x.h * torch.arange(x.h.shape[-1]))


class Draws(Bad):
    def step(self, x, U, s):
        return State(h=x.h * torch.rand_like(x.h))


CASES = {
    Branches: ("branches on a tensor's values", "torch.where"),
    TakesANumber: ("turns a tensor into a number", "keep numbers as tensors"),
    WritesIntoItsArgument: ("writes in", "v = v + 1"),
    WritesInPlace: ("writes in place", "v = v + 1"),
    UsesAnUnknownOperation: ("the order of the channels (torch.cumsum)", "reductions"),
    Slices: ("joins or cuts channels", "for each part instead"),
    NamesAnUndeclaredGate: ("U.g is used", "add 'g' to gates"),
    NamesAnUndeclaredInput: ("the name 'z'", "gates"),
    NamesAnUndeclaredState: ("'c'", "declare it in state"),
    NamesAnUndeclaredParameter: ("the name 'u'", "parameters"),
    ReturnsAnotherState: ("returned ('m',)", "return State(h=...)"),
    ReturnsNothing: ("returned NoneType", "return State(h=...)"),
    LosesTheBatch: ("the wrong shape", "keep the batch axis"),
    ReducesToOneChannel: ("the wrong shape", "keep the batch axis"),
    MultipliesTwoValues: ("two different values", "a name of its own"),
    DividesByTheWidth: ("depends on the hidden size as a number", "mean"),
    HasATensorOfItsOwn: ("a tensor of its own (torch.arange)", "parameters"),
    Draws: ("random", "streams"),
}


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
def test_the_error_says_what_and_how_to_mend_it(kind):
    what, fix = CASES[kind]
    with pytest.raises(TraceError) as caught:
        trace(kind())
    text = str(caught.value)
    assert kind.__name__ in text
    assert what in text
    assert fix in text


@pytest.mark.parametrize("kind", [Branches, WritesInPlace, UsesAnUnknownOperation, NamesAnUndeclaredGate], ids=lambda kind: kind.__name__)
def test_the_error_names_the_users_line(kind):
    with pytest.raises(TraceError) as caught:
        trace(kind())
    assert re.search(r"test_bad_steps\.py(, line |:)\d+", str(caught.value))
