"""Fewer units in a fitted estimator of every task: an ordinary run, which says what the whole network says where nothing read the units that went."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tenuto import cells
from tenuto.compress.fitting import fit_into
from tenuto.compress.rounds import DONE, Rounds
from tenuto.compress.scores import by_norm
from tenuto.compress.units import FewerUnits, described, finetuned_units, lesson_of, steps_to, without_units
from tenuto.errors import ArgumentError, RunError
from tenuto.networks.attention import SCORES
from tenuto.networks.pooled import PooledNetwork
from tenuto.tasks import LanguageModel
from tenuto.tasks.language.network import LanguageNetwork
from tenuto.tasks.translate.network import Seq2SeqNetwork
from tests.compress.models import NAMES, answers, fitted


@pytest.mark.parametrize("name", NAMES)
def test_every_task(name, tmp_path):
    model, data = fitted(name)
    before = copy.deepcopy(model.network_.state_dict())
    smaller = without_units(model, data, units=0.5)
    assert all(torch.equal(value, before[key]) for key, value in model.network_.state_dict().items()) and model.hidden_size == 8
    assert type(smaller) is type(model) and smaller.hidden_size == smaller.options_["hidden_size"] == 4
    assert sum(p.numel() for p in smaller.network_.parameters()) < 0.9 * sum(p.numel() for p in model.network_.parameters())
    smaller.save(tmp_path / "run")
    again = type(model).load(tmp_path / "run")
    assert answers(again, name) == answers(smaller, name)
    assert again.evaluation_["model"]["hidden_size"] == 4


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_on(name, tmp_path):
    model, data = fitted(name)
    rounds = Rounds(2 if name == "classify" else 1, tmp_path, changes={"epochs": 1})
    smaller = finetuned_units(model, data, units=0.5, rounds=rounds)
    assert (smaller.hidden_size, smaller.epochs, smaller.prepared) == (4, 1, model.prepared)
    assert np.isfinite(smaller.metrics_[-1]["validation_loss"])
    if name != "classify":
        return
    assert (tmp_path / "round-1" / DONE).is_file()
    again = finetuned_units(model, data, units=0.5, rounds=rounds)  # the first round is read, the second has its checkpoint
    for one, other in zip(smaller.network_.parameters(), again.network_.parameters()):
        assert torch.equal(one, other)
    with pytest.raises(RunError, match="something else"):
        finetuned_units(model, data, units=0.25, rounds=rounds)


def test_it_begins_with_what_counts():
    """After a step so small that nothing moves, the smaller network says what the whole one says, where nothing reads the units that went."""
    model, data = copy.deepcopy(fitted("classify"))
    with torch.no_grad():
        for name, weight in model.network_.named_parameters():
            if name.startswith("encoder.weight_hh") or name == "head.linear.weight":
                weight[:, [unit for unit in range(weight.shape[1]) if unit % 8 in (1, 3, 4, 6)]] = 0
    for score in ("norm", "taylor"):
        smaller = finetuned_units(model, data, units=0.5, score=score, rounds=Rounds(1, changes={"epochs": 1, "learning_rate": 1e-30, "weight_decay": 0.0}))
        for batch, other in zip(model.inputs(data[0]), smaller.inputs(data[0])):
            torch.testing.assert_close(smaller.forward(other), model.forward(batch), rtol=1e-5, atol=1e-6)


NETWORKS = {
    "halvings": (lambda h, e: PooledNetwork(cells.LSTM(), 3, h, 4, num_layers=2, halvings=2, pooling=("mean", "max", "last", "parts")), "classify"),
    "tied": (lambda h, e: LanguageNetwork(cells.GRU(), 9, h, num_layers=2, tied=True), "language"),
    "tied, narrow": (lambda h, e: LanguageNetwork(cells.LSTM(), 9, h, num_layers=3, tied=True, embedding_size=e), "language"),
    "tied, projected": (lambda h, e: LanguageNetwork(cells.LSTM(), 9, h, tied=True, embedding_size=e), "language"),
    "residual": (lambda h, e: LanguageNetwork(cells.PeepholeLSTM(), 9, h, num_layers=3, residual=True, embedding_size=e, zoneout=0.1), "language"),
    "adaptive": (lambda h, e: LanguageNetwork(cells.MGU(), 9, h, num_layers=2, cutoffs=(3,), embedding_size=e), "language"),
    **{
        f"{attention}{', forward' * (not both)}{', tied' * tied}": (
            lambda h, e, attention=attention, both=both, tied=tied: Seq2SeqNetwork(
                cells.LSTM(), cells.LSTM(), 9, 9, embedding_size=e, encoder_size=h // 2 if both else h, hidden_size=h, attention=attention, bidirectional=both, tied_embeddings=tied,
                input_feeding=attention == "general" and tied, decoder_input="both" if attention == "additive" else "symbol",
            ), "translate"
        )
        for attention in (*SCORES, "none", "bahdanau") for both in (True, False) for tied in (True, False)
    },
}  # fmt: skip


FEW = [name for place, name in enumerate(NETWORKS) if place < 6 or place % 3 == 0]  # every attention, and both kinds of all else


@pytest.mark.parametrize("name", [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS])
def test_every_network(name):
    """`fit_into` checks that the smaller network says what the whole one says without the units."""
    torch.manual_seed(0)
    make, task = NETWORKS[name]
    model, data = fitted(task)
    network, smaller = make(8, 5), make(4, 5)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.4)
    given = lesson_of(model, data)
    if task == "classify":
        given = (given[0]._replace(x=torch.randn(9, given[0].x.shape[1], 3), lengths=given[0].lengths.clamp(max=9)),)
    elif task == "language":
        given = (given[0]._replace(inputs=given[0].inputs % 9, targets=given[0].targets.clamp(max=8)), *given[1:])
    else:
        given = (given[0]._replace(source=given[0].source % 9, read=given[0].read % 9),)
    units = fit_into(network, smaller, given, by_norm)
    assert units >= 4


def test_what_cannot_be_is_refused():
    model, data = fitted("classify")
    for options, words in [({"units": 0}, "units"), ({"units": 1.0}, "units"), ({"units": 0.99}, "all 8 units"), ({"units": 0.5, "score": "taylor"}, "fine-tuning")]:
        with pytest.raises(ArgumentError, match=words):
            without_units(model, data, **options)
    for options, words in [({"rounds": Rounds(0)}, "rounds"), ({"rounds": Rounds(), "score": "size"}, "size")]:
        with pytest.raises(ArgumentError, match=words):
            finetuned_units(model, data, units=0.5, **options)
    text = "do re mi fa sol la si " * 6
    normed = LanguageModel(cells.LayerNormLSTM(), hidden_size=8, epochs=1, window=5).fit(text)
    with pytest.raises(ArgumentError, match="LayerNormLSTM takes the mean over its units"):
        without_units(normed, text, units=0.5)
    between = LanguageModel("gru", hidden_size=8, num_layers=2, layer_norm=True, epochs=1, window=5).fit(text)
    with pytest.raises(ArgumentError, match="a normalisation over them"):
        finetuned_units(between, text, units=0.5, rounds=Rounds(1, changes={"epochs": 1}))


def test_many_go_at_first():
    assert steps_to(100, 50, 4) == [71, 56, 51, 50] and steps_to(100, 50, 1) == [50] and steps_to(4, 2, 9) == [3, 2] and steps_to(16, 8, 2, heads=4) == [8]
    model, _ = fitted("classify")
    assert FewerUnits(model, "norm").identity != FewerUnits(model, "taylor").identity and described(model, model.evaluation_)["model"] == model.evaluation_["model"]
