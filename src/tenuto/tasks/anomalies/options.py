"""The options of `AnomalyDetector`."""

from __future__ import annotations

from typing import ClassVar

from tenuto.tasks.option import NETWORK, option, options
from tenuto.tasks.pace import Pace
from tenuto.tasks.series_options import SeriesOptions

ALARMS = "Scores and alarms"
SCORES = ("tail", "nats")
THRESHOLDS = ("extreme-value", "quantile")


@options(base="last", learning_rate=3e-3, dropout=0.1)  # of a seasonal base an anomaly would come back one season later
class AnomalyOptions(SeriesOptions):
    """The options of every estimator over series, and those of `AnomalyDetector`."""

    pace: ClassVar[Pace] = Pace(steps=400, epochs=20, rows=(8, 64))

    distribution: str = option("student-t", "Of the next value: gaussian, student-t; of counts negative-binomial, zero-inflated-negative-binomial.", NETWORK)
    scored_by: str = option("tail", "The score of a step: tail, -log10 of the probability of a value as far out; nats, minus the logarithm of its density.", ALARMS, search=False)
    threshold_by: str = option("extreme-value", "How the threshold is learnt from scores of the validation part: by an extreme-value fit to the largest, or as a quantile.", ALARMS, search=False)
    rate: float = option(1e-3, "The share of normal steps that may be alarms.", ALARMS, above=0, below=1, search=False)
    buffer: int | None = option(None, "Steps around an event in which VUS-PR counts a score in part.", ALARMS, least=0, none=-1, without="a season, or 100 where there is none", answering=True, search=False)
