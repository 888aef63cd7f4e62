"""One file for each data set: a recipe that `bench/quality.py` runs.

A recipe defines:
    NAME, TITLE       the file's name in bench/results/quality/, and what is measured, in words
    METRICS           {key of the result: what it is in the table}, the most important first; METRIC, a single key, will do
    PUBLISHED         [{"what": ..., key: value, "verified": "r" | "2"}]: r, read in the source; 2, read as a quotation of it
    BASELINE          the same with "verified": "m": measured on these files; may be absent
    FOLDER            the data's folder, where its name is not that of the recipe's file
    GENERATED         True where the data is generated, so that no data folder is needed
    run(data_folder, seed, smoke=False) -> dict
                      one training run: the metrics, "parameters" (weights), "sha256" (of the data); "seconds" of training and more, if you like
"""
