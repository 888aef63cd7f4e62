"""The card of the task: a number, or several, for each whole sequence."""

from __future__ import annotations

from tenuto.tasks.columns import CHANNELS, DECIMAL, FORM, ID, LEVELS, SEQUENCES, SPLIT, TABLE, TARGET, TIME, VALUE, VARIABLE, WEIGHT
from tenuto.tasks.regress.options import RegressOptions
from tenuto.tasks.task import Task

HELP = """Learn to predict a number, or several, for each whole sequence, with intervals.

Sequences may have any lengths and any number of channels. The run folder holds the weights of the epoch with the lowest validation error, all
settings, one line of measurements for each epoch, and report.html. Ctrl-C ends training early and keeps the best so far.

[bold]tenuto fit regress batteries.csv --target-column cycles_left --out runs/batteries[/bold]
[bold]tenuto fit regress Covid3Month_TRAIN.ts --cell gru[/bold]
"""

TASK = Task(
    name="regress",
    command="regress",
    help=HELP,
    estimator="tenuto.tasks.regress.estimator:SequenceRegressor",
    options=RegressOptions,
    data_help="A .ts, .arff, .csv, .tsv, .txt, .parquet or .npz file, or a folder of *_TRAIN and *_TEST files.",
    loss="nats a target",
    table=SEQUENCES,
    page="tenuto.tasks.regress.page:PAGE",
    splits="tenuto.tasks.channel_commands:splits",
    read="tenuto.tasks.channel_commands:read",
    asked="tenuto.tasks.channel_commands:asked",
    predict="tenuto.tasks.regress.commands:predict",
    described="tenuto.tasks.regress.commands:described",
    said="tenuto.tasks.regress.commands:said",
    score="tenuto.tasks.regress.commands:score",
    columns=(ID, TIME, TARGET, SPLIT, WEIGHT, CHANNELS, TABLE, VARIABLE, VALUE, *FORM, DECIMAL),
    asking=(LEVELS,),
)
