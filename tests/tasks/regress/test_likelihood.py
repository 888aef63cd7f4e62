"""The normal distribution of a regression against torch's, and the gradient of the loss against the paper's."""

import pytest
import torch

from tenuto.tasks.regress.likelihood import LEAST, losses, nats, normal

DOUBLE = torch.float64


def drawn(rows=7, targets=3):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(rows, 2 * targets, generator=generator, dtype=DOUBLE, requires_grad=True), torch.randn(rows, targets, generator=generator, dtype=DOUBLE)


def test_the_nats_are_those_of_torch():
    raw, targets = drawn()
    mean, deviation = normal(raw)
    torch.testing.assert_close(nats(raw, targets), -torch.distributions.Normal(mean, deviation).log_prob(targets))
    assert (deviation > LEAST).all()


def test_the_mean_s_gradient_is_the_error_over_the_deviation():
    """Seitzer et al. 2022, equation 6: with beta = 0.5 the gradient by the mean is (mean - y) / deviation, not (mean - y) / variance."""
    raw, targets = drawn()
    mean, deviation = normal(raw)
    losses(raw, targets).sum().backward()
    torch.testing.assert_close(raw.grad[:, :3], ((mean - targets) / deviation / 3).detach())


def test_an_answer_far_away_and_a_deviation_near_zero_are_finite():
    raw = torch.tensor([[1e4, -1e4], [-1e4, 1e4]], requires_grad=True)
    found = losses(raw, torch.zeros(2, 1))
    found.sum().backward()
    assert torch.isfinite(found).all() and torch.isfinite(raw.grad).all()
    assert normal(raw.detach())[1][0].item() == pytest.approx(LEAST, rel=1e-6)
