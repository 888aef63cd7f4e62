"""The card of the task: what comes next in a series."""

from __future__ import annotations

from tenuto.tasks.forecast.options import ForecastOptions
from tenuto.tasks.series_columns import PANEL, SERIES_TABLE, TEST_STEPS
from tenuto.tasks.task import Choice, Task

STEPS = Choice("steps", 0, "Steps ahead; 0 for all that were learnt.", least=0)
INTERVALS = Choice("intervals", "", "Intervals in per cent, with commas between. Default: those that were learnt.")
QUANTILES = Choice("answer_quantiles", "", "Quantiles between 0 and 1, with commas between, in place of intervals.", "--answer-quantiles")
PATHS = Choice("paths", False, "Of a density: the paths that were drawn, a row for each step of each, in place of their quantiles.", "--paths")
FUTURE = Choice("future", "", "A file with what is known of the future: ids, stamps, and the columns that were named --known.")

HELP = """Learn to forecast series, with intervals.

One network learns from all series of a long table (unique_id, ds, y), and forecasts each from its own past. Missing values are left out. The
results stand beside those of simple lines: the last value, the value one season before, drift, both; in a small test also exponential smoothing.

[bold]tenuto fit forecast sales.csv --horizon 14 --test-steps 28 --out runs/sales[/bold]
[bold]tenuto fit forecast air_passengers --out runs/air[/bold]
[bold]tenuto fit forecast sales.csv --head density --distribution negative-binomial[/bold]
"""

TASK = Task(
    name="forecast",
    command="forecast",
    help=HELP,
    estimator="tenuto.tasks.forecast.estimator:Forecaster",
    options=ForecastOptions,
    data_help="A .csv, .tsv or .parquet file with a row for each series and stamp, or the name of a shipped set (air_passengers).",
    loss="mean changes of a series",
    table=SERIES_TABLE,
    page="tenuto.tasks.forecast.page:PAGE",
    splits="tenuto.tasks.series_commands:splits",
    read="tenuto.tasks.series_commands:read",
    described="tenuto.tasks.forecast.commands:described",
    said="tenuto.tasks.forecast.commands:said",
    score="tenuto.tasks.forecast.commands:score",
    predict="tenuto.tasks.forecast.commands:predict",
    columns=PANEL,
    fitting=(TEST_STEPS,),
    goes_on=True,
    asking=(STEPS, INTERVALS, QUANTILES, PATHS, FUTURE),
)
