"""The type of every value: its width, whether it is a number or a condition, one row for each sequence; the same for the reference and the CPU engine."""

from __future__ import annotations

import pytest
import torch
from torch import sigmoid, tanh

from tenuto import Cell, State
from tenuto.activations import mean
from tenuto.engines.problem import Form
from tenuto.errors import TraceError
from tenuto.program import trace
from tenuto.program.graph import Builder
from tests.engines.cpp.posing import engines, ours, pose, truth

SIZES = (3, 4, 2, 5)  # T, B, I, H


def cell_of(step, **declared):
    return type("Typed", (Cell,), {"gates": "h", "state": "h", "step": step, **declared})()


LEGAL = {
    "a constant as the state": (lambda self, x, U, s: State(h=torch.full_like(x.h, 0.25)), {}),
    "a constant in torch's default dtype": (lambda self, x, U, s: State(h=torch.zeros(x.h.shape)), {}),
    "a product with a constant": (lambda self, x, U, s: State(h=tanh(x.h + U.h @ torch.ones_like(s.h))), {}),
    "a product with a parameter": (lambda self, x, U, s: State(h=tanh(x.h + U.h @ self.p.a)), {"parameters": "a"}),
    "a product with a stream": (lambda self, x, U, s, v: State(h=tanh(x.h + U.h @ v)), {"streams": "v"}),
    "a product with a gate": (lambda self, x, U, s: State(h=tanh(s.h + U.h @ x.h)), {}),
    "a parameter as the state": (lambda self, x, U, s: State(h=self.p.a), {"parameters": "a"}),
    "the width as a sum": (lambda self, x, U, s: State(h=x.h / torch.ones_like(s.h).sum(-1, keepdim=True)), {}),
    "the mean of one channel": (lambda self, x, U, s: State(h=tanh(x.h + U.h @ s.h) * mean(s.h.sum(-1, keepdim=True))), {}),
    "the mean of three channels": (lambda self, x, U, s, v: State(h=tanh(x.h + U.h @ s.h) * mean(v * v)), {"streams": "v:3"}),
    "a state of one channel": (
        lambda self, x, U, s: State(h=tanh(x.h + U.h @ s.h) * s.k, k=mean(s.k * sigmoid(s.h).mean(-1, keepdim=True))), {"state": "h k:1"}),
    "a condition times a number": (lambda self, x, U, s: State(h=(x.h + U.h @ s.h) * (x.h > 0)), {}),
    "a condition as a number": (lambda self, x, U, s: State(h=(x.h > 0).float() * s.h + U.h @ s.h), {}),
    "conditions joined": (lambda self, x, U, s: State(h=torch.where((x.h > 0) ^ (s.h > 0) & ~(s.h > x.h), x.h, U.h @ s.h)), {}),
    "a count of conditions": (lambda self, x, U, s: State(h=tanh(x.h + U.h @ s.h) * (x.h > 0).sum(-1, keepdim=True)), {}),
    "any": (lambda self, x, U, s: State(h=torch.where((x.h > 0.5).any(-1, keepdim=True), x.h, U.h @ s.h)), {}),
    "all": (lambda self, x, U, s: State(h=torch.where((x.h > -1).all(-1, keepdim=True), x.h, U.h @ s.h)), {}),
    "the largest": (lambda self, x, U, s: State(h=tanh(x.h + U.h @ s.h) - s.h.amax(-1, keepdim=True) + s.h.amin(-1, keepdim=True)), {}),
    "logaddexp": (lambda self, x, U, s: State(h=torch.logaddexp(x.h, tanh(U.h @ s.h))), {}),
    "nan_to_num": (lambda self, x, U, s: State(h=torch.nan_to_num(x.h + U.h @ s.h)), {}),
    "isfinite, isinf": (lambda self, x, U, s: State(h=torch.where(torch.isfinite(x.h) & ~torch.isinf(s.h), tanh(U.h @ s.h), 0.0)), {}),
    "lerp": (lambda self, x, U, s: State(h=torch.lerp(s.h, x.h, 0.3) + torch.lerp(x.h, s.h, sigmoid(U.h @ s.h))), {}),
    "a norm": (lambda self, x, U, s: State(h=tanh(x.h + U.h @ s.h) / x.h.norm(dim=-1, keepdim=True)), {}),
}  # fmt: skip


@pytest.mark.cpp
@pytest.mark.parametrize("name", LEGAL)
def test_both_engines_agree(name):
    step, declared = LEGAL[name]
    for form in (Form(cell_of(step, **declared)), Form(cell_of(step, **declared), lengths=True, reverse=True)):
        for fixed in (False, True):
            inputs = pose(form, SIZES, torch.float64, fixed_streams=fixed)
            output, final, gradients = truth(form, inputs)
            for engine in engines(torch.float64):
                result, found = ours(form, inputs, engine)
                torch.testing.assert_close(result.output, output)
                torch.testing.assert_close(result.final, final)
                torch.testing.assert_close(found, gradients)


@pytest.mark.cpp
@pytest.mark.parametrize("name", ["a state of one channel", "a constant as the state"])
def test_without_any_step_the_width_is_the_same(name):
    step, declared = LEGAL[name]
    narrow = cell_of(step, output=lambda self, s: s[-1].mean(-1, keepdim=True), **declared)
    form = Form(narrow)
    inputs = pose(form, (0, 4, 2, 5), torch.float64)
    assert ours(form, inputs)[0].output.shape == truth(form, inputs)[0].shape == (0, 4, 1)


REFUSED = {
    "the batch size": (lambda self, x, U, s: State(h=x.h / x.h.shape[0]), "depends on the size of the batch as a number"),
    "len": (lambda self, x, U, s: State(h=x.h / len(x.h)), "depends on the size of the batch as a number"),
    "one row": (lambda self, x, U, s: State(h=x.h * (2.0 if x.h.shape[0] == 1 else 1.0)), "depends on the size of the batch as a number"),
    "rows": (lambda self, x, U, s: State(h=x.h - x.h.mean(0, keepdim=True)), "reductions go over the channels alone"),
    "squeeze of all": (lambda self, x, U, s: State(h=(U.h @ s.h).squeeze()), "has the wrong shape"),
    "another shape": (lambda self, x, U, s: State(h=x.h.view(x.h.shape[1], -1).reshape(x.h.shape)), "no program can hold"),
    "the width": (lambda self, x, U, s: State(h=x.h / x.h.shape[1]), "depends on the hidden size as a number"),
    "a condition as a state": (lambda self, x, U, s: State(h=x.h > s.h), "holds conditions"),
    "whole numbers as a state": (lambda self, x, U, s: State(h=torch.ones_like(x.h, dtype=torch.int64)), "holds no real numbers"),
    "a product with a condition": (lambda self, x, U, s: State(h=U.h @ (x.h > 0)), "the value that U.h is multiplied with holds conditions"),
    "whole numbers": (lambda self, x, U, s: State(h=s.h * x.h.int()), "turns real numbers into whole numbers"),
    "one row for all": (lambda self, x, U, s: State(h=torch.zeros(1, x.h.shape[1], dtype=x.h.dtype)), "has the wrong shape"),
    "complex numbers": (lambda self, x, U, s: State(h=torch.complex(x.h, s.h).abs()), "complex numbers"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_type_is_refused_in_words(name):
    step, text = REFUSED[name]
    with pytest.raises(TraceError, match=text):
        trace(cell_of(step))


def test_a_program_with_wrong_types_is_refused():
    builder = Builder()
    wide, narrow = builder.input(("gate", "h"), "H"), builder.input(("state", "k"), 3)
    sum_of_both = builder.apply("add", (wide, narrow), "H")
    with pytest.raises(AssertionError, match="wrong"):
        builder.program("wrong", [(("state", "h"), sum_of_both)])
    condition = builder.condition(wide)
    with pytest.raises(AssertionError, match="a condition"):
        builder.program("a condition", [(("state", "h"), condition)])
