"""The card of the task: one sequence of symbols into another."""

from __future__ import annotations

from tenuto.tasks.columns import FORM, OF_A_FILE, TARGET
from tenuto.tasks.task import Choice, Task
from tenuto.tasks.translate.options import TranslateOptions

HELP = """Learn to turn one sequence of symbols into another: spelling into sounds, sums into results, phrases into phrases.

An encoder, a decoder, and attention between them. A source on several lines has several right answers. The run folder holds the weights
with the lowest validation loss, all settings, one line of measurements for each validation, and report.html with what the attention read.
Ctrl-C ends training early and keeps the best so far.

[bold]tenuto fit translate words.tsv --target-unit words --beam-size 5 --out runs/sounds[/bold]
[bold]tenuto predict runs/sounds new_words.txt --beam-size 10[/bold]
"""

TASK = Task(
    name="translate",
    command="translate",
    help=HELP,
    estimator="tenuto.tasks.translate.estimator:Seq2Seq",
    options=TranslateOptions,
    data_help="Pairs, one a line: .tsv or .txt (source, tab, target), .csv, .jsonl, .json or .parquet (source, target); the sources of two parallel files; or a folder with train, valid and test of these.",
    loss="nats a token",
    table=(
        ("pairs", "sequences"),
        ("symbols read", "steps"),
        ("shortest", "length_min"),
        ("mean length", "length_mean"),
        ("longest", "length_max"),
        ("symbols written", "target_steps"),
    ),
    page="tenuto.tasks.translate.page:PAGE",
    splits="tenuto.tasks.translate.commands:splits",
    read="tenuto.tasks.translate.commands:read",
    asked="tenuto.tasks.translate.commands:asked",
    predict="tenuto.tasks.translate.commands:predict",
    described="tenuto.tasks.translate.commands:described",
    said="tenuto.tasks.translate.commands:said",
    score="tenuto.tasks.translate.commands:score",
    columns=(
        Choice("source_column", "source", "The column, or JSON key, with the source; without a header, its number.", panel=OF_A_FILE),
        TARGET,
        Choice("parallel", "", "Sources and targets stand in two files whose names differ in a word: SOURCE=TARGET, for example de=en for train.de and train.en.", panel=OF_A_FILE),
        *FORM,
    ),
    fitting=(Choice("skip_empty", False, "Leave out pairs with an empty side; otherwise they are an error.", "--skip-empty"),),
    asking=(Choice("beam_size", 0, "Answers that the search keeps at each step; 0 for the run's own number.", least=0),),
)
