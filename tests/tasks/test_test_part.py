"""A test part that cannot be scored is refused before training, not after it."""

import numpy as np
import pytest

from tenuto.data import Sequences
from tenuto.errors import DataError, ShapeError
from tenuto.tasks import SequenceClassifier, SequenceRegressor

VALUES = [np.full((4, 2), float(number % 2)) for number in range(20)]
ANSWERS = {SequenceClassifier: {"labels": ["low", "high"] * 10}, SequenceRegressor: {"targets": [0.0, 1.0] * 10}}


class Untrained:
    """An observer that must not hear of a step."""

    def __getattr__(self, name):
        def heard(*given, **named):
            raise AssertionError(f"training had begun: {name}")

        return heard


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize(("values", "channels"), [(VALUES, ["a", "c"]), ([one[:, :1] for one in VALUES], ["a"])], ids=["another channel", "one channel too few"])
def test_other_channels_than_in_training(kind, values, channels):
    model = kind(hidden_size=4, num_layers=1, epochs=1, random_state=0, engine="reference")
    train, test = Sequences(VALUES, channels=["a", "b"], **ANSWERS[kind]), Sequences(values, channels=channels, **ANSWERS[kind])
    with pytest.raises((DataError, ShapeError), match="the test part"):
        model.fit(train, test=test, observers=[Untrained()])
    assert not hasattr(model, "network_")
