"""The card of the task: what is said in a recording."""

from __future__ import annotations

from tenuto.tasks.columns import AUDIO, END, FORM, RECORDINGS, SPEAKER, SPLIT, START, TEXT
from tenuto.tasks.task import Choice, Task
from tenuto.tasks.transcribe.options import TranscribeOptions

HELP = """Learn to write down what is said.

DATA is a list of sound files with their transcripts. The network reads features of sound and writes characters (CTC); read forward only, it writes a live stream as it writes files. A recording that cannot
be read, or is too short for its transcript, is left out, with its reason. The run folder holds the weights with the lowest character error rate on the validation part, all settings, one line of
measurements for each validation, and report.html. Ctrl-C ends training early and keeps the best so far.

[bold]tenuto fit transcribe spoken_digits --out runs/spoken[/bold]
[bold]tenuto transcribe runs/spoken calls/0001.wav calls/0002.flac[/bold]
"""
WIDTH = Choice("beam_size", 0, "Answers that the search keeps at each step; 0 for the run's own number.", least=0)

TASK = Task(
    name="transcribe",
    command="transcribe",
    help=HELP,
    estimator="tenuto.tasks.transcribe.estimator:Transcriber",
    options=TranscribeOptions,
    data_help="A .csv, .tsv, .jsonl or .parquet list (path, text), NeMo or lhotse JSON lines, a Kaldi folder, or the name of a shipped set (spoken_digits).",
    loss="nats a recording",
    table=RECORDINGS,
    page="tenuto.tasks.transcribe.page:PAGE",
    splits="tenuto.tasks.audio_commands:splits",
    read="tenuto.tasks.audio_commands:read",
    asked="tenuto.tasks.audio_commands:asked",
    predict="tenuto.tasks.transcribe.commands:predict",
    described="tenuto.tasks.transcribe.commands:described",
    said="tenuto.tasks.transcribe.commands:said",
    score="tenuto.tasks.transcribe.commands:score",
    columns=(AUDIO, TEXT, SPEAKER, START, END, SPLIT, *FORM),
    asking=(WIDTH,),
    after_fit="tenuto.tasks.transcribe.commands:after_fit",
    listens=True,
)
