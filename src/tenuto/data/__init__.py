"""Data sets: read, checked, split, standardised and cut into batches.

In: files (tables, JSON, `.ts`, `.arff`, npz, CoNLL, lines; also compressed) or arrays. Out: `Sequences`, `Sentences` or `Pairs`, and `Batch`es of `x [T, B, C]`
with lengths; or tokens, and `Streams` of windows; or a `Panel` of series in time; or `Recordings` of sound.
Each family of data has a folder: sequences (numbers), series (numbers in time), sentences (tokens), text (a stream), pairs, audio (sound); they do not import each other. What they share stands
beside them: source.py; compressed.py, form.py (how a file is written) → decode.py → delimited.py, json_rows.py, parquet.py, arrow.py → rows.py (tables from files);
frame.py (tables and columns in memory), parts.py (which file is which), counts.py, labels.py, weights.py, split.py.
May import the rooms above: `errors`, `files`, `process`. Parquet needs pyarrow, which is imported where it is used; nothing here is ever unpickled.
"""

from tenuto.data.audio.read import read_recording_splits, read_recordings
from tenuto.data.audio.recordings import Recordings
from tenuto.data.audio.wave import Wave
from tenuto.data.form import Form
from tenuto.data.labels import Labels
from tenuto.data.pairs.pairs import Pairs
from tenuto.data.pairs.parallel import read_parallel
from tenuto.data.pairs.read import Sides, read_pair_splits, read_pairs
from tenuto.data.parts import SPLITS, Parts
from tenuto.data.sentences.conll import read_conll, read_slots, read_tagged, read_tagged_splits
from tenuto.data.sentences.labelled_text import read_labelled_text, read_labelled_text_splits
from tenuto.data.sentences.sentences import Sentences
from tenuto.data.sentences.words import tokenise
from tenuto.data.sequences.batches import Batch, bucketed_batches, collate
from tenuto.data.sequences.columns import Columns
from tenuto.data.sequences.read import read_parts, read_sequences, read_splits
from tenuto.data.sequences.sequences import Sequences
from tenuto.data.sequences.standardise import Standardiser
from tenuto.data.sequences.table import sequences_from_columns
from tenuto.data.series.panel import Panel
from tenuto.data.series.read import read_panel
from tenuto.data.series.table import Names
from tenuto.data.source import Source
from tenuto.data.split import random_split, stratified_split
from tenuto.data.text.streams import IGNORED, RandomWindows, Streams, Window

__all__ = [
    "IGNORED",
    "SPLITS",
    "Batch",
    "Columns",
    "Form",
    "Labels",
    "Names",
    "Pairs",
    "Panel",
    "Parts",
    "RandomWindows",
    "Recordings",
    "Sentences",
    "Sequences",
    "Sides",
    "Source",
    "Standardiser",
    "Streams",
    "Wave",
    "Window",
    "bucketed_batches",
    "collate",
    "random_split",
    "read_conll",
    "read_labelled_text",
    "read_labelled_text_splits",
    "read_pair_splits",
    "read_pairs",
    "read_panel",
    "read_parallel",
    "read_parts",
    "read_recording_splits",
    "read_recordings",
    "read_sequences",
    "read_slots",
    "read_splits",
    "read_tagged",
    "read_tagged_splits",
    "sequences_from_columns",
    "stratified_split",
    "tokenise",
]
