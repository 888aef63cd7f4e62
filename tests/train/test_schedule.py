"""The learning rate over the steps: it rises, then falls or stays."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.train import SCHEDULES, Schedule, TrainingOptions, learning_rate_factor


@given(steps=st.integers(1, 300), warmup=st.integers(0, 50), schedule=st.sampled_from(SCHEDULES))
def test_it_rises_to_one_over_the_warm_up_and_never_rises_after(steps, warmup, schedule):
    factors = [learning_rate_factor(schedule, step, steps=steps, warmup_steps=warmup) for step in range(steps)]
    assert all(0 <= factor <= 1 for factor in factors)
    assert all(a < b for a, b in pairwise(factors[:warmup]))
    assert all(a >= b for a, b in pairwise(factors[warmup:]))
    if steps > warmup:
        assert factors[warmup] == 1.0


def test_cosine_ends_near_zero_and_constant_does_not():
    assert learning_rate_factor("cosine", 99, steps=100, warmup_steps=0) == pytest.approx(0.000246, abs=1e-6)
    assert learning_rate_factor("cosine", 500, steps=100, warmup_steps=0) == 0.0
    assert learning_rate_factor("constant", 99, steps=100, warmup_steps=0) == 1.0


def test_nt_asgd_begins_to_average_when_the_loss_has_not_fallen_for_a_while():
    schedule = Schedule(TrainingOptions(schedule="nt-asgd", warmup_steps=0, trigger_patience=2), steps=100)
    seen = []
    for loss in (3.0, 2.0, 2.1, 2.2, 2.3, 2.4):
        schedule.validated(loss)
        seen.append(schedule.triggered)
    assert seen == [False, False, False, False, True, True]  # 2.3 is the first loss above an earlier one with two or more between them
    again = Schedule(TrainingOptions(schedule="nt-asgd", warmup_steps=0, trigger_patience=2), steps=100)
    again.restore(schedule.state())
    assert again.triggered
