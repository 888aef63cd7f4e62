"""What a validation can measure: whether higher or lower is better is looked up, never guessed."""

import pytest
import torch

from tenuto import measures
from tenuto.errors import ArgumentError
from tenuto.measures import Measure, add, measure
from tenuto.train import Loss, TrainingOptions, train
from tenuto.train.search import SearchOptions


@pytest.fixture
def own(monkeypatch):
    """A user's own measure, for one test."""
    monkeypatch.setattr(measures, "_TABLE", dict(measures._TABLE))
    return add(Measure("validation_r2", better="higher", title="R²", note="Of the validation set."))


def test_which_way_is_better():
    ways = {one.key.removeprefix("validation_"): one.better for one in measures.measures()}
    assert {name for name, better in ways.items() if better == "lower"} == {"loss", "perplexity", "rmse", "mae", "cer", "wer"}


@pytest.mark.parametrize("key", ["validation_r2", "validation_auc", "validation_recall", "validation_bleu", "train_loss", "", None])
def test_an_unknown_measure_is_an_error_wherever_it_is_named(key):
    for name in (lambda: measure(key), lambda: TrainingOptions(select_by=key), lambda: SearchOptions(metric=key)):
        with pytest.raises(ArgumentError, match="no measure"):
            name()


def test_similar_names_are_suggested():
    for key, near in (("validation_acuracy", "validation_accuracy"), ("validation_spanf1", "validation_span_f1"), ("perplexity", "validation_perplexity")):
        with pytest.raises(ArgumentError) as error:
            measure(key)
        assert error.value.fix.startswith(f"did you mean {near}?")
    with pytest.raises(ArgumentError, match=r"validation_loss \| (.|\n)*tenuto\.measures\.add"):
        measure("validation_taste")


@pytest.mark.parametrize("better, kept", [("higher", 3), ("lower", 1)])
def test_the_best_weights_can_be_chosen_by_a_users_own_measure(monkeypatch, better, kept):
    monkeypatch.setattr(measures, "_TABLE", dict(measures._TABLE))
    add(Measure("validation_fit", better=better, title="Fit"))
    values = iter([0.1, 0.5, 0.9])
    model = torch.nn.Linear(1, 1)
    outcome = train(
        model,
        TrainingOptions(epochs=3, select_by="validation_fit"),
        batches=lambda epoch: [torch.ones(1, 1)],
        loss=lambda model, batch, carried: Loss(model(batch).square().mean(), 1, None),
        validate=lambda model: {"validation_loss": 1.0, "validation_fit": next(values)},
    )
    assert outcome.best_epoch == kept


def test_a_name_has_one_meaning(own):
    assert add(own) is own and measure("validation_r2") == own
    with pytest.raises(ArgumentError, match="another measure"):
        add(Measure("validation_r2", better="lower", title="R²"))
    with pytest.raises(ArgumentError, match="validation_NAME"):
        Measure("r2", better="higher", title="R²")
    with pytest.raises(ArgumentError, match=r"higher \| lower"):
        Measure("validation_r2", better="up", title="R²")
