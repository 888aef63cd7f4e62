"""The card of the task: which class a text belongs to."""

from __future__ import annotations

from tenuto.tasks.columns import FORM, LABEL, PROBABILITIES, TEXT
from tenuto.tasks.task import Task
from tenuto.tasks.text.options import TextOptions

HELP = """Learn which class a text belongs to: topics, opinions, intents.

Texts are cut into words and punctuation marks; words, their characters and their case are read. The run folder holds the weights of the epoch with
the lowest validation loss, all settings, one line of measurements for each epoch, and report.html. Ctrl-C ends training early and keeps the
best so far.

[bold]tenuto fit text reviews.jsonl --out runs/reviews[/bold]
[bold]tenuto fit text train.csv --test test.csv --text-column body --label-column topic[/bold]
"""

TASK = Task(
    name="classify-text",
    command="text",
    help=HELP,
    estimator="tenuto.tasks.text.estimator:TextClassifier",
    options=TextOptions,
    data_help="Texts with a label each: .jsonl, .json, .csv, .tsv, .parquet, or .txt as fastText reads it; or a folder with train, valid and test of one of these.",
    loss="nats a text",
    table=(("texts", "sequences"), ("words", "steps"), ("shortest", "length_min"), ("mean length", "length_mean"), ("longest", "length_max")),
    page="tenuto.tasks.text.page:PAGE",
    splits="tenuto.tasks.text.commands:splits",
    read="tenuto.tasks.text.commands:read",
    asked="tenuto.tasks.text.commands:asked",
    predict="tenuto.tasks.text.commands:predict",
    described="tenuto.tasks.answers:token_network_said",
    said="tenuto.tasks.text.commands:said",
    score="tenuto.tasks.text.commands:score",
    columns=(TEXT, LABEL, *FORM),
    asking=(PROBABILITIES,),
)
