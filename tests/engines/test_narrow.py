"""16-bit layers and autocast under "auto": torch's kernels in 16 bits run where they were measured to be faster, and count with torch.nn's numbers."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

import tenuto
from tenuto.engines import contest

LAYERS = {"LSTM": {}, "GRU": {}, "RNN": {"nonlinearity": "relu"}}


def pair(name, dtype):
    torch.manual_seed(0)
    ours, theirs = getattr(tenuto, name)(3, 5, **LAYERS[name]).to(dtype), getattr(torch.nn, name)(3, 5, **LAYERS[name]).to(dtype)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.fixture
def asked(monkeypatch):
    """The problems that were measured; the second engine is always the faster one."""
    problems = []
    monkeypatch.setattr(contest, "remembered", lambda problem: None)
    monkeypatch.setattr(contest, "winner", lambda problem, first, second, file: problems.append((problem, second.name)) or second)
    return problems


@pytest.mark.parametrize("name", ["GRU", "RNN"])  # torch's 16-bit LSTM does not run on every processor
@pytest.mark.parametrize("autocast", [False, True])
def test_the_numbers_are_those_of_torch(asked, name, autocast):
    ours, theirs = pair(name, torch.float32 if autocast else torch.bfloat16)
    found = []
    for layer in (ours, theirs):
        x = torch.linspace(-1, 1, 24).view(4, 2, 3).to(next(layer.parameters()).dtype).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16) if autocast else nullcontext():
            output, final = layer(x)
        output.float().sin().sum().backward()
        found.append([output, final, x.grad, *(parameter.grad for parameter in layer.parameters())])
    assert [(problem.narrow, winner) for problem, winner in asked] == [(torch.bfloat16, "vendor in bfloat16")]
    for actual, expected in zip(*found, strict=True):
        assert actual.shape == expected.shape
        scale = expected.float().norm().item()
        torch.testing.assert_close(actual.float() / scale, expected.float() / scale, rtol=0, atol=2e-2)
    assert found[0][0].dtype == torch.bfloat16


@pytest.mark.parametrize("name", LAYERS)
def test_float32_is_not_narrowed(asked, name):
    pair(name, torch.float32)[0](torch.zeros(4, 2, 3))
    assert [problem.narrow for problem, _ in asked] == [None] * (name == "LSTM")


def test_cells_without_a_kernel_and_invariant_calls_stay_in_float32(asked):
    x = torch.zeros(4, 2, 3, dtype=torch.bfloat16)
    tenuto.Recurrent(tenuto.cells.MGU(), 3, 5).bfloat16()(x)
    with tenuto.invariant():
        pair("GRU", torch.bfloat16)[0](x)
    assert asked == []


def test_the_report_names_the_engine(asked):
    text = str(pair("GRU", torch.bfloat16)[0].engine_report(torch.zeros(4, 2, 3, dtype=torch.bfloat16)))
    assert "vendor in bfloat16" in text and "runs" in text
