"""Beam search against a search through all possible targets, scored one by one."""

import itertools

import pytest
import torch

from tenuto import cells
from tenuto.data.pairs.batches import PairBatch
from tenuto.data.pairs.symbols import BEGINNING, END
from tenuto.tasks.translate.network import Seq2SeqNetwork
from tenuto.tasks.translate.search import Hypothesis, beam_search, greedy_search

LONGEST = 3


def made(seed, attention="general", **options):
    torch.manual_seed(seed)
    network = Seq2SeqNetwork(
        cells.GRU(), cells.GRU(), 8, 7, embedding_size=5, hidden_size=6, encoder_size=3, attention=attention, **options
    ).eval()
    with torch.no_grad():
        network.head.output.weight.mul_(4)  # so that targets differ in probability
    return network


def sources(seed=0, count=4):
    torch.manual_seed(seed)
    return torch.randint(4, 8, (4, count)), torch.tensor([4, 1, 3, 2][:count])


def read(source, lengths):
    """A batch of sources without targets."""
    none = torch.full((1, source.shape[1]), END)
    return PairBatch(source, lengths, none, none, source.shape[1])


@torch.no_grad()
def every_target(network, source, lengths, length_penalty):
    """All targets of up to LONGEST of the symbols 4, 5, 6, best first, of a batch of one."""
    encoded, state = network.begin(read(source, lengths))
    found = []
    for length in range(LONGEST + 1):
        for numbers in itertools.product((4, 5, 6), repeat=length):
            logits = network.head.decode(torch.tensor([[BEGINNING, *numbers]]).T, encoded, state).logits[:, 0].double()
            steps = torch.log_softmax(logits, -1)
            total = sum(steps[step, number].item() for step, number in enumerate([*numbers, END]))
            found.append(Hypothesis(numbers, total, total / (length + 1) ** length_penalty))
    return sorted(found, key=lambda one: -one.score)


@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 1.0])
@pytest.mark.parametrize(
    ("attention", "feeding"), [("general", False), ("none", False), ("additive", True), ("bahdanau", False)]
)
def test_a_wide_beam_finds_what_an_exhaustive_search_finds(attention, feeding, length_penalty):
    network = made(3, attention, input_feeding=feeding)
    source, lengths = sources()
    found = beam_search(
        network.head, network.begin(read(source, lengths)), beam_size=64, n_best=10, max_length=LONGEST, length_penalty=length_penalty
    )
    for row, hypotheses in enumerate(found):
        one = source[: lengths[row], row : row + 1]
        expected = every_target(network, one, lengths[row : row + 1], length_penalty)[:10]
        assert [hypothesis.numbers for hypothesis in hypotheses] == [hypothesis.numbers for hypothesis in expected]
        for got, right in zip(hypotheses, expected):
            assert got.log_probability == pytest.approx(right.log_probability, abs=1e-4)
            assert got.score == pytest.approx(right.score, abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_a_narrow_beam_gives_targets_that_it_scores_rightly(seed):
    network = made(seed)
    source, lengths = sources(seed)
    for row, hypotheses in enumerate(beam_search(network.head, network.begin(read(source, lengths)), beam_size=3, n_best=3, max_length=LONGEST)):
        every = {one.numbers: one for one in every_target(network, source[: lengths[row], row : row + 1], lengths[row : row + 1], 1.0)}
        assert 1 <= len(hypotheses) <= 3
        assert [one.score for one in hypotheses] == sorted((one.score for one in hypotheses), reverse=True)
        assert len({one.numbers for one in hypotheses}) == len(hypotheses)
        for one in hypotheses:
            assert one.log_probability == pytest.approx(every[one.numbers].log_probability, abs=1e-4)


def test_the_rest_of_the_batch_has_no_influence():
    network = made(5)
    source, lengths = sources(5)
    together = beam_search(network.head, network.begin(read(source, lengths)), beam_size=4, n_best=2, max_length=6)
    greedy = greedy_search(network.head, network.begin(read(source, lengths)), max_length=6)
    for row in range(source.shape[1]):
        one = source[: lengths[row], row : row + 1], lengths[row : row + 1]
        alone = beam_search(network.head, network.begin(read(*one)), beam_size=4, n_best=2, max_length=6)[0]
        assert [hypothesis.numbers for hypothesis in alone] == [hypothesis.numbers for hypothesis in together[row]]
        assert greedy_search(network.head, network.begin(read(*one)), max_length=6)[0].numbers == greedy[row].numbers


@pytest.mark.parametrize("attention", ["general", "bahdanau"])
def test_greedy_takes_the_likeliest_symbol_at_each_step(attention):
    network = made(7, attention)
    source, lengths = sources(7)
    for row, hypothesis in enumerate(greedy_search(network.head, network.begin(read(source, lengths)), max_length=5)):
        encoded, state = network.begin(read(source[: lengths[row], row : row + 1], lengths[row : row + 1]))
        numbers, total = [BEGINNING], 0.0
        while numbers[-1] != END:
            with torch.no_grad():
                logits, _, state = network.head.decode(torch.tensor([[numbers[-1]]]), encoded, state)
            steps = torch.log_softmax(logits[0, 0].double(), -1)
            allowed = [END] if len(numbers) == 6 else [END, 4, 5, 6]
            numbers.append(max(allowed, key=lambda number: steps[number].item()))
            total += steps[numbers[-1]].item()
        assert hypothesis.numbers == tuple(numbers[1:-1])
        assert hypothesis.log_probability == pytest.approx(total, abs=1e-4)
        assert hypothesis.score == pytest.approx(total / (len(numbers) - 1), abs=1e-4)
