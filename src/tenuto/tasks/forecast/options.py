"""The options of `Forecaster`."""

from __future__ import annotations

from tenuto.tasks.option import NETWORK, option, options
from tenuto.tasks.series_options import FORECAST, SeriesOptions

HEADS = ("quantiles", "density")


@options()
class ForecastOptions(SeriesOptions):
    """The options of every estimator over series, and those of `Forecaster`."""

    h: int = option(12, "Steps ahead: the horizon.", FORECAST, typed="horizon", least=1, search=False)
    level: tuple[float, ...] = option((80.0, 95.0), "Intervals, in per cent: 80 is from the quantile 0.1 to 0.9.", FORECAST, search=False)
    quantiles: tuple[float, ...] = option((), "More quantiles to learn, between 0 and 1.", FORECAST, search=False)
    head: str = option(
        "quantiles", "What is learnt: quantiles of all steps ahead at once, or the density of the next value, from which whole paths are drawn step by step.", NETWORK, search=False
    )
    distribution: str = option("student-t", "Of a density: gaussian, student-t; of counts negative-binomial, zero-inflated-negative-binomial.", NETWORK)
    members: int = option(1, "Networks of one run, which learn side by side from other first weights; their quantiles are averaged.", NETWORK, least=1, search=False)
    samples: int = option(200, "Of a density: paths that are drawn for each series.", NETWORK, least=2, answering=True, search=False)
