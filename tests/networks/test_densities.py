"""Densities of the next value against scipy's distributions, their tails far out, draws, and what is missing or impossible."""

import math

import numpy as np
import pytest
import torch
from scipy import special, stats

from tenuto.errors import ArgumentError
from tenuto.networks.beta import log_beta_share
from tenuto.networks.densities import DENSITIES, density_of, unsoftplus

REAL = [("gaussian", (1.5, 2.0), stats.norm(1.5, 2.0)), ("student-t", (1.5, 2.0, 3.3), stats.t(3.3, 1.5, 2.0))]
COUNTED = [(mean, dispersion, stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))) for mean, dispersion in ((3.0, 0.4), (0.1, 1.0), (250.0, 2.0), (1e5, 1e-6))]


def nats(name, parameters, values):
    return density_of(name).nats(torch.tensor(parameters, dtype=torch.float64), torch.tensor(values, dtype=torch.float64)).numpy()


@pytest.mark.parametrize(("name", "parameters", "truth"), REAL)
def test_real_values(name, parameters, truth):
    values = [-30.0, 0.0, 1.5, 2.2, 400.0]
    np.testing.assert_allclose(nats(name, parameters, values), -truth.logpdf(values), rtol=1e-12)
    for value in (1.5, 2.0, -3.0, 20.0):
        expected = math.log(2) + truth.logsf(1.5 + abs(value - 1.5))
        assert density_of(name).tail(parameters, value) == pytest.approx(expected, rel=1e-12)
    far = density_of(name).tail(parameters, 1e4)  # where the probability itself is 0 in float64
    assert far == pytest.approx(math.log(2) + truth.logsf(1e4), rel=1e-9) and density_of(name).tail(parameters, -1e4) < -15


@pytest.mark.parametrize(("mean", "dispersion", "truth"), COUNTED)
def test_counts(mean, dispersion, truth):
    values = np.array([0.0, 1.0, 2.0, 7.0, 60.0, 101_000.0])
    expected = -truth.logpmf(values)
    np.testing.assert_allclose(nats("negative-binomial", (mean, dispersion), values), expected, rtol=1e-6, atol=1e-7)
    for value in values:
        reference = min(truth.logcdf(value), truth.logsf(value - 1))
        if np.isfinite(reference):
            assert density_of("negative-binomial").tail((mean, dispersion), value) == pytest.approx(min(0, math.log(2) + reference), rel=1e-6, abs=1e-9)
    zero, logit = 0.3, math.log(0.3 / 0.7)
    with np.errstate(divide="ignore"):
        inflated = -np.log(zero * (values == 0) + (1 - zero) * truth.pmf(values))
    found = nats("zero-inflated-negative-binomial", (mean, dispersion, logit), values)
    there = np.isfinite(inflated)
    np.testing.assert_allclose(found[there], inflated[there], rtol=1e-9, atol=1e-7)
    assert np.isfinite(found).all()
    below, above = zero + (1 - zero) * truth.cdf(1), (1 - zero) * truth.sf(0)
    assert density_of("zero-inflated-negative-binomial").tail((mean, dispersion, logit), 1.0) == pytest.approx(min(0, math.log(2 * min(below, above))), abs=1e-9)


def test_by_hand():
    """A count of 0 has the probability (r / (r + m))^r: with m = 2 and r = 1 / 0.5 = 2 it is 1/4."""
    assert nats("negative-binomial", (2.0, 0.5), 0.0) == pytest.approx(math.log(4))
    assert nats("zero-inflated-negative-binomial", (2.0, 0.5, 0.0), 0.0) == pytest.approx(-math.log(0.5 + 0.5 / 4))
    assert nats("gaussian", (0.0, 1.0), 0.0) == pytest.approx(0.5 * math.log(2 * math.pi))
    assert nats("student-t", (0.0, 1.0, 3.0), 0.0) == pytest.approx(-math.log(2 / (math.sqrt(3) * math.pi)))  # its density at 0 with 3 degrees of freedom


@pytest.mark.parametrize(("a", "b", "x"), [(0.5, 0.5, 0.3), (2.5, 0.5, 0.999), (2.5, 0.5, 1e-9), (1e6, 1e5, 0.91), (3.0, 200.0, 0.02), (1.0, 1.0, 0.0), (1.0, 1.0, 1.0)])
def test_the_incomplete_beta_function(a, b, x):
    assert math.exp(log_beta_share(a, b, x, 1 - x)) == pytest.approx(special.betainc(a, b, x), rel=1e-9)


@pytest.mark.parametrize("name", DENSITIES)
def test_draws_follow_the_density(name):
    density = density_of(name)
    raw = torch.tensor([0.5, unsoftplus(0.8), -1.0])[: len(density.parameters)]
    one = density.of(raw, torch.tensor(40.0, dtype=torch.float64), torch.tensor(10.0, dtype=torch.float64)).numpy()
    drawn = density.draw(np.repeat(one[None], 40_000, 0), np.random.default_rng(0))
    assert drawn.mean() == pytest.approx(float(density.mean(one)), abs=4 * drawn.std() / 200)
    tails = np.exp([density.tail(one.tolist(), value) for value in drawn[:2000]])
    assert (tails <= 0.1).mean() <= 0.125 and (density.counts or (tails <= 0.1).mean() >= 0.08)
    again = density.draw(np.repeat(one[None], 40_000, 0), np.random.default_rng(0))
    np.testing.assert_array_equal(drawn, again)
    assert not density.counts or ((drawn >= 0) & (drawn == np.floor(drawn))).all()


@pytest.mark.parametrize("name", DENSITIES)
def test_what_is_missing_or_strange_gives_no_nan(name):
    """F3: a possible value stands in the place of a missing one before any logarithm is taken."""
    density = density_of(name)
    raw = torch.zeros(6, len(density.parameters), requires_grad=True)
    base, scale = torch.tensor([0.0, 0.0, 1e12, 5.0, 1e-9, 0.0], dtype=torch.float64), torch.tensor([1e-3, 1.0, 1e9, 1.0, 1e-12, 1.0], dtype=torch.float64)
    targets = torch.tensor([np.nan, 0.0, 1e12, np.nan, 0.0, 1e9], dtype=torch.float64)
    found = density.loss(raw, base, scale, targets)
    found.sum().backward()
    assert torch.isfinite(found).all() and torch.isfinite(raw.grad).all() and found[0] == found[3] == 0 and (raw.grad[[0, 3]] == 0).all()
    extreme = density.of(torch.tensor([[1e4, 80.0, 50.0], [-1e4, -80.0, -50.0]])[:, : len(density.parameters)], base[:2], scale[:2])
    assert torch.isfinite(extreme).all() and np.isfinite(density.draw(extreme.numpy(), np.random.default_rng(0))).all()


def test_the_start_is_what_the_base_leaves_over():
    left = np.random.default_rng(0).normal(0.5, 2.0, 4000)
    middle, width = density_of("gaussian").start(left)
    assert middle == pytest.approx(0.5, abs=0.2) and math.log1p(math.exp(width)) == pytest.approx(2.0, rel=0.1)
    for density in DENSITIES.values():
        assert len(density.start(left)) == len(density.parameters)
    with pytest.raises(ArgumentError, match="distribution='normal' is not known"):
        density_of("normal")
