"""The card of the task: which class a recording belongs to."""

from __future__ import annotations

from tenuto.tasks.columns import AUDIO, END, FORM, LABEL, PROBABILITIES, RECORDINGS, SPEAKER, SPLIT, START
from tenuto.tasks.sounds.options import SoundOptions
from tenuto.tasks.task import Task

HELP = """Learn which class a recording belongs to: which word is said, who speaks, what happens.

DATA is a list of sound files with their classes, or a folder whose folders are the classes. A recording that cannot be read is left out, with its reason. The run folder holds the weights of the epoch
with the highest validation accuracy, all settings, one line of measurements for each epoch, and report.html. Ctrl-C ends training early and keeps the best so far.

[bold]tenuto fit sounds spoken_digits --out runs/digits[/bold]
[bold]tenuto fit sounds recordings.csv --label-column speaker --cell gru[/bold]
"""

TASK = Task(
    name="sounds",
    command="sounds",
    help=HELP,
    estimator="tenuto.tasks.sounds.estimator:AudioClassifier",
    options=SoundOptions,
    data_help="A .csv, .tsv, .jsonl or .parquet list (path, label), a folder of folders of sound files, a Kaldi folder, or the name of a shipped set (spoken_digits).",
    loss="nats a recording",
    table=RECORDINGS,
    page="tenuto.tasks.sounds.page:PAGE",
    splits="tenuto.tasks.audio_commands:splits",
    read="tenuto.tasks.audio_commands:read",
    asked="tenuto.tasks.audio_commands:asked",
    predict="tenuto.tasks.sounds.commands:predict",
    described="tenuto.tasks.sounds.commands:described",
    said="tenuto.tasks.sounds.commands:said",
    score="tenuto.tasks.sounds.commands:score",
    columns=(AUDIO, LABEL, SPEAKER, START, END, SPLIT, *FORM),
    asking=(PROBABILITIES,),
    after_fit="tenuto.tasks.audio_commands:rejected",
)
