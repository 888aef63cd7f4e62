"""Measurements at irregular times, most of them missing: who gets worse? GRU-D beside a GRU that takes what is missing for the mean.

Makes stays of 48 hours, in which three things are measured now and then, as rows of (id, time, variable, value); learns from 240 of them, and prints how many of
200 others are told rightly. examples/data/stays.csv is made so. Takes about 20 s on one core (--small: one epoch).
"""

import sys

import numpy as np

from tenuto.data import sequences_from_columns
from tenuto.tasks import SequenceClassifier

draw = np.random.default_rng(0)
EVERY = {"heart rate": 4.0, "temperature": 8.0, "lactate": 12.0}  # hours between two measurements, on the average
COLUMNS = ("id", "time", "variable", "value", "label")


def stays(count, prefix):
    """Rows of `count` stays. Who gets worse has a rising lactate and heart rate, and lactate is measured more often. A stay in fifty has no measurement."""
    rows = []
    for number in range(count):
        worse, usual = draw.random() < 0.4, draw.normal(size=3)
        name, label, slope = f"{prefix}-{number}", "worse" if worse else "better", 0.012 if worse else -0.012
        if number % 50 == 49:
            rows.append((name, "", "", "", label))  # nothing was measured
            continue
        for variable, hours in EVERY.items():
            times = np.unique(np.cumsum(draw.exponential(hours * (0.7 if worse and variable == "lactate" else 1), 60)).round(1))
            for time in times[times < 48]:
                base = {"heart rate": 85 + 12 * usual[0] + 15 * slope * time, "temperature": 37 + 0.5 * usual[1], "lactate": 2 * np.exp(0.4 * usual[2] + slope * time)}
                noise = {"heart rate": 5, "temperature": 0.2, "lactate": 0.2}
                rows.append((name, float(time), variable, round(base[variable] + noise[variable] * draw.normal(), 2), label))
    return rows


def table(rows):
    """The rows as columns by name; a data frame or a file would do as well."""
    return dict(zip(COLUMNS, map(list, zip(*rows))))


if __name__ == "__main__":
    train, _ = sequences_from_columns(table(stays(240, "stay")))
    test, _ = sequences_from_columns(table(stays(200, "new")))
    for cell, missing in (("gru-d", "error"), ("gru", "mean")):
        model = SequenceClassifier(cell, missing=missing, hidden_size=32, epochs=1 if "--small" in sys.argv else 20).fit(train)
        print(f"{cell}: {model.score(test):.1%} of {len(test)} new stays")
