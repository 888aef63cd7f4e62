"""The card of the task: which class a whole sequence belongs to."""

from __future__ import annotations

from tenuto.tasks.classify.options import ClassifyOptions
from tenuto.tasks.columns import CHANNELS, DECIMAL, FORM, ID, LABEL, PROBABILITIES, SEQUENCES, SPLIT, TABLE, TIME, VALUE, VARIABLE, WEIGHT
from tenuto.tasks.task import Task

HELP = """Learn which class a whole sequence belongs to.

Sequences may have any lengths and any number of channels. The run folder holds the weights of the epoch with the highest
validation accuracy, all settings, one line of measurements for each epoch, and report.html. Ctrl-C ends training early and keeps the best so far.

[bold]tenuto fit classify japanese_vowels --out runs/vowels[/bold]
[bold]tenuto fit classify walks.csv --test later_walks.csv --cell gru --cell-field activation=relu[/bold]
"""

TASK = Task(
    name="classify",
    command="classify",
    help=HELP,
    estimator="tenuto.tasks.classify.estimator:SequenceClassifier",
    options=ClassifyOptions,
    data_help="A .ts, .arff, .csv, .tsv, .txt, .parquet or .npz file, a folder of *_TRAIN and *_TEST files, or the name of a shipped set (japanese_vowels).",
    loss="nats a sequence",
    table=SEQUENCES,
    page="tenuto.tasks.classify.page:PAGE",
    splits="tenuto.tasks.channel_commands:splits",
    read="tenuto.tasks.channel_commands:read",
    asked="tenuto.tasks.channel_commands:asked",
    predict="tenuto.tasks.classify.commands:predict",
    described="tenuto.tasks.classify.commands:described",
    said="tenuto.tasks.classify.commands:said",
    score="tenuto.tasks.classify.commands:score",
    columns=(ID, TIME, LABEL, SPLIT, WEIGHT, CHANNELS, TABLE, VARIABLE, VALUE, *FORM, DECIMAL),
    asking=(PROBABILITIES,),
)
