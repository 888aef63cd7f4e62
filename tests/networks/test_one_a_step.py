"""The loss of a transducer that writes one symbol at most in a step: against all ways added up, and against hand-computed values; rows that are shorter, empty texts, texts that are too long."""

import itertools

import pytest
import torch

from tenuto.networks.one_a_step import one_a_step_loss

NONE = torch.zeros(1, 4, dtype=torch.bool)


def arcs(frames=4, rows=1, labels=2, seed=0):
    """Log-probabilities [T, B, U + 1], [T, B, U] and [T, B, U] that need gradients, float64."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(frames, rows, places, generator=generator, dtype=torch.float64).sub(1).requires_grad_() for places in (labels + 1, labels, labels)]


def total(blanks, symbols, again, text):
    """Minus the logarithm of all ways to write a text, added up, of row 0: of all paths those that collapse to it."""
    frames, found = len(blanks), []
    for path in itertools.product({0, *text}, repeat=frames):
        if [symbol for symbol, _ in itertools.groupby(path) if symbol] != text:
            continue
        written, way, last = 0, torch.zeros((), dtype=torch.float64), 0
        for frame, symbol in enumerate(path):
            if not symbol:
                way = way + blanks[frame, 0, written]
            elif symbol == last:
                way = way + again[frame, 0, written - 1]
            else:
                way, written = way + symbols[frame, 0, written], written + 1
            last = symbol
        found.append(way)
    return -torch.stack(found).logsumexp(0)


@pytest.mark.parametrize(("frames", "text"), [(1, []), (1, [1]), (3, []), (4, [1, 2]), (5, [1, 1, 2]), (5, [1, 2, 1]), (4, [1, 2, 3, 1]), (6, [2, 2, 2])])
def test_all_ways_are_added_up_and_so_are_gradients(frames, text):
    given = arcs(frames, 1, max(len(text), 1))
    repeated = torch.tensor([[one == before for one, before in zip(text, [0, *text])] or [False]])
    loss = one_a_step_loss(*given, repeated, torch.tensor([frames]), torch.tensor([len(text)]))
    expected = total(*given, text)
    torch.testing.assert_close(loss, expected[None])
    for found, wanted in zip(torch.autograd.grad(loss.sum(), given), torch.autograd.grad(expected, given, allow_unused=True)):
        torch.testing.assert_close(found, torch.zeros_like(found) if wanted is None else wanted)


def test_by_hand():
    """Two frames and one symbol: 0.3 · 0.8, symbol and blank, 0.6 · 0.5, blank and symbol, or 0.3 · 0.1, the symbol in both."""
    blanks = torch.tensor([[[0.6, 0.1]], [[0.9, 0.8]]]).log()
    symbols, again = torch.tensor([[[0.3]], [[0.5]]]).log(), torch.tensor([[[0.7]], [[0.1]]]).log()
    torch.testing.assert_close(one_a_step_loss(blanks, symbols, again, NONE[:, :1], torch.tensor([2]), torch.tensor([1])), -torch.tensor([0.3 * 0.8 + 0.6 * 0.5 + 0.3 * 0.1]).log())


def test_what_is_padded_has_no_influence_and_too_long_a_text_has_no_gradient():
    given = arcs(4, 4, 3)
    frames, labels, repeated = torch.tensor([4, 2, 2, 2]), torch.tensor([2, 1, 3, 2]), torch.zeros(4, 3, dtype=torch.bool)
    repeated[3, 1] = repeated[1, 2] = True  # of the last row two equal symbols, which need three frames; of the second one that is padded
    losses = one_a_step_loss(*given, repeated, frames, labels)
    alone = one_a_step_loss(*(arc[:2, 1:2, : 1 + (place == 0)] for place, arc in enumerate(given)), NONE[:, :1], torch.tensor([2]), torch.tensor([1]))
    torch.testing.assert_close(losses[1:2], alone)
    assert not losses[2:].detach().any()
    gradients = torch.autograd.grad(losses.sum(), given)
    assert all(torch.isfinite(one).all() for one in gradients)
    assert not any(one[:, 2:].any() for one in gradients) and not any(one[2:, 1].any() for one in gradients) and not gradients[1][:, 1, 1:].any()
