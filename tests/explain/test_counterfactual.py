"""Counterfactuals: the shortest stretch that changes the answer, checked by trying every shorter one."""

import numpy as np
import pytest
import torch
from torch import nn

import tenuto
from tenuto.errors import ArgumentError
from tenuto.explain import Counterfactual
from tests.explain.models import NUMBERS, fitted, target_of
from tests.tasks.launched import TASKS


class Bump(nn.Module):
    """Whether the first feature has a stretch of three steps above one."""

    def forward(self, x):
        high = x[..., 0]  # [T, B]
        best = torch.stack([high[first : first + 3].amin(0) for first in range(len(high) - 2)]).amax(0)
        return torch.stack([torch.ones_like(best), best], 1)


def bump(first: int | None) -> torch.Tensor:
    x = torch.zeros(12, 1, 2)
    x[..., 1] = torch.linspace(-1, 1, 12)[:, None]
    if first is not None:
        x[first : first + 3, 0, 0] = 4.0
    return x


def test_the_shortest_stretch_and_the_only_feature_are_found():
    """To take a bump away, one step is enough; to make one, three are needed, and the other feature none."""
    away = tenuto.explain(Bump().eval(), bump(5), background="zero", method=Counterfactual())[0]
    assert away.measured["changed_steps"] == 1 and 5 <= away.measured["first_step"] <= 7 and away.measured["changed_features"] == 1
    assert "the answer is output 0 and no longer output 1" in away.notes[0] and "of input 0" in away.notes[0]
    made = tenuto.explain(Bump().eval(), bump(None), background=[bump(None)[:, 0], bump(2)[:, 0]], method=Counterfactual())[0]
    assert (made.measured["changed_steps"], made.measured["first_step"], made.measured["last_step"]) == (3, 2, 4)
    assert not made.values[:, 1].any() and np.flatnonzero(made.values[:, 0]).tolist() == [2, 3, 4]


def test_no_shorter_stretch_changes_the_answer():
    model, data = fitted("classify")
    others = [np.full((6, 1), value) for value in (-0.5, 0.0, 1.0, 1.5)]
    for item, x in zip(tenuto.explain(model, data, background=others, method=Counterfactual()), data):
        length = int(item.measured["changed_steps"])
        assert length > 0
        changed = model.standardiser_.mean + (item.x + item.values) * model.standardiser_.deviation
        assert model.predict([changed])[0] != model.predict([x])[0]
        for donor in others:
            for first in range(len(x) - length + 2):
                shorter = np.array(x, dtype=float)
                shorter[first : first + length - 1] = donor[first : first + length - 1]
                assert model.predict([shorter])[0] == model.predict([x])[0]


def test_the_wanted_answer_is_the_one_that_comes():
    class Three(nn.Module):
        def forward(self, x):
            total = x.sum((0, 2))
            return torch.stack([-((total - value) ** 2) for value in (0.0, 4.0, 8.0)], 1)

    found = tenuto.explain(Three().eval(), torch.zeros(8, 1, 1), target=2, background=torch.ones(8, 1, 1), method=Counterfactual())[0]
    assert found.measured["changed_steps"] == 7
    found = tenuto.explain(Three().eval(), torch.zeros(8, 1, 1), background=torch.ones(8, 1, 1), method=Counterfactual())[0]
    assert found.measured["changed_steps"] == 3


def test_it_is_said_where_nothing_changes_the_answer():
    found = tenuto.explain(Bump().eval(), bump(None), background="zero", method=Counterfactual())[0]
    assert found.measured["changed_steps"] == 0 and not found.values.any() and "has another answer" in found.notes[0]


@pytest.mark.parametrize("name", [name for name in TASKS if name not in NUMBERS])
def test_every_task_can_be_asked(name):
    model, data = fitted(name)
    found = tenuto.explain(model, data[:2], target=target_of(name), method="counterfactual")
    assert all(item.notes and item.values.shape == item.x.shape for item in found)


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_no_choices(name):
    model, data = fitted(name)
    with pytest.raises(ArgumentError, match="answers with numbers"):
        tenuto.explain(model, data[:2], target=target_of(name), method="counterfactual")


def test_what_cannot_be_asked():
    with pytest.raises(ArgumentError, match="one output"):
        tenuto.explain(nn.Linear(2, 1).eval(), torch.zeros(3, 1, 2), target=(0, None), background="zero", method="counterfactual")
    with pytest.raises(ArgumentError, match="not a function"):
        tenuto.explain(Bump().eval(), bump(1), target=lambda raw: raw[:, 0], background="zero", method="counterfactual")
    with pytest.raises(ArgumentError, match="donors=0 cannot be used"):
        Counterfactual(donors=0)
