"""The linear-chain CRF against the sum and the maximum over every tag sequence, written out."""

import itertools

import pytest
import torch

from tenuto.errors import ShapeError
from tenuto.networks import crf as module
from tenuto.networks.crf import LinearChainCRF


def problem(tags, lengths, *, spread=1.0, seed=0):
    """A CRF with random weights, in float64, with emissions and targets; NaN beyond each length, which must never be read."""
    generator = torch.Generator().manual_seed(seed)
    crf = LinearChainCRF(tags).double()
    with torch.no_grad():
        for weight in crf.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator, dtype=torch.float64) * spread)
    emissions = torch.randn(max(lengths), len(lengths), tags, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, tags, emissions.shape[:2], generator=generator)
    return crf, emissions, targets, torch.tensor(lengths)


def every_path(crf, emissions, length):
    """{tags: score} of every sequence of this sentence, emissions [T, K], added up one by one."""
    scores = {}
    for path in itertools.product(range(crf.tags), repeat=length):
        score = crf.start[path[0]] + crf.end[path[-1]] + sum(emissions[step, tag] for step, tag in enumerate(path))
        scores[path] = float((score + sum(crf.transitions[one, other] for one, other in itertools.pairwise(path))).detach())
    return scores


@pytest.mark.parametrize("spread", [0.0, 1.0, 40.0], ids=["no transitions", "narrow", "wide"])
@pytest.mark.parametrize(("tags", "lengths"), [(2, [5, 1, 3]), (3, [4]), (4, [2, 4, 4, 1]), (1, [3, 2])])
def test_against_every_path(tags, lengths, spread):
    crf, emissions, targets, lengths = problem(tags, lengths, spread=spread)
    losses = crf(emissions, targets, lengths)
    decoded = crf.decode(emissions, lengths)
    for row, length in enumerate(lengths.tolist()):
        scores = every_path(crf, emissions[:, row], length)
        partition = torch.logsumexp(torch.tensor(list(scores.values()), dtype=torch.float64), 0)
        own = scores[tuple(targets[:length, row].tolist())]
        torch.testing.assert_close(losses[row].detach(), partition - own)
        torch.testing.assert_close(crf.path_score(emissions, targets, lengths)[row].item(), own)
        assert scores[tuple(decoded[row])] == pytest.approx(max(scores.values()), rel=1e-12)


@pytest.mark.parametrize("narrow", [module.NARROW, -1.0], ids=["matrix product", "logsumexp"])
def test_gradients(monkeypatch, narrow):
    monkeypatch.setattr(module, "NARROW", narrow)
    crf, emissions, targets, lengths = problem(3, [4, 1, 3])
    weights = dict(crf.named_parameters())

    def loss(emissions, *values):
        return torch.func.functional_call(crf, dict(zip(weights, values)), (emissions, targets, lengths))

    torch.autograd.gradcheck(loss, (emissions.requires_grad_(), *weights.values()))


def test_both_ways_to_sum_agree_and_padding_is_never_read(monkeypatch):
    crf, emissions, targets, lengths = problem(5, [6, 2, 4], spread=3.0)
    expected = crf(emissions, targets, lengths)
    padded = emissions.clone()
    for row, length in enumerate(lengths.tolist()):
        padded[length:, row] = 1e6
    torch.testing.assert_close(crf(padded, targets, lengths), expected, rtol=0, atol=0)
    assert crf.decode(padded, lengths) == crf.decode(emissions, lengths)
    monkeypatch.setattr(module, "NARROW", -1.0)
    torch.testing.assert_close(crf(emissions, targets, lengths), expected)


def test_alone_or_in_a_batch():
    crf, emissions, targets, lengths = problem(4, [5, 3, 1])
    together = crf(emissions, targets, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = crf(emissions[:length, row : row + 1], targets[:length, row : row + 1], lengths[row : row + 1])
        torch.testing.assert_close(alone[0], together[row])
        assert crf.decode(emissions[:, row : row + 1], lengths[row : row + 1])[0] == crf.decode(emissions, lengths)[row]


def test_without_transitions_each_step_is_a_choice_of_its_own():
    _, emissions, targets, lengths = problem(4, [3, 3])
    crf = LinearChainCRF(4).double()
    each = torch.nn.functional.cross_entropy(emissions.flatten(0, 1), targets.flatten(), reduction="none").view(3, 2)
    torch.testing.assert_close(crf(emissions, targets, lengths), each.sum(0))
    assert crf.decode(emissions, lengths) == emissions.argmax(2).T.tolist()


def test_transitions_that_forbid_are_obeyed():
    crf = LinearChainCRF(3)
    with torch.no_grad():
        crf.transitions.fill_(0.0)[0, 1] = -1e4
    emissions = torch.tensor([[[5.0, 0, 0]], [[0, 5.0, 4.0]]])
    assert crf.decode(emissions, torch.tensor([2])) == [[0, 2]]
    assert crf(emissions, torch.tensor([[0], [1]]), torch.tensor([2])).item() > 9_000
    assert torch.isfinite(crf.log_partition(emissions, torch.tensor([2]))).all()


def test_shapes_that_do_not_fit():
    crf, emissions, targets, lengths = problem(3, [2, 2])
    with pytest.raises(ShapeError, match="emissions do not fit"):
        crf.decode(emissions[..., :2], lengths)
    with pytest.raises(ShapeError, match="lengths do not fit"):
        crf.decode(emissions, torch.tensor([2, 3]))
    with pytest.raises(ShapeError, match="lengths do not fit"):
        crf(emissions, targets, torch.tensor([0, 2]))
    with pytest.raises(ShapeError, match="targets do not fit"):
        crf(emissions, targets[:1], lengths)
