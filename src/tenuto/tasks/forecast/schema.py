"""The keys that only runs of this task have; `runs/schema.py` has the common ones, and explains the form."""

from __future__ import annotations

from tenuto.runs.schema import Key, Own
from tenuto.tasks.series_schema import SERIES, SET_OF_SERIES

_ERRORS = (
    Key("mae", "number", "mean absolute error", null=True),
    Key("mse", "number", "mean squared error", null=True),
    Key("mase", "number", "mean over series of the absolute error, in the series' mean absolute change over a season before the first forecast", null=True),
    Key("mase_steps", "number", "the same, in changes over one step", null=True),
    Key("smape", "number", "mean of |error| / (|value| + |forecast|)", null=True),
    Key("wql", "number", "weighted quantile loss, the mean over the quantiles; of a line, which has no quantiles, of its forecast as median", null=True),
)

_DRAWN = (
    Key("id", "text"),
    Key("set", "text", '"test" or "validation"'),
    Key("cutoff", "text", "the last stamp that is known"),
    Key("error", "number", "mean absolute error in changes of one step", null=True),
    Key("past", "numbers", "at most 120 steps"),
    Key("truth", "numbers"),
    Key("middle", "numbers"),
    Key("intervals", "objects", "", (Key("level", "number"), Key("low", "numbers"), Key("high", "numbers"))),
)

OWN = Own(
    preprocessing=(
        *SERIES,
        Key("conformal", "map", "by level: for each step ahead what is added to both ends of the interval, in scales", null=True),
    ),
    measures=(),
    known=SET_OF_SERIES,
    result=(
        Key("loss", "number", "that of training: in scales, the mean over values and quantiles; of a density the nats of a value, one step ahead", null=True),
        *_ERRORS,
        Key("crps", "number", "of a density: continuous ranked probability score, in units of the data", null=True, optional=True),
        Key("season", "whole", "of `mase`, in steps"),
        Key("forecasts", "whole"),
        Key("series", "whole"),
        Key("values", "whole", "that a forecast is compared with"),
        Key("without_scale", "whole", "series that are not in `mase`, since they never changed"),
        Key("coverage", "objects", "share of values within an interval", (Key("level", "number"), Key("coverage", "number", null=True), Key("by_step", "numbers"))),
        Key("mae_by_step", "numbers"),
        Key("lines", "objects", "of simple forecasts of the same values", (Key("name", "text"), *_ERRORS)),
    ),
    evaluation=(
        Key("features", "texts", "what the network reads at a step"),
        Key(
            "examples",
            "objects",
            "the last forecast of at most 4 series: the best, the worst, and between",
            _DRAWN,
        ),
        Key("cutoffs", "objects", "of the best of these and of the worst, forecasts from at most 6 origins each", _DRAWN),
        Key(
            "residuals",
            "objects",
            "what came less what was forecast, in changes of one step, by step ahead and by place in the calendar",
            (
                Key("by", "text"),
                Key("names", "texts", "of the places"),
                Key("values", "numbers", "how many there are"),
                Key("low", "numbers", "below it lies a tenth of them"),
                Key("middle", "numbers", "their median"),
                Key("high", "numbers", "above it lies a tenth of them"),
            ),
        ),
    ),
)
