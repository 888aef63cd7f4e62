"""Small models of every task, fitted once and hardly trained: what is compressed need not be good."""

from functools import cache

import torch

from tests.distill.models import asked
from tests.tasks.launched import TASKS

__all__ = ["NAMES", "answers", "as_the_reference", "asked", "fitted"]

NAMES = tuple(TASKS)


@cache
def fitted(name):
    """An estimator, and (x, y) or a text. It must not be changed."""
    model, x, y = TASKS[name]()
    more = {"translate": {"epochs": 4, "learning_rate": 0.03}, "classify": {"epochs": 6}}.get(name, {"epochs": 2})
    return model.set_params(**more).fit(x, y), (x if y is None else (x, y))


def answers(model, name):
    """What the model predicts, as a list whose parts can be compared."""
    found = model.predict(asked(name))
    return [(key, *values) for key, values in found.fillna(-1).to_dict("list").items()] if hasattr(found, "to_dict") else list(found)


def as_the_reference(layer, x, lengths):
    """Check that a layer of whole numbers gives with its engine what it gives with the reference."""
    found, state = layer(x, lengths=lengths)
    layer.engine = "reference"
    wanted, wanted_state = layer(x, lengths=lengths)
    torch.testing.assert_close(found, wanted, rtol=0, atol=2e-3)  # a number at the border between two may be rounded to either
    assert (found - wanted).abs().mean() < 2e-5
    torch.testing.assert_close(tuple(state), tuple(wanted_state), rtol=2e-3, atol=2e-3)
