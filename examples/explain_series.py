"""Which sensor, and when? Exact contributions of each channel at each step, on made data with a known answer.

Four sensors, 60 steps of noise; where something is wrong, "pressure" shows a short bump at some time, and that is all that tells. Prints how often the model is right and how often
the cell with the largest contribution lies in the bump, checks that a network with random weights does not find it, and writes explain_series.html.
Takes about 20 s on one core (--small: a few items).
"""

import copy
import sys

import numpy as np
import torch

import tenuto
from tenuto.data import Sequences
from tenuto.tasks import SequenceClassifier

SENSORS = ["temperature", "pressure", "flow", "vibration"]
small = "--small" in sys.argv
rng = np.random.default_rng(0)


def recordings(count: int) -> tuple[Sequences, np.ndarray]:
    """Series [60, 4], labelled fine or wrong, and where the bump of 6 steps begins."""
    series, starts = [rng.normal(size=(60, 4)) for _ in range(count)], rng.integers(5, 50, count)
    labels = ["wrong" if number % 2 else "fine" for number in range(count)]
    for one, label, start in zip(series, labels, starts):
        one[start : start + 6, 1] += 3.0 * (label == "wrong")
    return Sequences(series, labels, channels=SENSORS), starts


new, starts = recordings(40)
model = SequenceClassifier("gru", hidden_size=32, epochs=1 if small else 30, random_state=0).fit(recordings(60 if small else 600)[0])
print(f"right: {model.score(new):.0%} of {len(new)}")
wrong = np.arange(1, 40, 2)


def hits(model: SequenceClassifier) -> str:
    """How often the largest contribution to "wrong" lies in the bump."""
    found = tenuto.explain(model, new.select(wrong), target="wrong", method="contributions")
    places = [np.unravel_index(np.abs(item.values).argmax(), item.values.shape) for item in found]
    return f"{np.mean([sensor == 1 and 0 <= step - starts[number] < 6 for (step, sensor), number in zip(places, wrong)]):.0%}"


print("largest contribution in the bump:", hits(model))
untrained = copy.deepcopy(model)
for weight in untrained.network_.parameters():
    torch.nn.init.normal_(weight, std=0.3)
print("the same with random weights:", hits(untrained))

found = tenuto.explain(model, new.select(wrong[:3]), target="wrong", method="contributions")
print(f"not explained: at most {max(abs(item.gap) for item in found):.1g} of answers such as {found[0].prediction:.2f}")
found.to_html("explain_series.html", title="What is wrong, and when?")
print("page: explain_series.html")
