"""Small models of every task, fitted once and hardly trained: what is compressed need not be good."""

from functools import cache

from tests.distill.models import asked
from tests.tasks.launched import TASKS

__all__ = ["NAMES", "asked", "fitted"]

NAMES = tuple(TASKS)


@cache
def fitted(name):
    """An estimator, and (x, y) or a text. It must not be changed."""
    model, x, y = TASKS[name]()
    more = {"translate": {"epochs": 4, "learning_rate": 0.03}, "classify": {"epochs": 6}}.get(name, {"epochs": 2})
    return model.set_params(**more).fit(x, y), (x if y is None else (x, y))
