"""Small teachers of every task, fitted once, with their data."""

from functools import cache

from tenuto.tasks.taught import Taught
from tests.tasks.launched import TASKS

NAMES = tuple(name for name, make in TASKS.items() if type(make()[0]).choices is not Taught.choices)  # those whose answers are choices: the others have nothing to teach


@cache
def fitted(name):
    """An estimator, and (x, y) or a text. It must not be changed."""
    model, x, y = TASKS[name]()
    more = {"translate": {"epochs": 40, "learning_rate": 0.03}}.get(name, {"epochs": 6})
    return model.set_params(**more).fit(x, y), (x if y is None else (x, y))


def asked(name):
    """What the model can predict for."""
    data = fitted(name)[1]
    return data[0] if isinstance(data, tuple) else ["do re", "mi"] if isinstance(data, str) else data
