"""The search itself, on a made-up objective: which trials count, which are stopped early, and that nothing is lost when the search is stopped or killed."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tenuto.errors import ArgumentError, RunError
from tenuto.train import TrainingError
from tenuto.train.search import JOURNAL, OTHERS_FIRST, VALIDATIONS_FIRST, Pruned, Search, SearchOptions, TrialOutcome, in_words
from tenuto.train.search_space import read_space

SPACE = read_space({"rate": {"low": 1e-3, "high": 1.0, "log": True}, "size": [4, 8]}, {"rate": float, "size": int})
EPOCHS = 8


def training(values, observer):
    """Made-up losses that fall towards |rate - 0.1|."""
    lines = []
    for epoch in range(1, EPOCHS + 1):
        lines.append({"epoch": epoch, "validation_loss": abs(values["rate"] - 0.1) + values["size"] / (100 * epoch), "validation_accuracy": epoch / 10})
        observer.epoch_ended(lines[-1])
    return TrialOutcome(lines, best_epoch=EPOCHS)


def search(folder, trials, *, objective=training, first=None, identity=None, **options):
    with Search(folder, SPACE, SearchOptions(trials=trials, **options), first=first, identity=identity) as one:
        ended = list(one.run(objective))
        return one, ended


def made(folder):
    folder.mkdir()
    return folder


def tried(one):
    return [(trial["options"], trial["value"]) for trial in one.trials() if trial["state"] != "interrupted"]


def test_trials_are_counted_and_the_best_is_found(tmp_path):
    one, ended = search(tmp_path, 12, first={"rate": 0.5, "size": 8})
    assert one.stopped == "all trials" and [trial["number"] for trial in ended] == list(range(1, 13))
    assert ended[0]["options"] == {"rate": 0.5, "size": 8}
    whole = [trial for trial in ended if trial["state"] == "complete"]
    assert one.best()["value"] == min(trial["value"] for trial in whole) < ended[0]["value"]
    assert ended[0]["value"] == pytest.approx(0.4 + 8 / (100 * EPOCHS)) and len(ended[0]["curve"]) == EPOCHS
    results = one.results()
    assert json.loads(json.dumps(results)) == results and results["direction"] == "minimise"
    assert results["best"] == one.best()["number"] and results["space"]["size"] == [4, 8]


def test_a_worse_trial_is_stopped_early_and_counts(tmp_path):
    one, ended = search(tmp_path, 25)
    early = [trial for trial in ended if trial["state"] == "pruned"]
    assert early and all(trial["number"] > OTHERS_FIRST and trial["value"] is None for trial in early)
    assert all(VALIDATIONS_FIRST <= len(trial["curve"]) <= EPOCHS for trial in early)
    assert sum(one.importance().values()) == pytest.approx(1) and set(one.importance()) == set(SPACE)
    _, ended = search(made(tmp_path / "other"), 25, prune=False)
    assert all(trial["state"] == "complete" for trial in ended)


def test_a_higher_value_can_be_better(tmp_path):
    options = SearchOptions(metric="validation_accuracy")
    assert options.maximise and not SearchOptions().maximise

    def objective(values, observer):
        return TrialOutcome([{"epoch": 1, "validation_loss": 1.0, "validation_accuracy": values["size"] / 10}], best_epoch=1)

    one, _ = search(tmp_path, 4, objective=objective, metric="validation_accuracy")
    assert one.best()["options"]["size"] == 8


def test_every_combination_ends_the_search(tmp_path):
    space = read_space({"size": [1, 2, 3], "flag": [True, False]}, {"size": int, "flag": bool})
    with Search(tmp_path, space, SearchOptions(trials=50)) as one:
        ended = list(one.run(lambda values, observer: TrialOutcome([{"epoch": 1, "validation_loss": values["size"]}], 1)))
    assert one.stopped == "every combination was tried"
    assert len({tuple(trial["options"].items()) for trial in ended}) == len(ended) == 6
    assert [trial["number"] for trial in one.trials()] == [1, 2, 3, 4, 5, 6]


def test_no_trial_begins_after_the_time(tmp_path):
    one, ended = search(tmp_path, 50, timeout_s=1e-9)
    assert one.stopped == "time limit" and ended == [] and one.best() is None and one.importance() == {}


def test_a_trial_that_diverges_counts_and_says_why(tmp_path):
    def objective(values, observer):
        if values["size"] == 8:
            raise TrainingError("the loss is not finite at step 3.\nmore")
        return TrialOutcome([{"epoch": 1, "validation_loss": None}], best_epoch=1)

    one, ended = search(tmp_path, 6, objective=objective)
    assert {trial["state"] for trial in ended} == {"diverged"} and len(ended) == 6 and one.best() is None
    assert {trial["reason"] for trial in ended} == {None, "the loss is not finite at step 3."}


@pytest.mark.parametrize("how", ["Ctrl-C", "the training ended early"])
def test_an_interrupted_search_goes_on_as_if_it_was_not(tmp_path, how):
    whole, part = made(tmp_path / "whole"), made(tmp_path / "part")

    def objective(values, observer):
        if len(one.trials()) == 4:
            observer.epoch_ended({"epoch": 1, "validation_loss": 9.0})
            if how == "Ctrl-C":
                raise KeyboardInterrupt
            return TrialOutcome([{"epoch": 1, "validation_loss": 9.0}], best_epoch=1, interrupted=True)
        return training(values, observer)

    with Search(part, SPACE, SearchOptions(trials=14)) as one:
        ended = list(one.run(objective))
    assert one.stopped == "interrupted" and ended[-1]["state"] == "interrupted" and len(ended) == 5
    again, _ = search(part, 14)
    assert tried(again) == tried(search(whole, 14)[0]) and again.stopped == "all trials"
    assert [trial["number"] for trial in again.trials()][3:7] == [4, 5, 5, 6]
    assert len(search(part, 16)[1]) == 2  # two more trials


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_a_killed_search_goes_on_as_if_it_was_not(tmp_path):
    script = f"""
import os, signal
from tests.train.test_search import SPACE, training
from tenuto.train.search import Search, SearchOptions
def objective(values, observer):
    if len(search.trials()) == 11:
        observer.epoch_ended({{"epoch": 1, "validation_loss": 9.0}})
        os.kill(os.getpid(), signal.SIGKILL)
    return training(values, observer)
search = Search({str(tmp_path)!r}, SPACE, SearchOptions(trials=14))
list(search.run(objective))
"""
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with (tmp_path / JOURNAL).open("a") as file:
        file.write('{"op_code": 6, "half a li')  # as a full disk would leave it
    (tmp_path / f"{JOURNAL}.lock").touch()
    one, _ = search(tmp_path, 14)
    assert tried(one) == tried(search(made(tmp_path / "whole"), 14)[0])
    assert [trial["number"] for trial in one.trials() if trial["state"] == "interrupted"] == [12]


def test_another_search_in_the_folder_is_refused(tmp_path):
    search(tmp_path, 1, identity={"data": "a"})
    for options, name in (({"identity": {"data": "b"}}, "data differs"), ({"identity": {"data": "a"}, "seed": 1}, "seed differs")):
        with pytest.raises(RunError, match=name):
            search(tmp_path, 1, **options)
    with Search(tmp_path, SPACE, SearchOptions(), identity={"data": "a"}), pytest.raises(RunError, match="another process is searching"):
        Search(tmp_path, SPACE, SearchOptions(), identity={"data": "a"})
    (tmp_path / JOURNAL).write_text("no journal\n{}\n")
    with pytest.raises(RunError, match="is damaged"):
        search(tmp_path, 1)


def test_errors_end_the_search_and_name_the_values(tmp_path):
    with pytest.raises(ArgumentError, match=r"no 'validation_exact'.*\n.*validation_loss"):  # a known measure, but this validation does not return it
        search(tmp_path, 3, metric="validation_exact")

    def objective(values, observer):
        raise ArgumentError("dropout=2 is out of range.")

    with pytest.raises(ArgumentError, match="the trial with rate 0.5, size 4: dropout=2"):
        search(made(tmp_path / "b"), 3, objective=objective, first={"rate": 0.5, "size": 4})
    with pytest.raises(ArgumentError, match="trials=0"):
        SearchOptions(trials=0)


def test_words():
    assert in_words({"cell": "gru", "dropout": 0.25}) == "cell gru, dropout 0.25"
    assert issubclass(Pruned, Exception)
