"""The card of the task: a tag for each token, and a label for the sentence."""

from __future__ import annotations

from tenuto.tasks.columns import FORM, OF_A_FILE
from tenuto.tasks.tag.options import TagOptions
from tenuto.tasks.task import Choice, Task

HELP = """Learn a tag for each word: parts of speech, names, slots; and the class of the sentence where it has one.

Tags like B-city, I-city and O mark spans, which are scored as the CoNLL script scores them; --tag-scheme names other schemes. In a folder with a file `label`, slots and
intents are learnt together. The run folder holds the weights of the epoch with the lowest validation loss, all settings, one line of
measurements for each epoch, and report.html. Ctrl-C ends training early and keeps the best so far.

[bold]tenuto fit tag data/snips --out runs/slots[/bold]
[bold]tenuto fit tag train.conll --validation dev.conll --test test.conll --cell gru --no-crf[/bold]
"""

TASK = Task(
    name="tag",
    command="tag",
    help=HELP,
    estimator="tenuto.tasks.tag.estimator:Tagger",
    options=TagOptions,
    data_help="A file with one token a line (CoNLL, CoNLL-U, TSV), a folder with seq.in, seq.out and label, or a folder of such parts (train, valid, test).",
    loss="nats a sentence",
    table=(("sentences", "sequences"), ("words", "steps"), ("shortest", "length_min"), ("mean length", "length_mean"), ("longest", "length_max")),
    page="tenuto.tasks.tag.page:PAGE",
    splits="tenuto.tasks.tag.commands:splits",
    read="tenuto.tasks.tag.commands:read",
    asked="tenuto.tasks.tag.commands:asked",
    predict="tenuto.tasks.tag.commands:predict",
    described="tenuto.tasks.answers:token_network_said",
    said="tenuto.tasks.tag.commands:said",
    score="tenuto.tasks.tag.commands:score",
    columns=(
        Choice("token_column", 0, "The column with the token, counted from 0; negative numbers count from the end. Default: the first; in CoNLL-U, FORM.", panel=OF_A_FILE),
        Choice("tag_column", -1, "The column with the tag, counted alike. Default: the last; in CoNLL-U, UPOS.", panel=OF_A_FILE),
        Choice(
            "layout",
            "auto",
            "What a file holds: tokens (one on each line), sentences (one on each line, words between spaces) or text (one raw text on each line). Default: tokens.",
            "--format",
            OF_A_FILE,
        ),
        *FORM,
    ),
    writers={".conll": "tenuto.tasks.tag.commands:conll"},
)
