"""The loss of one run against the sum over every path, written out."""

from itertools import product

import pytest
import torch

from tenuto.networks.one_run import IMPOSSIBLE, run_losses


def every_path(logits, keyword, begin, end, counted, least):
    """The loss of one row, logits [T, 1 + K]: all paths of answers, one by one; steps that are not counted cost nothing, and take no part in what is told of a path."""
    known, ways = logits.log_softmax(-1), []
    for path in product((0, keyword) if keyword else (0,), repeat=len(logits)):
        said = [step for step, answer in enumerate(path) if answer]
        if keyword and (not said or len(said) != said[-1] - said[0] + 1 or len(said) < least or said[0] < begin or said[-1] >= end):
            continue
        ways.append(sum(known[step, answer] for step, answer in enumerate(path) if counted[step]))
    return -torch.stack(ways).logsumexp(0)


@pytest.mark.parametrize(("keyword", "begin", "end", "least"), [(0, 0, 0, 2), (1, 0, 6, 1), (2, 1, 5, 2), (1, 2, 4, 2), (2, 0, 6, 6), (1, 3, 6, 3)])
def test_against_every_path_and_its_gradient(keyword, begin, end, least):
    generator = torch.Generator().manual_seed(keyword + end)
    logits = 2 * torch.randn(6, 2, 3, generator=generator, dtype=torch.float64)
    counted = torch.rand(6, 2, generator=generator) > 0.3
    counted[:, 0] = True
    counted[begin:end] = True
    given = logits.clone().requires_grad_()
    found = run_losses(given, torch.tensor([keyword] * 2), torch.tensor([begin] * 2), torch.tensor([end] * 2), counted, least)
    other = logits.clone().requires_grad_()
    expected = torch.stack([every_path(other[:, row], keyword, begin, end, counted[:, row], least) for row in range(2)])
    torch.testing.assert_close(found, expected)
    found.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(given.grad, other.grad)


def test_rows_of_other_lengths_beside_it_change_nothing():
    logits = torch.randn(9, 2, 3)
    keywords, begins, counted = torch.tensor([1, 0]), torch.tensor([1, 0]), torch.ones(9, 2, dtype=torch.bool)
    counted[5:, 0] = False
    together = run_losses(logits, keywords, begins, torch.tensor([5, 0]), counted, 2)
    alone = run_losses(logits[:5, :1], keywords[:1], begins[:1], torch.tensor([5]), counted[:5, :1], 2)
    torch.testing.assert_close(together[:1], alone)
    assert together[1] == pytest.approx(-float(logits[:, 1].double().log_softmax(-1)[:, 0].sum())) and torch.isfinite(together).all() and IMPOSSIBLE < -1e20


def test_sure_steps_cost_nothing_and_short_ones_much():
    path = torch.tensor([0, 0, 1, 1, 1, 0])
    logits = 40.0 * torch.nn.functional.one_hot(path, 2)[:, None].float()
    numbers = [torch.tensor([1]), torch.tensor([0]), torch.tensor([6]), torch.ones(6, 1, dtype=torch.bool)]
    assert run_losses(logits, *numbers, 3).item() < 1e-9 < 30 < run_losses(logits, *numbers, 4).item()
