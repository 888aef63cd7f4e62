"""`--class-weight`, `--max-tokens` and `--keep` as they are typed, kept in config.toml, and read again."""

import json

import pytest
from typer.testing import CliRunner

from tenuto.cli import app
from tenuto.errors import ArgumentError
from tenuto.tasks import SequenceClassifier, TextClassifier, card_of
from tenuto.tasks.option import options_of
from tests.cli.test_commands import run, write_table
from tests.cli.test_resume import texts

SMALL = ["--epochs", 1, "--hidden-size", 4, "--num-layers", 1, "--quiet"]


def class_weight():
    return next(known for known in options_of(card_of("classify").options) if known.name == "class_weight")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("none", None),
        ("balanced", "balanced"),
        ("walking=1,running=2.5", {"walking": 1.0, "running": 2.5}),
        ("a=b=2, c,d=3e-1", {"a=b": 2.0, "c,d": 0.3}),
        ("-1=2", {"-1": 2.0}),
    ],
)
def test_what_is_typed_is_what_is_meant(typed, meant):
    assert class_weight().value(typed) == meant


@pytest.mark.parametrize("typed", ["walking=much", "walking=1,running", "=1", "walking=", "walking=1,", "walking=1,walking=2"])
def test_what_is_no_list_of_pairs_is_refused(typed):
    with pytest.raises(ArgumentError, match="class_weight="):
        class_weight().value(typed)


def test_weights_of_classes_from_the_command_line(tmp_path):
    data = write_table(tmp_path / "walks.csv")
    run("fit", "classify", data, "--out", tmp_path / "balanced", "--class-weight", "balanced", *SMALL)
    assert SequenceClassifier.load(tmp_path / "balanced").class_weight == "balanced"
    run("fit", "classify", data, "--out", tmp_path / "pairs", "--class-weight", "up=2,down=0.5", *SMALL)
    assert SequenceClassifier.load(tmp_path / "pairs").class_weight == {"up": 2.0, "down": 0.5}
    run("fit", "--from", tmp_path / "pairs", "--out", tmp_path / "again", "--quiet")
    files = [json.loads((tmp_path / name / "config.json").read_text())["files"]["model.safetensors"] for name in ("pairs", "again")]
    assert files[0] == files[1]
    wrong = CliRunner().invoke(app, ["fit", "classify", str(data), "--out", str(tmp_path / "wrong"), "--class-weight", "flying=2", *map(str, SMALL)])
    assert wrong.exit_code == 1 and "names the class 'flying'" in wrong.output and not (tmp_path / "wrong").exists()


def test_long_texts_from_the_command_line(tmp_path):
    data, own = texts(tmp_path)
    with pytest.warns(UserWarning, match="16 of 32 texts have more than 2 tokens") as told:
        run("fit", "text", data, "--out", tmp_path / "run", "--max-tokens", 2, "--keep", "end", *own, *SMALL)
    assert len(told) == 1
    model = TextClassifier.load(tmp_path / "run")
    assert (model.max_tokens, model.keep) == (2, "end")
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert evaluation["data"]["train"]["length_max"] == 2
