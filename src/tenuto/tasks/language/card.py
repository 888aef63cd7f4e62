"""The card of the task: what comes next in a text."""

from __future__ import annotations

from tenuto.tasks.columns import FORM, TEXT
from tenuto.tasks.language.options import LanguageOptions
from tenuto.tasks.task import Task

HELP = """Learn what comes next in a text: to write new text, and to measure how likely a text is.

A single file is one long text, read as a stream; several files, or the rows of a table, are documents, each with a beginning and an end.
The run folder holds the weights with the lowest validation loss, all settings, measurements, and report.html with samples. Ctrl-C ends
training early and keeps the best so far.

[bold]tenuto fit language plays.txt --out runs/plays[/bold]
[bold]tenuto fit language poems/*.txt --units bpe --cell gru[/bold]
[bold]tenuto fit language train.txt --validation valid.txt --test test.txt --recipe awd-lstm[/bold]
"""

TASK = Task(
    name="language",
    command="language",
    help=HELP,
    estimator="tenuto.tasks.language.estimator:LanguageModel",
    options=LanguageOptions,
    data_help="A text file; or several, each a document; or a .jsonl, .json, .csv, .tsv or .parquet file with one document in each row; "
    "or a folder with train.txt, valid.txt, test.txt.",
    loss="nats a token",
    table=(("documents", "sequences"), ("tokens", "steps"), ("characters", "characters")),
    page="tenuto.tasks.language.page:PAGE",
    splits="tenuto.tasks.language.commands:splits",
    read="tenuto.tasks.language.commands:read",
    asked="tenuto.tasks.language.commands:asked",
    write="tenuto.tasks.language.commands:write",
    described="tenuto.tasks.language.commands:described",
    said="tenuto.tasks.language.commands:said",
    score="tenuto.tasks.language.commands:score",
    after_fit="tenuto.tasks.language.commands:after_fit",
    columns=(TEXT, *FORM),
    many=True,
    recipe="tenuto.tasks.language.recipes:recipe",
    recipes=("awd-lstm",),
)
