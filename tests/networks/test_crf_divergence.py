"""The divergence of two CRFs, against the sum over all sequences of tags."""

import itertools

import pytest
import torch

from tenuto.networks.crf import LinearChainCRF
from tenuto.networks.crf_divergence import crf_divergence

TAGS, STEPS, LENGTHS = 3, 4, torch.tensor([4, 1, 3])


def drawn(seed):
    """Emissions [T, B, K] and a CRF, all drawn."""
    generator = torch.Generator().manual_seed(seed)
    crf = LinearChainCRF(TAGS).double()
    for weight in crf.parameters():
        weight.data = torch.randn(weight.shape, dtype=torch.float64, generator=generator)
    return torch.randn(STEPS, len(LENGTHS), TAGS, dtype=torch.float64, generator=generator), crf


def by_hand(emissions, crf, row, temperature):
    """The log-probability of every sequence of tags of a row."""
    length, scores = int(LENGTHS[row]), []
    for tags in itertools.product(range(TAGS), repeat=length):
        score = crf.start[tags[0]] + crf.end[tags[-1]] + sum(emissions[step, row, tag] for step, tag in enumerate(tags))
        scores.append((score + sum(crf.transitions[one, other] for one, other in itertools.pairwise(tags))) / temperature)
    return torch.stack(scores).log_softmax(0)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_it_is_the_divergence_over_all_sequences(temperature):
    (theirs, teacher), (own, student) = drawn(0), drawn(1)
    own.requires_grad_()
    found = crf_divergence((theirs, teacher.links()), (own, student.links()), LENGTHS, temperature)
    wanted = []
    for row in range(len(LENGTHS)):
        known, guessed = (by_hand(emissions, crf, row, temperature) for emissions, crf in ((theirs, teacher), (own, student)))
        wanted.append((known.exp() * (known - guessed)).sum())
    right = torch.stack(wanted)
    torch.testing.assert_close(found, right, rtol=1e-10, atol=1e-12)
    leaves = [own, *student.parameters()]
    for one, other in zip(torch.autograd.grad(found.sum(), leaves), torch.autograd.grad(right.sum(), leaves)):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_what_stands_beyond_a_sentence_has_no_influence_and_a_crf_is_not_apart_from_itself():
    emissions, crf = drawn(2)
    other = emissions.clone()
    other[1:, 1], other[3, 2] = 1e3, float("nan")
    with torch.no_grad():
        found = crf_divergence((emissions, crf.links()), (torch.nan_to_num(other), crf.links()), LENGTHS)
    assert found.abs().max() < 1e-12
