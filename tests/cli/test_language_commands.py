"""`tenuto fit language`, `tenuto generate`, and `score`, `predict`, `report` on the run."""

import json
import math

import pytest
from typer.testing import CliRunner

from tenuto.cli import app
from tenuto.tasks import LanguageModel
from tenuto.tasks.language.recipes import RECIPES
from tests.cli.command import done as run

TEXT = "the cat sat on the mat.\nthe dog sat on the log.\n" * 12
TINY = "--hidden-size 12 --num-layers 1 --window 16 --batch-size 4 --epochs 2 --validation-fraction 0.2 --unknown error -q".split()


@pytest.fixture(scope="module")
def text_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "pets.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def folder(text_file):
    folder = text_file.parent / "run"
    said = run("fit", "language", text_file, "--test", text_file, "--out", folder, *TINY).stdout
    assert "bits" in said and f"next        tenuto generate {folder}" in said
    assert (folder / "report.html").exists()
    return folder


def test_a_run_scores_other_texts(folder, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("the log sat on the cat.\n" * 3)
    said = run("score", folder, other).stdout
    assert "state carried over the whole text" in said and "windows of 256" in said
    result = json.loads(run("score", folder, other, "--json").stdout)
    assert result["bits_per_character"] == pytest.approx(-LanguageModel.load(folder).score(other.read_text()) / math.log(2))
    assert "'Z' (U+005A) at position 4, line 1" in " ".join(run("score", folder, _written(tmp_path / "z.txt", "the Zebra"), code=1).output.split())


def test_a_run_writes_text_that_follows_its_seed(folder):
    first = run("generate", folder, "the ", "--length", 30, "--seed", 3)
    assert first.stdout == run("generate", folder, "the ", "-n", 30, "--seed", 3).stdout
    assert first.stdout.startswith("the ") and len(first.stdout.rstrip("\n")) >= 4 and first.stderr == ""
    assert "seed" in run("generate", folder, "--length", 5).stderr
    assert run("generate", folder, "-", "-n", 30, "--seed", 3, text="the ").stdout == first.stdout
    assert first.stdout == "the " + run("generate", folder, "the ", "-n", 30, "--seed", 3, "--no-echo").stdout
    plain = run("generate", folder, "the ", "-n", 60, "-t", 0, "--stop", "t ", "--stop", ".", "--no-echo").stdout
    assert "." not in plain and "t " not in plain
    wild = run("generate", folder, "the ", "-n", 20, "--top-k", 3, "--top-p", 0.5, "-t", 1.5, "--seed", 0).stdout
    assert wild == "the " + LanguageModel.load(folder).generate("the ", length=20, top_k=3, top_p=0.5, temperature=1.5, seed=0).rstrip("\n") + "\n"


def test_by_default_no_character_refuses_a_text(text_file, tmp_path):
    words = [word for word in TINY if word not in ("--unknown", "error")]
    run("fit", "language", text_file, "--test", _written(tmp_path / "z.txt", "the Zebra"), "--out", tmp_path / "run", *words)
    assert "characters that training has not seen 3" in run("score", tmp_path / "run", tmp_path / "z.txt").stdout
    assert run("generate", tmp_path / "run", "Zoo", "-n", 5).stdout.startswith("Zoo")


def test_what_cannot_be_generated_is_refused(folder, tmp_path):
    assert "the prompt has a character that the model does not know: 'Z'" in run("generate", folder, "Zoo", code=1).output
    assert "standard input is not UTF-8: byte 1" in CliRunner().invoke(app, ["generate", str(folder), "-"], input=b"a\xff").output
    assert "tenuto generate" in run("predict", folder, "japanese_vowels", code=1).output
    run("fit", "classify", "japanese_vowels", "--epochs", 1, "--hidden-size", 4, "--out", tmp_path / "vowels", "-q")
    assert "writes no text" in run("generate", tmp_path / "vowels", code=1).output


def test_several_files_are_documents_and_a_run_can_be_repeated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [_written(tmp_path / f"{number}.txt", f"document {number % 2} is short.\n" * 4).name for number in range(6)]
    run("fit", "language", *names, "--out", "first", "--recipe", "awd-lstm", "--units", "characters", "--embedding-size", 8, *TINY)
    model = LanguageModel.load("first")
    assert model.vocabulary_.boundary is not None and model.evaluation_["data"]["train"]["sequences"] == 4
    ours = model.get_params()
    assert (ours["num_layers"], ours["units"], ours["hidden_size"]) == (1, "characters", 12)  # typed
    assert {name: ours[name] for name in ("schedule", "tied", "change_decay")} == {name: RECIPES["awd-lstm"][name] for name in ("schedule", "tied", "change_decay")}
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run("fit", "--from", tmp_path / "first", "--out", "second", "-q")
    again = LanguageModel.load("second")
    assert again.get_params() == ours and again.metrics_[-1]["validation_loss"] == model.metrics_[-1]["validation_loss"]


def test_a_configuration_file_may_name_one_file(text_file, tmp_path):
    configuration = _written(tmp_path / "pets.toml", f'task = "language"\ndata = "{text_file}"\nrecipe = "awd-lstm"\nhidden_size = 8\nunits = "bytes"\nmax_steps = 2\n')
    run("fit", "--config", configuration, "--embedding-size", 6, "--batch-size", 2, "--out", tmp_path / "run", "-q")
    model = LanguageModel.load(tmp_path / "run")
    assert (model.units, model.num_layers, model.embedding_size, model.max_steps) == ("bytes", 3, 6, 2)


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "the text is empty"), (b"ab\xffcd", "byte 2 (line 1, byte 2 of the line) is 0xff"), (b"a", "too short to hold a part")]
)
def test_bad_text_is_refused_and_leaves_nothing(tmp_path, content, said):
    (tmp_path / "bad.txt").write_bytes(content)
    result = CliRunner().invoke(app, ["fit", "language", str(tmp_path / "bad.txt"), "--out", str(tmp_path / "run")])
    assert result.exit_code == 1
    assert said in result.output
    assert not (tmp_path / "run").exists()


def _written(path, content):
    path.write_text(content)
    return path
