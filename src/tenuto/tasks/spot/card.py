"""The card of the task: keywords in a stream of sound."""

from __future__ import annotations

from tenuto.tasks.columns import AUDIO, END, FORM, LABEL, RECORDINGS, SPEAKER, SPLIT, START
from tenuto.tasks.spot.options import SpotOptions
from tenuto.tasks.task import Task

HELP = """Learn to tell keywords in a stream of sound as they are said (keyword spotting).

DATA is a list of sound files with labels, or a folder whose folders are the labels: recordings of each keyword, and of what is none, labelled other, background, noise, silence or unknown; or any, where the
keywords are named (--keywords). Threshold and boost of each keyword are fitted on the validation part. The run folder holds the weights with the lowest validation loss, all settings, one line of
measurements for each epoch, and report.html. Ctrl-C ends training early and keeps the best so far.

[bold]tenuto fit spot spoken_digits --keywords 3,7 --out runs/spotter[/bold]
[bold]arecord -f S16_LE -r 8000 -t raw | tenuto spot runs/spotter - --rate 8000[/bold]
"""

TASK = Task(
    name="spot",
    command="spot",
    help=HELP,
    estimator="tenuto.tasks.spot.estimator:Spotter",
    options=SpotOptions,
    data_help="A .csv, .tsv, .jsonl or .parquet list (path, label), a folder of folders of sound files, a Kaldi folder, or the name of a shipped set (spoken_digits).",
    loss="nats a recording",
    table=RECORDINGS,
    page="tenuto.tasks.spot.page:PAGE",
    splits="tenuto.tasks.audio_commands:splits",
    read="tenuto.tasks.audio_commands:read",
    asked="tenuto.tasks.audio_commands:asked",
    predict="tenuto.tasks.spot.commands:predict",
    described="tenuto.tasks.spot.commands:described",
    said="tenuto.tasks.spot.commands:said",
    score="tenuto.tasks.spot.commands:score",
    columns=(AUDIO, LABEL, SPEAKER, START, END, SPLIT, *FORM),
    after_fit="tenuto.tasks.audio_commands:rejected",
    spots=True,
)
