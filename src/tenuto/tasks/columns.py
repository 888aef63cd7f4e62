"""Columns that several tasks read, as their cards name them."""

from __future__ import annotations

from tenuto.tasks.task import Choice

OF_A_TABLE, OF_A_FILE = "Columns of a table", "Columns of the file"
ID = Choice("id_column", "id", "The column that tells sequences apart.", panel=OF_A_TABLE)
TIME = Choice("time_column", "time", "The column that orders the rows of a sequence; may be absent.", panel=OF_A_TABLE)
LABEL = Choice("label_column", "label", "The column with the class.", panel=OF_A_TABLE)
SPLIT = Choice("split_column", "split", "The column that says train, validation or test; may be absent.", panel=OF_A_TABLE)
TEXT = Choice("text_column", "text", "The column, or JSONL key, with the text.", panel=OF_A_TABLE)
CHANNELS = Choice("channels", [], "A column to use as input; repeat it for several. Default: all others.", "--channel", OF_A_TABLE)
PROBABILITIES = Choice("probabilities", False, "The probability of every class, not only of the answer.", "--probabilities")
