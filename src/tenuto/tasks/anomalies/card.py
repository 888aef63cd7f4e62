"""The card of the task: what is strange in a series."""

from __future__ import annotations

from tenuto.tasks.anomalies.options import AnomalyOptions
from tenuto.tasks.series_columns import COLUMNS, PANEL, SERIES_TABLE, TEST_STEPS
from tenuto.tasks.task import Choice, Task

KNOWN = Choice("anomaly_column", "anomaly", "The column that says which rows are anomalies, 0 or 1; need not be there.", panel=COLUMNS)
ONLY = Choice("only_alarms", False, "Only the rows whose score is above the threshold.", "--only-alarms")

HELP = """Learn what is usual in series, and score each step by how strange it is.

A network forecasts the density of each value from those before it. The score of a step is how far out its value lies: 3 is as far out as one of a
thousand. The threshold is learnt from what is held out of training. Anomalies need not be known; where a column says which rows are some, results
say how well they are found, beside what chance finds.

[bold]tenuto fit anomalies sensors.csv --test-steps 500 --out runs/sensors[/bold]
[bold]tenuto predict runs/sensors today.csv --only-alarms[/bold]
"""

TASK = Task(
    name="anomalies",
    command="anomalies",
    help=HELP,
    estimator="tenuto.tasks.anomalies.estimator:AnomalyDetector",
    options=AnomalyOptions,
    data_help="A .csv, .tsv or .parquet file with a row for each series and stamp, or the name of a shipped set (air_passengers).",
    loss="nats a value",
    table=SERIES_TABLE,
    page="tenuto.tasks.anomalies.page:PAGE",
    splits="tenuto.tasks.anomalies.commands:splits",
    read="tenuto.tasks.anomalies.commands:read",
    described="tenuto.tasks.anomalies.commands:described",
    said="tenuto.tasks.anomalies.commands:said",
    score="tenuto.tasks.anomalies.commands:score",
    predict="tenuto.tasks.anomalies.commands:predict",
    columns=(*PANEL, KNOWN),
    fitting=(TEST_STEPS,),
    asking=(ONLY,),
)
