"""How alike the steps are to two encoders, against sums by hand."""

import pytest
import torch
from torch.nn.functional import cosine_similarity

from tenuto.distill.likeness import STEPS, Heard, unlike


def outputs(*sizes, lengths=None):
    generator = torch.Generator().manual_seed(0)
    found = [torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes]
    for row, steps in enumerate(lengths or []):
        for output in found:
            output[steps:, row] = 0
    return found


@pytest.mark.parametrize("lengths", [None, [5, 1, 3]])
def test_it_is_the_mean_over_pairs_of_steps_within_the_lengths(lengths):
    one, other = outputs((5, 3, 4), (5, 3, 7), lengths=lengths)
    apart = [
        (cosine_similarity(one[s, row], one[t, row], dim=0) - cosine_similarity(other[s, row], other[t, row], dim=0)) ** 2
        for row, steps in enumerate(lengths or [5, 5, 5])
        for s in range(steps)
        for t in range(steps)
    ]
    heard = [Heard(output, None if lengths is None else torch.tensor(lengths)) for output in (one, other)]
    torch.testing.assert_close(unlike(*heard), torch.stack(apart).mean(), rtol=1e-10, atol=1e-12)


def test_a_turned_and_scaled_encoder_sees_the_same_likeness():
    (one,) = outputs((6, 2, 4))
    turn = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))[0]
    assert unlike(Heard(one, None), Heard(3 * one @ turn, None)) < 1e-24


def test_of_long_sequences_some_steps_are_compared():
    one, other = outputs((10 * STEPS, 1, 3), (10 * STEPS, 1, 2))
    places = torch.linspace(0, 10 * STEPS - 1, STEPS).round().long()
    expected = unlike(Heard(one[places], None), Heard(other[places], None))
    torch.testing.assert_close(unlike(Heard(one, None), Heard(other, None)), expected)


def test_it_can_be_learnt():
    one, other = outputs((6, 2, 4), (6, 2, 3))
    other.requires_grad_()
    before = unlike(Heard(one, None), Heard(other, None))
    (slope,) = torch.autograd.grad(before, other)
    assert unlike(Heard(one, None), Heard(other - 0.5 * slope / slope.norm(), None)) < before
