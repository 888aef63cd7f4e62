"""The loss of a transducer that writes one symbol at most in a step: against all ways added up, and against hand-computed values; rows that are shorter, empty texts, texts that are too long."""

import itertools

import pytest
import torch

from tenuto.networks.one_a_step import one_a_step_loss


def arcs(frames=4, rows=1, labels=2, seed=0):
    """Log-probabilities [T, B, U + 1] and [T, B, U] that need gradients, float64."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(frames, rows, places, generator=generator, dtype=torch.float64).sub(1).requires_grad_() for places in (labels + 1, labels)]


def total(blanks, symbols, frames, labels):
    """Minus the logarithm of all ways to place `labels` symbols in `frames` frames, added up, of row 0."""
    found = []
    for places in itertools.combinations(range(frames), labels):
        written, way = 0, torch.zeros((), dtype=torch.float64)
        for frame in range(frames):
            here = frame in places
            way, written = way + (symbols if here else blanks)[frame, 0, written], written + here
        found.append(way)
    return -torch.stack(found).logsumexp(0)


@pytest.mark.parametrize(("frames", "labels"), [(1, 0), (1, 1), (3, 0), (4, 2), (5, 3), (4, 4)])
def test_all_ways_are_added_up_and_so_are_gradients(frames, labels):
    blanks, symbols = arcs(frames, 1, max(labels, 1))
    loss = one_a_step_loss(blanks, symbols, torch.tensor([frames]), torch.tensor([labels]))
    expected = total(blanks, symbols, frames, labels)
    torch.testing.assert_close(loss, expected[None])
    for found, wanted in zip(torch.autograd.grad(loss.sum(), (blanks, symbols)), torch.autograd.grad(expected, (blanks, symbols), allow_unused=True)):
        torch.testing.assert_close(found, torch.zeros_like(found) if wanted is None else wanted)


def test_by_hand():
    """Two frames and one symbol: 0.3 · 0.8, symbol and blank, or 0.6 · 0.5, blank and symbol."""
    blanks = torch.tensor([[[0.6, 0.1]], [[0.9, 0.8]]]).log()
    symbols = torch.tensor([[[0.3]], [[0.5]]]).log()
    torch.testing.assert_close(one_a_step_loss(blanks, symbols, torch.tensor([2]), torch.tensor([1])), -torch.tensor([0.3 * 0.8 + 0.6 * 0.5]).log())


def test_what_is_padded_has_no_influence_and_too_long_a_text_has_no_gradient():
    blanks, symbols = arcs(4, 3, 3)
    frames, labels = torch.tensor([4, 2, 2]), torch.tensor([2, 1, 3])
    losses = one_a_step_loss(blanks, symbols, frames, labels)
    alone = one_a_step_loss(blanks[:2, 1:2, :2], symbols[:2, 1:2, :1], torch.tensor([2]), torch.tensor([1]))
    torch.testing.assert_close(losses[1:2], alone)
    assert float(losses[2].detach()) == 0
    gradients = torch.autograd.grad(losses.sum(), (blanks, symbols))
    assert all(torch.isfinite(one).all() for one in gradients)
    assert not any(one[:, 2].any() for one in gradients) and not any(one[2:, 1].any() for one in gradients) and not gradients[1][:, 1, 1:].any()
