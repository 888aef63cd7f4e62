"""`--class-weight`, `--weight-column`, `--max-tokens` and `--keep` as they are typed, kept in config.toml, and read again."""

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
    run("fit", "classify", data, "--out", tmp_path / "balanced", "--class-weight", "balanced", "--select-by", "validation_balanced_accuracy", *SMALL)
    kept = SequenceClassifier.load(tmp_path / "balanced")
    assert (kept.class_weight, kept.select_by) == ("balanced", "validation_balanced_accuracy")
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


def write_weighted(path, *, kind, column="w", weights=None):
    """Twelve labelled rows or sequences with a column of weights, in one of the layouts."""
    weights = [index % 3 for index in range(12)] if weights is None else weights
    names = [("down", "up")[index % 2] for index in range(12)]
    if kind == "long":
        rows = [f"s{index},{step},{(-1) ** index + step},{names[index]},{weights[index]}" for index in range(12) for step in range(3)]
        path.write_text("\n".join([f"id,time,x,label,{column}", *rows]))
    elif kind == "wide":
        rows = [f"{names[index]},{weights[index]},1,{(-1) ** index},{index}" for index in range(12)]
        path.write_text("\n".join([f"label,{column},t0,t1,t2", *rows]))
    elif kind == "jsonl":
        path.write_text("\n".join(json.dumps({"text": f"go {names[index]}", "label": names[index], column: weights[index]}) for index in range(12)))
    else:
        path.write_text("\n".join([f"text,label,{column}", *(f"go {names[index]},{names[index]},{weights[index]}" for index in range(12))]))
    return path


KINDS = {"long": ("classify", ".csv"), "wide": ("classify", ".csv"), "jsonl": ("text", ".jsonl"), "rows": ("text", ".csv")}


@pytest.mark.parametrize("kind", KINDS)
def test_weights_from_a_column(tmp_path, kind):
    task, suffix = KINDS[kind]
    data = write_weighted(tmp_path / f"data{suffix}", kind=kind)
    folder = tmp_path / "run"
    told = run("fit", task, data, "--validation", data, "--test", data, "--out", folder, "--weight-column", "w", *SMALL).stdout
    assert "by weight" in told
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert evaluation["data"]["train"]["sequences"] == 8 and evaluation["data"]["train"]["weights"] == {"sum": 12.0, "smallest": 1.0, "largest": 2.0}
    assert evaluation["data"]["test"]["weights"]["sum"] == 12.0 and evaluation["results"]["test"]["effective_sequences"] == pytest.approx(7.2)
    assert "by weight" in run("score", folder, data).stdout
    bare = write_weighted(tmp_path / f"bare{suffix}", kind=kind, column="w2" if task == "text" else "w")
    if task == "classify":  # a foreign column would be a channel
        bare.write_text("\n".join(",".join(cell for place, cell in enumerate(line.split(",")) if place != (4 if kind == "long" else 1)) for line in bare.read_text().splitlines()))
    for path in (data, bare):  # to predict, weights are not read, and may be missing
        assert len(run("predict", folder, path).stdout.splitlines()) == 13
    assert "'w'" in run("score", folder, bare, code=1).stderr
    assert "by weight" not in run("score", folder, bare, "--weight-column", "").stdout


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", ["-1", "heavy", "", "nan", "inf"])
def test_a_weight_in_a_file_that_cannot_be_is_named(tmp_path, kind, wrong):
    task, suffix = KINDS[kind]
    data = write_weighted(tmp_path / f"data{suffix}", kind=kind, weights=[1] * 6 + [wrong] + [1] * 5)
    told = run("fit", task, data, "--out", tmp_path / "run", "--weight-column", "w", *SMALL, code=1).stderr
    assert any(words in " ".join(told.split()) for words in ("'6'", "'s6'", "line 8")) and not (tmp_path / "run").exists()


def test_weights_that_a_file_cannot_have_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("__label__up going up\n__label__down falling\n" * 4)
    assert "no columns" in run("fit", "text", tmp_path / "a.txt", "--out", tmp_path / "run", "--weight-column", "w", *SMALL, code=1).stderr
    assert "no columns" in run("fit", "classify", "japanese_vowels", "--out", tmp_path / "run", "--weight-column", "w", *SMALL, code=1).stderr
    data = write_weighted(tmp_path / "data.csv", kind="rows")
    assert "'weight'" in run("fit", "text", data, "--out", tmp_path / "run", "--weight-column", "weight", *SMALL, code=1).stderr


def test_weights_may_have_decimal_commas(tmp_path):
    rows = [f"s{index};{step};{index},5;{('down', 'up')[index % 2]};{index % 2},5" for index in range(12) for step in range(2)]
    (tmp_path / "a.csv").write_text("\n".join(["id;time;x;label;w", *rows]))
    run("fit", "classify", tmp_path / "a.csv", "--out", tmp_path / "run", "--weight-column", "w", "--separator", ";", "--decimal", ",", *SMALL)
    assert json.loads((tmp_path / "run" / "evaluation.json").read_text())["data"]["train"]["weights"]["largest"] == 1.5
