"""Columns of a long frame of series, as the cards name them."""

from __future__ import annotations

from tenuto.tasks.columns import DECIMAL, FORM
from tenuto.tasks.task import Choice

COLUMNS = "Columns of the frame"
SERIES = Choice("series_column", "unique_id", "The column that tells series apart; may be absent, where there is one.", panel=COLUMNS)
STAMP = Choice("stamp_column", "ds", "The column with the stamps: dates, or whole numbers.", panel=COLUMNS)
VALUE = Choice("y_column", "y", "The column with the values.", panel=COLUMNS)
FREQUENCY = Choice("frequency", "auto", "The step between two rows: MS, h, D, W-SUN, 15min, ..., or a whole number; auto: as the stamps say.", "--freq", panel=COLUMNS)
FILL = Choice("fill", "", "nan: a gap is filled with missing values. Default: a gap is an error.", panel=COLUMNS)
TEST_STEPS = Choice("test_steps", 0, "Values at the end of each series that are kept for the test.", panel=COLUMNS, least=0)
PANEL = (SERIES, STAMP, VALUE, FREQUENCY, FILL, *FORM, DECIMAL)
# The columns of the page's table of sets of series: heading, and key in a set's description.
SERIES_TABLE = (("series", "sequences"), ("values", "steps"), ("shortest", "length_min"), ("mean length", "length_mean"), ("longest", "length_max"), ("missing values", "missing_values"))
