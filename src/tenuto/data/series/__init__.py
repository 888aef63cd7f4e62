"""Series: numbers that are measured in equal steps of time, many of them at once (a panel), with what is known besides.

In: long frames (`unique_id, ds, y`) of pandas or polars, CSV, Parquet. Out: a `Panel`; its `Measures` (what is known of a series at each step,
from what came before alone); windows of it. `frequency.py` (stamps) → `table.py` (columns of a frame) → `panel.py` → `read.py`; `running.py` → `features.py` → `windows.py`.
Dates need pandas (`pip install 'tenuto[series]'`), which is imported where it is used.
"""
