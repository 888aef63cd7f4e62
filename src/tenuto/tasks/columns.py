"""Columns that several tasks read, and how their files are written, as the cards name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenuto.tasks.task import Choice

OF_A_TABLE, OF_A_FILE = "Columns of a table", "Columns of the file"
ID = Choice("id_column", "id", "The column that tells sequences apart.", panel=OF_A_TABLE)
TIME = Choice("time_column", "time", "The column that orders the rows of a sequence; may be absent.", panel=OF_A_TABLE)
LABEL = Choice("label_column", "label", "The column with the class.", panel=OF_A_TABLE)
SPLIT = Choice("split_column", "split", "The column that says train, validation or test; may be absent.", panel=OF_A_TABLE)
TABLE = Choice("table", "auto", "What a row of a table is: a time step (long), a sequence (wide) or a value that was measured (triplets). Default: as the names of the columns say.", panel=OF_A_TABLE)
VARIABLE = Choice("variable_column", "variable", "Of triplets, the column that says what was measured.", panel=OF_A_TABLE)
VALUE = Choice("value_column", "value", "Of triplets, the column with what came out.", panel=OF_A_TABLE)
TEXT = Choice("text_column", "text", "The column, or JSONL key, with the text.", panel=OF_A_TABLE)
CHANNELS = Choice("channels", [], "A column to use as input; repeat it for several. Default: all others.", "--channel", OF_A_TABLE)
WEIGHT = Choice("weight_column", "", "The column that says how much a row counts, in training and in scores: a number, 0 or more. Default: none, all count alike.", panel=OF_A_TABLE)
PROBABILITIES = Choice("probabilities", False, "The probability of every class, not only of the answer.", "--probabilities")
LEVELS = Choice("levels", [], "An interval for each answer, in per cent: 80; repeat it for several.", "--level")
TARGET = Choice("target_column", "target", "The column, or JSON key, with the target; without a header, its number. Of numbers to predict: several names with commas between.", panel=OF_A_FILE)
SEPARATOR = Choice("separator", "", "What separates the columns: one character, or tab, space, comma, semicolon, pipe. Default: a comma in .csv, a tab in .tsv.", panel=OF_A_FILE)
DECIMAL = Choice("decimal", ".", "The decimal mark of numbers in tables: a point or a comma.", panel=OF_A_FILE)
ENCODING = Choice("encoding", "utf-8", "How the characters of the file are encoded: utf-8, latin-1, cp1252, utf-16, ...", panel=OF_A_FILE)
HEADER = Choice("header", "auto", "Whether the first line names the columns: yes, no or auto. Without a header, columns go by their numbers, from 0.", panel=OF_A_FILE)
FORM = (SEPARATOR, ENCODING, HEADER)
# What a list says of a recording (`data/audio/manifests.py`).
OF_A_LIST = "Columns of a list of recordings"
AUDIO = Choice("audio_column", "path", "The column, or JSON key, with the path of the file.", panel=OF_A_LIST)
SPEAKER = Choice("speaker_column", "speaker", "The column with who speaks; may be absent.", panel=OF_A_LIST)
START = Choice("start_column", "start", "The column with where a recording begins in its file, in seconds; may be absent.", panel=OF_A_LIST)
END = Choice("end_column", "end", "The column with where it ends; may be absent.", panel=OF_A_LIST)
# The columns of the page's table of sets of recordings.
RECORDINGS = (("recordings", "sequences"), ("seconds", "seconds"), ("steps", "steps"), ("shortest", "length_min"), ("longest", "length_max"), ("left out", "rejected"))
# The columns of the page's table of sets of sequences: heading, and key in a set's description.
SEQUENCES = (("sequences", "sequences"), ("time steps", "steps"), ("shortest", "length_min"), ("mean length", "length_mean"), ("longest", "length_max"), ("missing values", "missing_values"))


def formed(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Choices as the readers take them: those that say how a file is written as one `Form`, `form`; the others as they are."""
    from tenuto.data.form import Form

    names = [choice.name for choice in (*FORM, DECIMAL)]
    form = Form(**{name: choices[name] for name in names if name in choices})
    return {**{name: value for name, value in choices.items() if name not in names}, "form": form}
