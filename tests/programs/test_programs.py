"""Ten programs as people write them with torch.nn, run with torch.nn and with tenuto in its place: the same numbers to the end of training."""

from __future__ import annotations

import pytest
import torch

import tenuto
from tests.programs import actor_critic, critic, ensemble, exported, masks_in_place, policy, sampler, speech_decoder, tagger, world_model

pytestmark = pytest.mark.filterwarnings("ignore:The tensor attributes self.core._flat_weights")  # torch.export says it of torch.nn's own layers
PROGRAMS = [actor_critic, sampler, speech_decoder, world_model, policy, ensemble, critic, tagger, masks_in_place, exported]


def name_of(program):
    return program.__name__.rpartition(".")[2]


@pytest.mark.parametrize("program", PROGRAMS, ids=name_of)
def test_the_same_numbers(program):
    found = []
    for layers in (torch.nn, tenuto):
        torch.manual_seed(0)  # both draw the same weights, dropout, actions
        found.append([value.detach() for value in program.run(layers, torch.float64)])
    for number, (expected, actual) in enumerate(zip(*found, strict=True)):
        torch.testing.assert_close(actual, expected, rtol=1e-7, atol=1e-9, msg=lambda text, number=number: f"result {number}: {text}")


@pytest.mark.parametrize("program", PROGRAMS, ids=name_of)
def test_float32_is_near(program):
    """Where tokens or actions are drawn, rounding may decide on another; everything else is near."""
    found = []
    for layers in (torch.nn, tenuto):
        if layers is torch.nn and program is masks_in_place:
            continue  # torch's float32 LSTM keeps its output for the backward pass, and refuses to go on after it was written into
        torch.manual_seed(0)
        found.append([value.detach() for value in program.run(layers, torch.float32)])
    assert all(torch.isfinite(value.double()).all() for value in found[-1])
    for expected, actual in zip(found[0], found[-1], strict=True):
        assert actual.shape == expected.shape and actual.dtype == expected.dtype
        if program not in (sampler, actor_critic, policy):
            torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-3)
