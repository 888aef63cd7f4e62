"""`tenuto tune` on a small table: what it writes, that the best trial can be trained again, that it goes on after Ctrl-C and kill."""

import json
import signal
import sys

import pytest

from tenuto.cli.parameters import complete
from tenuto.cli.tune import searchable, usual_space
from tenuto.tasks import cards
from tenuto.tasks.option import options_of
from tenuto.train.search_space import read_space
from tests.cli.test_as_a_program import start
from tests.cli.test_commands import content, run, write_table

FIXED = ["--epochs", "2", "--num-layers", "1", "--forward-only", "--threads", "1"]
SPACE = "[search]\nhidden_size = [2, 4, 8]\nlearning_rate = {low = 1e-3, high = 1e-1, log = true}\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a table, a space, and a search of three trials."""
    folder = tmp_path_factory.mktemp("place")
    write_table(folder / "walks.csv")
    (folder / "space.toml").write_text(SPACE)
    run("tune", "classify", folder / "walks.csv", "--config", folder / "space.toml", "--trials", "3", "-o", folder / "search", *FIXED)
    return folder


def results(folder):
    return json.loads((folder / "search.json").read_text())


def tried(folder):
    return [(trial["options"], trial["value"]) for trial in results(folder)["trials"] if trial["state"] != "interrupted"]


def test_a_search_writes_its_folder_and_says_what_was_best(place):
    assert {path.name for path in (place / "search").iterdir()} == {"config.toml", "journal.jsonl", "report.html", "search.json", "search.toml"}
    search = results(place / "search")
    assert [trial["state"] for trial in search["trials"]] == ["complete"] * 3 and search["stopped"] == "all trials"
    assert set(search["space"]) == set(search["base"]) == {"hidden_size", "learning_rate"}
    result = run("tune", "--resume", place / "search")
    best = min(search["trials"], key=lambda trial: trial["value"])
    assert f"best        {best['value']:.4g} validation_loss, trial {best['number']}" in result.stdout
    assert "has 3 of 3 trials" in result.stderr and "trial 3 of 3" not in result.stderr


def test_the_best_is_trained_again_with_the_same_result(place, tmp_path):
    run("fit", "--from", place / "search", "-o", tmp_path / "run", "-q")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert min(line["validation_loss"] for line in lines) == min(value for _, value in tried(place / "search"))


def test_the_page_shows_every_trial_and_can_be_made_again(place):
    page = place / "search" / "report.html"
    page.unlink()
    assert run("report", place / "search").stdout.strip() == str(page)
    text = page.read_text()
    assert "Every trial" in text and "What mattered" in text and "<script" not in text and "http" not in text.replace("http-equiv", "")
    for trial in results(place / "search")["trials"]:
        assert f"{trial['value']:.3g}"[:5] in text


def test_more_trials_are_those_of_a_longer_search(place, tmp_path):
    words = ["tune", "classify", place / "walks.csv", "--config", place / "space.toml", "-q", *FIXED]
    run(*words, "--trials", "1", "-o", tmp_path / "part")
    run("tune", "--resume", tmp_path / "part", "--trials", "3", "-q")
    assert tried(tmp_path / "part") == tried(place / "search")
    assert "trials = 3" in (tmp_path / "part" / "search.toml").read_text()
    run(*words, "--trials", "1", "-o", tmp_path / "part", "--overwrite")
    assert len(tried(tmp_path / "part")) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals work differently there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_search_that_was_stopped_goes_on(place, tmp_path, number):
    words = ["tune", "classify", place / "walks.csv", "--config", place / "space.toml", "-o", tmp_path / "run", *FIXED]
    with start(*words, "--trials", "1000") as process:
        for line in process.stderr:
            if line.startswith("trial   2"):
                break
        process.send_signal(number)
        said, complaints = process.communicate(timeout=60)
    done = tried(tmp_path / "run")
    if number == signal.SIGINT:
        assert process.returncode == 0 and "go on       tenuto tune --resume" in said and "Traceback" not in complaints
    assert 2 <= len(done) < 1000 and done == tried(place / "search")[: len(done)] + done[3:]
    run("tune", "--resume", tmp_path / "run", "--trials", str(len(done) + 1), "-q")
    assert tried(tmp_path / "run")[: len(done)] == done and len(tried(tmp_path / "run")) == len(done) + 1


FAILURES = [
    ("[search]\nhiden_size = [1]\n", [], "hiden_size", "hidden_size?"),
    ("[search]\ndropout = {low = 0.5, high = 0.1}\n", [], "the low end of dropout is not below", "low < high"),
    ("[search]\nhidden_size = [2.5]\n", [], "the wrong type", "a whole number"),
    ("[search]\ndropout = {low = 0.1, high = 0.2, step = \"a\"}\n", [], "the wrong type", "a number"),
    ("search = 3\n", [], "is empty", "at least one"),
    (SPACE, ["--hidden-size", "4"], "--hidden-size is both searched and given", "take hidden_size out of [search]"),
    (SPACE, ["--metric", "validation_taste"], "no measure 'validation_taste'", "validation_accuracy"),
    (SPACE, ["--metric", "validation_acuracy"], "no measure 'validation_acuracy'", "did you mean validation_accuracy?"),
    (SPACE, ["--metric", "validation_span_f1"], "no 'validation_span_f1'", "validation_accuracy"),
    ("[search]\ndropout = [1.5]\n", [], "the search space: --dropout 1.5 is out of range", "below 1"),
    (SPACE + "[tune]\ntrails = 3\n", [], "trails", "trials?"),
]


@pytest.mark.parametrize("space, words, what, mend", FAILURES, ids=lambda value: str(value)[:40])
def test_bad_searches_are_refused(place, tmp_path, space, words, what, mend):
    (tmp_path / "space.toml").write_text(space)
    before = content(place)
    error = run("tune", "classify", place / "walks.csv", "--config", tmp_path / "space.toml", "-o", tmp_path / "new", *FIXED, *words, code=1).stderr
    assert what in error and mend in error and "Traceback" not in error
    assert content(place) == before


def test_without_a_space_the_usual_options_are_searched_except_those_that_were_chosen(place, tmp_path):
    (tmp_path / "chosen.toml").write_text("learning_rate = 5.0\ninput_noise = 0.5\n")  # the first is outside its usual range
    words = ["tune", "classify", place / "walks.csv", "--config", tmp_path / "chosen.toml", "--trials", "1", "-q", *FIXED, "--hidden-size", "3"]
    run(*words, "-o", tmp_path / "run")
    assert tried(tmp_path / "run")[0][0] == {"dropout": 0.3, "input_noise": 0.5}
    assert "nothing is left to search" in run(*words, "--dropout", "0.1", "--input-noise", "0.2", "-o", tmp_path / "no", code=1).stderr


def test_folders_that_are_not_for_this_search_are_refused(place, tmp_path):
    words = ["tune", "classify", place / "walks.csv", "--config", place / "space.toml", "-q", *FIXED]
    assert "options.seed differs" in run(*words, "-o", place / "search", "--seed", "1", code=1).stderr
    (tmp_path / "precious.txt").write_text("precious")
    assert "is not a search" in run(*words, "-o", tmp_path, code=1).stderr
    assert "no search to go on with" in run("tune", "--resume", tmp_path, code=1).stderr
    assert "not a run of tenuto" in run("fit", "classify", place / "walks.csv", "-o", place / "search", *FIXED, code=1).stderr
    write_table(place / "other.csv", seed=5)
    text = (place / "search" / "search.toml").read_text().replace("walks.csv", "other.csv")
    (tmp_path / "other.toml").write_text(text)
    assert "data differ" in run("tune", "--config", tmp_path / "other.toml", "-o", place / "search", code=1).stderr


def test_a_search_does_not_go_on_with_a_changed_file_of_whatever_kind(tmp_path):
    (tmp_path / "p.de").write_text("ab\nba\naab\nbb\naa\nabb\n")
    (tmp_path / "p.en").write_text("BA\nAB\nBAA\nBB\nAA\nBBA\n")
    (tmp_path / "tagged.tsv").write_text("a\tX\nb\tY\n\nb\tY\na\tX\n\na\tX\n")
    (tmp_path / "vectors.txt").write_text("a 1 2\nb 3 4\n")
    (tmp_path / "space.toml").write_text("[search]\nhidden_size = [2, 4]\n")
    pairs = ["translate", tmp_path / "p.de", "--parallel", "de=en"]
    words = ["tag", tmp_path / "tagged.tsv", "--vectors", tmp_path / "vectors.txt", "--word-size", "2"]
    for named, given, changed in (("pairs", pairs, "p.en"), ("tags", words, "vectors.txt")):
        run("tune", *given, "--config", tmp_path / "space.toml", "--trials", "1", "--epochs", "1", "--threads", "1", "-q", "-o", tmp_path / named)
        run("tune", "--resume", tmp_path / named, "--trials", "2", "-q")
        (tmp_path / changed).write_text((tmp_path / changed).read_text().replace("B", "A").replace("3", "5"))
        assert "data differ" in run("tune", "--resume", tmp_path / named, "--trials", "3", "-q", code=1).stderr


@pytest.mark.parametrize("task", cards(), ids=lambda task: task.name)
def test_each_task_has_a_usual_space_that_holds_its_defaults(task):
    space = read_space(usual_space(task), searchable(task))
    assert len(space) >= 3
    usual = complete(task, {})
    known = {known.typed: known for known in options_of(task.options)}
    decided = {name for name, one in known.items() if one.usual is None}  # by the data
    assert not [name for name, choice in space.items() if name not in decided and not choice.contains(usual[name])]
    assert "Usage: " in run("tune", task.command, "--help").output
