"""`tenuto distill` and `tenuto automaton`: runs of students, what is lost in words and on the page, going on, and errors that say what to type."""

import re

import pytest

from tenuto.files import read_json
from tenuto.tasks import TextClassifier
from tests.cli.command import run
from tests.distill.models import fitted


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A teacher's run, a file of labelled texts, and one without labels."""
    folder = tmp_path_factory.mktemp("distill")
    model, (x, y) = fitted("text")
    model.save(folder / "teacher")
    rows = [(" ".join(words), label) for words, label in zip(x, y)]
    (folder / "texts.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    (folder / "bare.csv").write_text("text\n" + "".join(f"{text}\n" for text, _ in rows))
    return folder


def test_a_student_is_a_run_with_what_is_lost(place, tmp_path):
    out = tmp_path / "student"
    result = run("distill", place / "teacher", place / "texts.csv", "--cell", "mgu", "--hidden-size", 5, "--epochs", 2, "--set", "dropout=0.1", "--test", place / "texts.csv", "-o", out)
    assert result.exit_code == 0, result.output
    assert re.search(r"network +GRU, 8 units, 1 layer +MGU, 5 units, 1 layer", result.output) and re.search(r"the same answer for .* of 24 texts \(test;", result.output)
    kept = read_json(out / "evaluation.json")["distillation"]
    assert kept["part"] == "test" and kept["truth"] == 0.5 and kept["student"]["hidden_size"] == 5 and set(kept["teacher"]["scores"]) == {"accuracy", "loss"}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "What is lost" in page and "student: this run" in page and "at temperature 2" in page
    assert TextClassifier.load(out).dropout == 0.1
    text = (out / "config.toml").read_text(encoding="utf-8")
    assert "[distill]" in text and 'cell = "mgu"' in text and str((place / "teacher").resolve()) in text
    for command in ("score", "predict"):
        assert run(command, out, place / "texts.csv").exit_code == 0
    again = run("fit", "--from", out, "--max-steps", 2, "-o", tmp_path / "alone")
    assert again.exit_code == 0, again.output
    assert "distillation" not in read_json(tmp_path / "alone" / "evaluation.json")


def test_data_without_answers(place, tmp_path):
    for file, *words in (["bare.csv"], ["texts.csv", "--unlabelled"]):
        found = run("distill", place / "teacher", place / file, *words, "--epochs", 1, "-o", tmp_path / file)
        assert found.exit_code == 0, found.output
        assert read_json(tmp_path / file / "evaluation.json")["distillation"]["truth"] == 0 and "validation  " not in found.output
    result = run("distill", place / "teacher", place / "bare.csv", "--epochs", 1, "--temperature", 4, "-o", tmp_path / "student")
    assert result.exit_code == 0, result.output
    assert "the same answer for" in result.output
    kept = read_json(tmp_path / "student" / "evaluation.json")["distillation"]
    assert (kept["truth"], kept["temperature"], kept["teacher"]["scores"]) == (0.0, 4.0, {})
    assert "only the teacher" in (tmp_path / "student" / "report.html").read_text(encoding="utf-8")
    wrong = run("distill", place / "teacher", place / "bare.csv", "--truth", 0.5, "-o", tmp_path / "wrong")
    assert wrong.exit_code == 1 and "--truth 0.5" in wrong.output and "truth=" not in wrong.output


def test_an_interrupted_student_goes_on(place, tmp_path, monkeypatch):
    from tenuto.train.loop import Training

    options = ["--cell", "rnn", "--epochs", 3, "--checkpoint-every-s", 0.001, "-q"]
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert run("distill", place / "teacher", place / "texts.csv", *options, "-o", whole).exit_code == 0
    step = Training._step

    def stopping(training, *given):
        if training.outcome.steps == 6:
            raise KeyboardInterrupt
        return step(training, *given)

    with monkeypatch.context() as patched:
        patched.setattr(Training, "_step", stopping)
        stopped = run("distill", place / "teacher", place / "texts.csv", *options, "-o", halves)
    assert f"tenuto distill --resume {halves}" in stopped.output.replace("\n", " ") or f"tenuto distill --resume {halves}" in stopped.output.replace("\n", "")
    fitting = run("fit", "--resume", halves)
    assert fitting.exit_code == 1 and "learns from a teacher" in fitting.output
    result = run("distill", "--resume", halves)
    assert result.exit_code == 0, result.output
    assert (halves / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert not (halves / "unfinished").exists()
    over = run("distill", "--resume", halves)
    assert over.exit_code == 1 and "it is a complete run" in over.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cell", "gruu"], "did you mean gru?"),
        (["--hidden-size", 0], "--hidden-size 0 is out of range"),
        (["--temperature", 0], "--temperature 0"),
        (["--start", "end"], "--start end"),
        (["--set", "dropout"], "has no equals sign"),
        (["--set", "droput=0.1"], "did you mean dropout?"),
        (["--set", "dropout=much"], "a number"),
        (["--cell-field", "activation=relu"], "belongs to a cell that is not named"),
        (["--time-column", "t"], "does not take --time-column"),
    ],
)
def test_errors_say_what_to_type(words, said, place, tmp_path):
    result = run("distill", place / "teacher", place / "texts.csv", *words, "-o", tmp_path / "student")
    assert result.exit_code == 1 and said in result.output, result.output
    assert not (tmp_path / "student").exists()


def test_what_to_learn_from_must_be_said(place, tmp_path):
    assert "it is not said what to learn from" in run("distill").output
    assert "cannot take its teacher's folder" in run("distill", place / "teacher", place / "texts.csv", "-o", place / "teacher", "--overwrite").output
    (tmp_path / "series.csv").write_text("id,time,a,label\n1,0,0.5,x\n1,1,0.2,x\n2,0,0.1,y\n2,1,0.2,y\n")
    other = run("distill", place / "teacher", tmp_path / "series.csv", "-o", tmp_path / "student")
    assert other.exit_code == 1 and "Traceback" not in other.output
    assert "no run of `tenuto distill`" in run("distill", "--resume", fit_folder(place, tmp_path)).output


def fit_folder(place, tmp_path):
    assert run("fit", "text", place / "texts.csv", "--max-steps", 1, "--hidden-size", 4, "-o", tmp_path / "fitted").exit_code == 0
    return tmp_path / "fitted"


def test_a_configuration_runs_no_file_that_was_not_typed(place, tmp_path):
    folder = tmp_path / "halves" / "unfinished"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(f'task = "classify-text"\n[distill]\nrun = "{place / "teacher"}"\ndata = "{place / "texts.csv"}"\ncell = "evil.py:Cell"\n')
    result = run("distill", "--resume", tmp_path / "halves")
    assert result.exit_code == 1 and "is run only if it is named on the command line" in result.output
    (folder / "config.toml").write_text('task = "classify-text"\n[distill]\nrun = [1, {a = 2}]\n')
    assert "to something that it cannot be" in run("distill", "--resume", tmp_path / "halves").output


def test_an_automaton_as_a_page(place, tmp_path):
    result = run("automaton", place / "teacher", place / "texts.csv", "--alphabet", "play,stop", "-o", tmp_path / "a.html", "--save", tmp_path / "a.json")
    assert result.exit_code == 0, result.output
    assert "agreement on random words" in result.output and "whole items of the data" in result.output
    assert "How often it answers as the model does" in (tmp_path / "a.html").read_text(encoding="utf-8")
    assert read_json(tmp_path / "a.json")["alphabet"] == ["play", "stop"]
    again = run("automaton", place / "teacher", place / "texts.csv", "-o", tmp_path / "a.html")
    assert again.exit_code == 1 and "exists already" in again.output
    wrong = run("automaton", place / "teacher", place / "texts.csv", "--method", "rpni", "-o", tmp_path / "b.html")
    assert wrong.exit_code == 1 and "--method" in wrong.output
