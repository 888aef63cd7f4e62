"""Fits in several threads of one process: each has the numbers that it would have alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from tenuto.tasks import SequenceClassifier
from tenuto.train import Observer
from tenuto.train.turns import pass_on, seeded


def data():
    generator = np.random.default_rng(0)
    lengths = generator.integers(3, 9, 24)
    return [generator.normal(size=(length, 2)).astype(np.float32) for length in lengths], ["a", "b"] * 12


def fit(seed, observers=()):
    model = SequenceClassifier("gru", hidden_size=5, epochs=3, batch_size=4, dropout=0.5, input_noise=0.1, random_state=seed)
    return model.fit(*data(), observers=observers)


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.network_.parameters()])


def test_fits_in_threads_end_as_if_each_were_alone():
    alone = [weights(fit(seed)) for seed in range(3)]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    met = threading.Barrier(3)

    class Counting(Observer):
        def step_ended(self, *, step, **_):
            steps.append(threading.get_ident())

    steps: list[int] = []

    def run(seed):
        met.wait(60)
        return weights(fit(seed, [Counting()]))

    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(run, range(3)))
    for expected, found in zip(alone, together, strict=True):
        assert torch.equal(expected, found)
    assert torch.equal(torch.get_rng_state(), before), "the caller's random numbers go on where they were"
    changes = sum(one != other for one, other in zip(steps, steps[1:]))
    assert changes > 2, "no fit waits until another one has ended"


def test_turns_come_one_after_the_other():
    order, both = [], threading.Barrier(2)

    def run(name):
        both.wait(60)
        with seeded(0):
            for _ in range(5):
                order.append((name, float(torch.rand(()))))
                while len({who for who, _ in order}) < 2:
                    pass_on()  # until the other one has begun
                pass_on()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, "ab"))
    numbers = {name: [number for who, number in order if who == name] for name in "ab"}
    assert numbers["a"] == numbers["b"] and len(set(numbers["a"])) == 5
    assert [who for who, _ in order] not in (["a"] * 5 + ["b"] * 5, ["b"] * 5 + ["a"] * 5)


def test_a_fit_inside_another_one_does_not_wait_and_does_not_disturb_it():
    class Inner(Observer):
        def step_ended(self, *, step, **_):
            if step == 2:
                inner.append(weights(fit(7)))

    inner: list[torch.Tensor] = []
    outer = weights(fit(1, [Inner()]))
    assert torch.equal(outer, weights(fit(1))) and torch.equal(inner[0], weights(fit(7)))


def test_an_error_ends_the_turn():
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), seeded(3):
        _ = 1 / 0
    assert torch.equal(torch.get_rng_state(), before)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(fit, 3).result(60)


def test_outside_of_a_turn_nothing_is_passed_on():
    before = torch.get_rng_state()
    pass_on()
    assert torch.equal(torch.get_rng_state(), before)
