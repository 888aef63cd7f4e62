"""Loss by memory: what it estimates, that its band holds the truth as often as it says, and that it costs little."""

import math

import numpy as np
import pytest
import torch

from tenuto.tasks import LanguageModel
from tenuto.tasks.language.memory import MOST_WINDOWS, TIMES_THE_TEXT, loss_by_memory
from tenuto.tasks.language.scores import POSITIONS, carried_nats, window_nats

TEXT = "the cat sat on the mat. the dog sat on the log. " * 30


class Forgetful(torch.nn.Module):
    """Stands for a network: a token's loss is its own hardness, and more where little was read. Neighbouring tokens are alike in both."""

    def __init__(self, amount: int, seed: int) -> None:
        super().__init__()
        random = np.random.default_rng(seed)
        smooth = np.ones(9) / 3
        self.hardness = 3 + np.convolve(random.normal(size=amount), smooth, "same")
        self.need = np.exp(0.5 * np.convolve(random.normal(size=amount), smooth, "same"))
        self.read = 0

    def forward(self, window):
        places = window.inputs.numpy()  # the tokens of the text are numbered from 0
        self.read += places.size
        return Nats(torch.from_numpy(self.hardness[places] + self.need[places] * extra(np.arange(1, len(places) + 1))[:, None]))


class Nats:
    def __init__(self, nats):
        self.nats = nats


def extra(memory):
    """What is lost, on average over tokens whose need is 1, when this many tokens were read."""
    return 2.0 / np.sqrt(memory)


def found(amount, *, seed=0, longest=256, starts=None):
    network = Forgetful(amount, seed)
    nats = network.hardness[: amount - 1]  # with the state carried, nothing is lost
    return network, nats, loss_by_memory(network, np.arange(amount), nats, starts, longest=longest)


def test_the_band_holds_the_truth_as_often_as_it_says():
    """Over 60 texts, where the truth is the mean need of all tokens of all texts: 95 % of the bands hold it, and few tokens would not do."""
    inside, middle = [], []
    need = float(np.mean([Forgetful(4000, seed).need.mean() for seed in range(60)]))
    for seed in range(60):
        _, nats, curve = found(4000, seed=seed)
        for before, place, low, loss, high in zip([0, *curve["position"]], curve["position"], curve["low"], curve["loss"], curve["high"]):
            truth = nats.mean() + need * extra(np.arange(before + 1, place + 1)).mean()
            inside.append(low <= truth <= high)
            middle.append((loss - truth) / truth)
    assert 0.88 <= np.mean(inside) <= 0.995
    assert abs(np.mean(middle)) < 0.01 and np.std(middle) < 0.05


def test_differences_on_the_same_tokens_have_less_noise_than_means():
    """As it was before: the mean loss at each place of windows that follow one another."""
    noisy, quiet = [], []
    for seed in range(20):
        network, nats, curve = found(3072, seed=seed)
        table = window_nats(network, np.arange(3072), window=256)
        truth = np.array([nats.mean() + network.need.mean() * extra(place) for place in (1, 2, 3, 4)])
        noisy.append(np.nanmean(table[:, :4], axis=0) - truth)
        quiet.append(np.array(curve["loss"][:4]) - truth)
    assert np.std(quiet) < np.std(noisy) / 2


@pytest.mark.parametrize("amount", [40, 500, 3000, 20_000, 400_000])
def test_it_costs_little(amount):
    network, _, curve = found(amount)
    assert network.read <= min(MOST_WINDOWS * 256, TIMES_THE_TEXT * amount) and curve["windows"] <= MOST_WINDOWS
    assert curve["position"][-1] == max(place for place in POSITIONS if place <= min(256, (amount - 1) // 12)) and 10 <= curve["stretches"] <= 32
    assert all(low <= loss <= high for low, loss, high in zip(curve["low"], curve["loss"], curve["high"]))


def test_a_text_that_is_too_short_has_no_curve():
    assert all(found(amount)[2] is None for amount in (2, 3, 12, 24))


def test_documents_count_up_to_their_ends():
    """A window that begins with a document forgets nothing, and what stands in the next document was not forgotten either."""
    starts = np.arange(0, 3000, 30)
    network, nats, curve = found(3000, starts=starts)
    assert curve["position"] == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]  # a window may begin with the second token of a document, so 29 are the most
    short = found(3000, starts=np.arange(0, 3000, 4))[2]
    assert short["position"] == [1, 2, 3]


def test_a_model_s_curve_is_that_of_all_windows():
    model = LanguageModel("gru", hidden_size=16, num_layers=1, window=20, batch_size=4, epochs=8, learning_rate=1e-2, dropout=0.0, output_dropout=0.0).fit(TEXT)
    result = model.evaluate(TEXT)
    curve, tokens = result["memory"], model.vocabulary_.encode(TEXT)
    longest = (len(tokens) - 1) // 12
    begins = np.arange(longest, len(tokens) - longest)
    every = window_nats(model.network_, tokens, window=longest, begins=begins) - carried_nats(model.network_, tokens)[begins[:, None] + np.arange(longest)]
    for before, place, low, high in zip([0, *curve["position"]], curve["position"], curve["low"], curve["high"]):
        assert low - 0.01 <= result["loss"] + every[:, before:place].mean() <= high + 0.01
    assert curve["loss"][0] > curve["loss"][-1] >= result["loss"] - 0.05
    assert curve["without"] > curve["loss"][0] and curve["without"] < math.log(len(model.counts_)) + 0.1


def test_a_saved_model_knows_how_often_its_symbols_were(tmp_path):
    model = LanguageModel("gru", hidden_size=8, num_layers=1, window=20, batch_size=4, epochs=1).fit(TEXT)
    again = LanguageModel.load(model.save(tmp_path / "run"))
    assert again.counts_.tolist() == model.counts_.tolist()
    assert again.evaluate(TEXT)["memory"] == model.evaluate(TEXT)["memory"]
    assert "memory" not in model.evaluate(TEXT, windows=())


def test_the_loss_with_nothing_read_is_that_of_the_counts(tmp_path):
    from tenuto.tasks.language.memory import _without

    assert _without(np.array([0, 1, 1]), np.array([0, 2])) == pytest.approx(-math.log(3 / 4))
