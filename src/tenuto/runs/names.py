"""The names of the files in the folders of a run and of a search. Loads no torch: the commands name these files and still answer `--help` at once.

What each file holds stands in `runs/folder.py` and `runs/search_folder.py`. Three files are named where they are written: the checkpoint
in `train/checkpoint.py`, the lock in `train/lock.py` and optuna's journal in `train/search.py`.
"""

# In both folders: the options as TOML, and the page.
CONFIGURATION, REPORT = "config.toml", "report.html"

# The table of config.toml that says who taught the network of this run, and how; only where there was a teacher.
TAUGHT = "distill"

# In the folder of a run.
CONFIG, MODEL, METRICS, EVALUATION = "config.json", "model.safetensors", "metrics.jsonl", "evaluation.json"
# What the command line adds: a folder with what an interrupted run needs to go on, and in it a folder for checkpoints.
UNFINISHED, CHECKPOINTS = "unfinished", "checkpoint"

# Only while a run is written: a folder with its new files, whole, until they have taken the places of the old ones.
NEW = ".new"

# In the folder of a search: the options of the search, and its results.
SEARCH_CONFIGURATION, SEARCH_RESULTS = "search.toml", "search.json"

# In the folder of a comparison: its results.
COMPARISON = "compare.json"
