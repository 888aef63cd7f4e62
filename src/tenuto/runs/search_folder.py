"""The folder of a search: what `tenuto tune` leaves behind, as plain files.

    RUN/
      search.toml     the options of the command, for `tenuto tune --resume RUN`; [search] is what is searched
      config.toml     the options of the best trial, for `tenuto fit --from RUN`
      search.json     all that the page shows, as plain data; written again after each trial
      journal.jsonl   optuna's own record, from which a search goes on (`tenuto.train.search`)
      report.html     made from search.json

search.json
    format        "tenuto search"          format_version   1
    tenuto        version that wrote it    created          "2026-01-31T12:00:00Z", when this file was written
    task, title, cell                      title is the name of the data
    data          {sha256: digest of the files that were read}
    options       {name: value} of the options that are not searched
    base          {name: value} of the searched options: the values that they would have without a search
    metric        as in metrics.jsonl      direction        "minimise" | "maximise"
    space         {option: [values] | {low, high, log, step}}
    wanted        how many trials          stopped          "all trials" | "time limit" | "interrupted" | "every combination was tried" | "not yet"
    best          number of the best trial, or null
    importance    {option: share}, or {}
    trials        [{number, state: "complete" | "pruned" | "diverged" | "interrupted", options, value, best_epoch, seconds, reason,
                    curve: [metric at each validation]}]  an interrupted trial has the same number as the trial after it
    machine, versions
"""

from __future__ import annotations

from tenuto.runs.names import CONFIGURATION, REPORT, SEARCH_CONFIGURATION, SEARCH_RESULTS
from tenuto.runs.trainings import Trainings
from tenuto.train.search import JOURNAL

SEARCHES = Trainings(
    "search", SEARCH_RESULTS, 1, goes_on=frozenset({SEARCH_CONFIGURATION, JOURNAL}),
    own=frozenset({SEARCH_RESULTS, SEARCH_CONFIGURATION, CONFIGURATION, REPORT, JOURNAL}),
)  # fmt: skip
claim_search, is_search, write_search, read_search = SEARCHES.claim, SEARCHES.is_in, SEARCHES.write, SEARCHES.read
