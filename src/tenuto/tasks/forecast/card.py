"""The card of the task: what comes next in a series."""

from __future__ import annotations

from tenuto.tasks.columns import DECIMAL, FORM
from tenuto.tasks.forecast.options import ForecastOptions
from tenuto.tasks.task import Choice, Task

COLUMNS = "Columns of the frame"
SERIES = Choice("series_column", "unique_id", "The column that tells series apart; may be absent, where there is one.", panel=COLUMNS)
STAMP = Choice("stamp_column", "ds", "The column with the stamps: dates, or whole numbers.", panel=COLUMNS)
VALUE = Choice("y_column", "y", "The column with the values.", panel=COLUMNS)
FILL = Choice("fill", "", "nan: a gap is filled with missing values. Default: a gap is an error.", panel=COLUMNS)
TEST_STEPS = Choice("test_steps", 0, "Values at the end of each series that are kept for the test, and forecast from several origins.", panel=COLUMNS, least=0)
STEPS = Choice("steps", 0, "Steps ahead; 0 for all that were learnt.", least=0)
INTERVALS = Choice("intervals", "", "Intervals in per cent, with commas between. Default: those that were learnt.")
QUANTILES = Choice("answer_quantiles", "", "Quantiles between 0 and 1, with commas between, in place of intervals.", "--answer-quantiles")
FUTURE = Choice("future", "", "A file with what is known of the future: ids, stamps, and the columns that were named --known.")

HELP = """Learn to forecast series, with intervals.

One network learns from all series of a long table (unique_id, ds, y), and forecasts each from its own past. Missing values are left out. The
results stand beside those of simple lines: the last value, the value one season before, drift, both; in a small test also exponential smoothing.

[bold]tenuto fit forecast sales.csv --horizon 14 --test-steps 28 --out runs/sales[/bold]
[bold]tenuto fit forecast air_passengers --out runs/air[/bold]
"""

TASK = Task(
    name="forecast",
    command="forecast",
    help=HELP,
    estimator="tenuto.tasks.forecast.estimator:Forecaster",
    options=ForecastOptions,
    data_help="A .csv, .tsv or .parquet file with a row for each series and stamp, or the name of a shipped set (air_passengers).",
    loss="mean changes of a series",
    table=(("series", "sequences"), ("values", "steps"), ("shortest", "length_min"), ("mean length", "length_mean"), ("longest", "length_max"), ("missing values", "missing_values")),
    page="tenuto.tasks.forecast.page:PAGE",
    splits="tenuto.tasks.forecast.commands:splits",
    read="tenuto.tasks.forecast.commands:read",
    described="tenuto.tasks.forecast.commands:described",
    said="tenuto.tasks.forecast.commands:said",
    score="tenuto.tasks.forecast.commands:score",
    predict="tenuto.tasks.forecast.commands:predict",
    columns=(SERIES, STAMP, VALUE, FILL, *FORM, DECIMAL),
    fitting=(TEST_STEPS,),
    goes_on=True,
    asking=(STEPS, INTERVALS, QUANTILES, FUTURE),
)
