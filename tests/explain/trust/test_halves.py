"""Early against late: tasks in which it is known when what matters happens."""

import pytest
import torch

import tenuto
from tenuto.explain import Check
from tenuto.explain.trust.verdicts import of_halves
from tests.explain.trust.known import Formula

QUICK = Check(networks=2)


def halves(function, x, method="integrated-gradients"):
    return tenuto.explain(Formula(function), x, background="zero", method=method, check=QUICK).trust


def test_only_the_first_step_matters():
    trust = halves(lambda x: 3 * x[0, :, 0], torch.ones(8, 2, 2, dtype=torch.float64))
    for one in trust.halves:
        assert one.influence_share == pytest.approx(1.0) and one.values_share == pytest.approx(1.0)
        assert one.influence_early == pytest.approx(3.0) and one.influence_late == 0.0
    assert of_halves(trust).holds


def test_a_gradient_that_fades_towards_the_past_is_seen():
    """The first step decides, through a sigmoid that has flattened there, as in a saturated gate: its gradient says almost nothing of it."""
    model, x = (lambda x: torch.sigmoid(20 * x[0, :, 0]) + 0.01 * x[-1, :, 0]), torch.ones(8, 2, 1, dtype=torch.float64)
    faded, whole = halves(model, x, "gradient"), halves(model, x)
    assert faded.halves[0].values_share < 0.01 and faded.halves[0].influence_share > 0.95
    said = of_halves(faded)
    assert said.holds is False and said.mark == "fades" and "fade towards the past" in said.said
    assert of_halves(whole).holds


def test_values_that_lie_too_early_are_seen():
    trust = halves(lambda x: torch.sigmoid(20 * x[-1, :, 0]) + 0.01 * x[0, :, 0], torch.ones(8, 1, 1, dtype=torch.float64), "gradient")
    assert of_halves(trust).mark == "too early"


def test_values_of_both_signs_in_one_half_are_no_fading():
    """Late values cancel, so without them the answer stays: the sums say it, the sizes do not."""
    trust = halves(lambda x: x[0, :, 0] + 9 * x[-1, :, 0] - 9 * x[-2, :, 0], torch.ones(8, 1, 1, dtype=torch.float64))
    assert trust.halves[0].values_share < 0.1 and trust.halves[0].sums_share == pytest.approx(1.0) == trust.halves[0].influence_share
    assert of_halves(trust).holds


@pytest.mark.parametrize("steps", [3, 5, 9])
def test_a_step_in_the_middle_counts_half(steps):
    one = halves(lambda x: 2 * x[steps // 2, :, 0] + x[0, :, 0], torch.ones(steps, 1, 1, dtype=torch.float64)).halves[0]
    assert (one.influence_early, one.influence_late) == pytest.approx((2.0, 1.0))
    assert (one.values_early, one.values_late) == pytest.approx((2.0, 1.0)) and one.values_share == pytest.approx(2 / 3)


def test_an_answer_that_nothing_changes_has_no_shares():
    trust = halves(lambda x: x[:, :, 0].sum(0) * 0, torch.ones(6, 1, 1, dtype=torch.float64))
    assert trust.halves[0].influence_share is None and trust.halves[0].values_share is None and of_halves(trust).mark == "cannot be told"
