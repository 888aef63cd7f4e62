"""The options of every task over series."""

from __future__ import annotations

from typing import ClassVar

from tenuto.tasks.estimator_options import EstimatorOptions
from tenuto.tasks.option import NETWORK, REGULARISERS, option, options
from tenuto.tasks.pace import Pace

FORECAST = "What is forecast, and from what"


@options(hidden_size=64, validation_fraction=0.1, learning_rate=1e-3)
class SeriesOptions(EstimatorOptions):
    """How series are read, and what a forecast begins from."""

    pace: ClassVar[Pace] = Pace(steps=60, epochs=20, rows=(8, 64))

    freq: str | None = option(None, "The step between two rows: MS, h, D, W-SUN, 15min, ..., or a whole number.", FORECAST, none="auto", without="as the stamps say", search=False, in_python=True)  # a command reads files with it
    season: int | None = option(None, "Steps in a season.", FORECAST, least=1, none=-1, without="as usual for the frequency: 12 months, 24 hours, 7 days")
    base: str = option(
        "auto",
        "What the network corrects: last (value), drift, mean, season (the value one season before), season-drift; auto: the one that is best on the training data.",
        FORECAST,
    )
    known: tuple[str, ...] = option((), "Columns that are known of the future, with commas between.", FORECAST, search=False)
    past: tuple[str, ...] = option((), "Columns that are known up to now.", FORECAST, search=False)
    static: tuple[str, ...] = option((), "Columns that are the same in all rows of a series.", FORECAST, search=False)
    calendar: bool = option(True, "Read hour, weekday, month off the stamps.", FORECAST, flag="--calendar/--no-calendar")
    context: int | None = option(None, "Steps of a window in training, at most.", NETWORK, typed="window", least=2, none=-1, without="of a forecaster four horizons, of a detector three seasons, 64 at least")
    dropout: float = option(0.3, "Dropout rate in the head and between layers.", REGULARISERS, least=0, below=1, search={"low": 0.0, "high": 0.5, "step": 0.05})
