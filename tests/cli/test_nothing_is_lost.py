"""`tenuto fit` loses no work: the test part is looked at before training, the run is saved before it is scored, a refused resume changes nothing, and
disks that are full or read-only are told in words.
"""

import errno
import json
import os
import sys
import time

import pytest

from tenuto.cli.fitting import new_folder
from tenuto.cli.job import Job
from tenuto.errors import DataError
from tenuto.runs.folder import read_run
from tenuto.tasks import SequenceClassifier
from tests.cli.test_as_a_program import ENVIRONMENT, start
from tests.cli.test_commands import SMALL, content, run, write_table
from tests.cli.test_resume import pairs, sentences, texts, verse, walks

TINY = ["--epochs", 2, "--hidden-size", 4, "--threads", 1]


def rewritten(path, change):
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    return path


BAD_TESTS = {
    "classify, no labels": ("classify", walks, lambda folder: write_table(folder / "test.csv", labelled=False), "has no labels|no column"),
    "classify, an unseen label": ("classify", walks, lambda folder: rewritten(write_table(folder / "test.csv"), lambda text: text.replace("down", "left")), "'left', which training never saw"),
    "classify, another channel": ("classify", walks, lambda folder: write_table(folder / "test.csv", channels=3), "c2|channels"),
    "classify, a missing value": ("classify", walks, lambda folder: rewritten(write_table(folder / "test.csv"), lambda text: text.replace("s1,0,", "s1,0,,", 1).replace(",up", "", 1)), "test"),
    "text, an unseen label": ("text", texts, lambda folder: rewritten(folder / "texts.tsv", str).with_name("test.tsv"), "'dance', which training never saw"),
    "translate, an unseen symbol": ("translate", pairs, lambda folder: folder / "test.tsv", "a symbol that training never saw: 'z'"),
    "language, an unseen character": ("language", verse, lambda folder: folder / "test.txt", "'ß'"),
    "tag, no tags": ("tag", sentences, lambda folder: folder / "test.tsv", "tag"),
}
CONTENT = {"text": "text\tlabel\ndance to it\tdance\n", "translate": "zab\tbaz\n", "language": "she sells ß shells\n", "tag": "play\njazz\n\nstop\n"}


@pytest.mark.parametrize("case", BAD_TESTS)
def test_a_test_part_that_cannot_be_scored_is_refused_before_training(case, tmp_path):
    task, make, bad, said = BAD_TESTS[case]
    data, own = make(tmp_path)
    test = bad(tmp_path)
    if task in CONTENT:
        test.write_text(CONTENT[task], encoding="utf-8")
    own = [*own, "--unknown", "error"] if task == "language" else own
    result = run("fit", task, data, "--test", test, "--out", tmp_path / "run", *TINY, *own, code=1)
    assert "epoch " not in result.stderr and "Traceback" not in result.stderr
    assert any(word in " ".join(result.stderr.split()) for word in said.split("|")), result.stderr
    assert not (tmp_path / "run").exists()


def test_in_python_the_test_part_is_checked_too_and_the_run_is_saved_before_it_is_scored(tmp_path):
    x, y = [[[float(i % 2)]] * 3 for i in range(20)], ["low", "high"] * 10
    model = SequenceClassifier("gru", hidden_size=4, epochs=1, num_layers=1)
    with pytest.raises(DataError, match=r"SequenceClassifier.fit: the test part: (.|\n)*'middle'(.|\n)*or train without a test part"):
        model.fit(x, y, test=(x, ["middle"] * 20))
    assert not hasattr(model, "network_")
    model.fit(x, y, test=(x, y))
    with pytest.raises(DataError, match=r"'middle'(.|\n)*the run is saved in"):
        model.save(tmp_path / "run", test=(x, ["middle"] * 20))
    assert SequenceClassifier.load(tmp_path / "run").evaluation_["results"]["test"] is None
    model.save(tmp_path / "run", test=(x, y), overwrite=True)
    assert SequenceClassifier.load(tmp_path / "run").evaluation_["results"]["test"]["sequences"] == 20


def test_a_fit_that_fails_leaves_the_estimator_as_it_was():
    x, y = [[[float(i % 2)]] * 3 for i in range(20)], ["low", "high"] * 10
    model = SequenceClassifier("gru", hidden_size=4, epochs=1, num_layers=1).fit(x, y)
    before = model.predict_proba(x)
    with pytest.raises(DataError):
        model.fit(x, ["a", "b"] * 10, test=(x, y))
    assert model.classes_.tolist() == ["high", "low"]
    assert (model.predict_proba(x) == before).all()


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """Makes a run that was killed between training and saving."""

    def make(task, maker, *options):
        data, own = maker(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(Job, "save", lambda *_, **__: (_ for _ in ()).throw(Killed))
            patch.setattr("tenuto.train.lock._give_back", lambda *_: None)
            with pytest.raises(Killed):
                run("fit", task, data, "--out", tmp_path / "run", *TINY, *own, *options)
        return data

    return make


def test_a_refused_resume_changes_nothing(killed, tmp_path):
    data = killed("language", verse, "--unknown", "error")
    folder, whole = tmp_path / "run", data.read_text()
    before = content(folder)
    assert "belongs to another run" in run("fit", "--resume", folder, "--unknown", "symbol", code=1).stderr
    data.write_text(whole.replace("she", "he"))
    assert "belongs to another run" in run("fit", "--resume", folder, "--hidden-size", 5, code=1).stderr
    (tmp_path / "bad.txt").write_text("ß ß ß")
    data.write_text(whole)
    assert "the test part: " in run("fit", "--resume", folder, "--test", tmp_path / "bad.txt", code=1).stderr
    assert content(folder) == before
    result = run("fit", "--resume", folder)
    assert "was killed; this one takes its place" in " ".join(result.stderr.split())
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "config.toml", "evaluation.json", "metrics.jsonl", "model.safetensors", "report.html"]


def test_what_does_not_belong_to_the_training_may_change_when_a_run_goes_on(killed, tmp_path):
    killed("translate", pairs)
    (tmp_path / "test.tsv").write_text("zab\tbaz\n", encoding="utf-8")
    words = ["fit", "--resume", tmp_path / "run", "--test", tmp_path / "test.tsv"]
    assert "--unknown symbol" in " ".join(run(*words, code=1).stderr.split())
    run(*words, "--unknown", "symbol", "--beam-size", 2)
    assert read_run(tmp_path / "run").evaluation["results"]["test"]["sources"] == 1


def test_a_test_part_that_fails_after_all_does_not_lose_the_run(tmp_path, monkeypatch):
    data, _ = walks(tmp_path)

    def fails(*_):
        raise DataError("the test part was a dream.", fix="wake up")

    monkeypatch.setattr(SequenceClassifier, "_test", fails)
    result = run("fit", "classify", data, "--test", data, "--out", tmp_path / "run", *SMALL, code=1)
    assert "was a dream" in result.stderr and "tenuto score" in result.stderr and "validation" in result.stdout
    assert read_run(tmp_path / "run").evaluation["results"]["test"] is None
    assert (tmp_path / "run" / "report.html").exists() and not (tmp_path / "run" / "unfinished").exists()


# --- disks that are full or read-only --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("at", [1, *(pytest.param(at, marks=pytest.mark.slow) for at in range(2, 13))])
def test_a_disk_that_fails_at_any_file_is_told_in_words_and_the_run_goes_on_later(tmp_path, monkeypatch, at, number):
    data, _ = walks(tmp_path)
    run("fit", "classify", data, "--out", tmp_path / "run", *SMALL)
    real, calls = os.fsync, iter(range(1, 100000))

    def fsync(handle):
        if next(calls) >= at:
            raise OSError(number, os.strerror(number))
        real(handle)

    words = ["fit", "classify", data, "--test", data, "--overwrite", "--out", tmp_path / "run", *SMALL, "--seed", 1]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        patch.setattr("warnings.warn", lambda text, *_, **__: print(text, file=sys.stderr))
        result = run(*words, code=1)
    assert os.strerror(number) in result.stderr
    read_run(tmp_path / "run")  # the old one or the new one, whole
    if (tmp_path / "run" / "unfinished").exists():
        run("fit", "--resume", tmp_path / "run")
    else:
        run(*words)
    assert read_run(tmp_path / "run").evaluation["results"]["test"] is not None
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".partial")]


def test_a_report_that_does_not_fit_does_not_lose_the_run(tmp_path, monkeypatch):
    data, _ = walks(tmp_path)
    real = os.replace

    def replace(source, target):
        if str(target).endswith("report.html"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        result = run("fit", "classify", data, "--out", tmp_path / "run", *SMALL, code=1)
        assert "No space left" in run("report", tmp_path / "run", code=1).stderr
    assert "report.html could not be written: No space left" in " ".join(result.stderr.split())
    assert "tenuto report" in result.stderr and "validation" in result.stdout
    run("report", tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert "unfinished" not in names and "report.html" in names


def test_predictions_that_do_not_fit_are_told_in_words(tmp_path, monkeypatch):
    data, _ = walks(tmp_path)
    run("fit", "classify", data, "--out", tmp_path / "run", *SMALL)
    (tmp_path / "answers.csv").write_text("the old answers")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))))
        result = run("predict", tmp_path / "run", data, "-o", tmp_path / "answers.csv", "--overwrite", code=1)
    assert "answers.csv could not be written" in " ".join(result.stderr.split())
    assert (tmp_path / "answers.csv").read_text() == "the old answers"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.slow
def test_a_checkpoint_that_is_too_large_does_not_end_training(tmp_path):
    import resource
    import subprocess

    write_table(tmp_path / "walks.csv")
    words = ["fit", "classify", tmp_path / "walks.csv", "--out", tmp_path / "run", "--epochs", 3, "--hidden-size", 100, "--checkpoint-every-s", 0.001, "--threads", 1]
    done = subprocess.run(
        [sys.executable, "-m", "tenuto.cli", *map(str, words)], capture_output=True, text=True, env=ENVIRONMENT, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("could not be written: File too large") == 1 and "Traceback" not in done.stderr and ".py:" not in done.stderr
    read_run(tmp_path / "run")


# --- two at once -------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_runs_that_begin_at_once_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    children = []
    for _ in range(8):
        if (child := os.fork()) == 0:
            try:
                for _ in range(5):
                    (new_folder("walks", "lstm") / str(os.getpid())).touch()
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert {os.waitpid(child, 0)[1] for child in children} == {0}
    folders = sorted((tmp_path / "runs").iterdir(), key=lambda folder: int(folder.name.rpartition("-")[2]))
    assert [folder.name for folder in folders] == [f"walks-lstm-{number}" for number in range(1, 41)]
    assert all(len(list(folder.iterdir())) == 1 for folder in folders)


def test_a_new_folder_goes_when_nothing_was_trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data, _ = walks(tmp_path)
    run("fit", "classify", data, "--test", write_table(tmp_path / "test.csv", labelled=False), *SMALL, code=1)
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals work differently there")
@pytest.mark.slow
def test_a_run_that_is_being_trained_is_left_alone(tmp_path):
    data, own = verse(tmp_path)
    folder = tmp_path / "run"
    with start("fit", "language", data, "--out", folder, "--epochs", 100000, "--hidden-size", 4, "--checkpoint-every-s", 0.001, *own) as process:
        while not (folder / "unfinished" / "checkpoint" / "checkpoint.safetensors").exists():
            time.sleep(0.1)
        for words in (["--resume", folder], ["language", data, "--out", folder], ["language", data, "--out", folder, "--overwrite"]):
            assert f"process {process.pid} runs there" in " ".join(run("fit", *words, code=1).stderr.split())
        assert f"process {process.pid} is training it" in " ".join(run("score", folder, data, code=1).stderr.split())
        process.kill()
        process.communicate()
    assert json.loads((folder / ".lock").read_text())["process"] == process.pid
    assert "nothing of it is lost" in " ".join(run("score", folder, data, code=1).stderr.split())
