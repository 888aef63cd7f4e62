"""What a command says when something is wrong: in the words of a command line, with the flag; Python says the same with the argument's name."""

import re

import numpy as np
import pytest

from tenuto.cli.flags import flags
from tenuto.data.sets import SETS
from tenuto.errors import TenutoError
from tenuto.tasks import cards
from tenuto.tasks.option import options_of, typed_options
from tenuto.tasks.task import load
from tests.cli.test_commands import CELL, SMALL, place, run, write_table  # noqa: F401

# Words that only Python knows.
PYTHON = re.compile(r"(?<![-\w])[a-z][a-z_]*=|\b(None|True|False|Sequences|Sentences|Pairs|Columns)\b|\w\(|\bSequenceClassifier\b|\b[a-z]+_(size|column|state|by|norm)\b")
every_task = pytest.mark.parametrize("card", cards(), ids=lambda card: card.command)


COLUMNS = ("known", "past", "static", "keywords")  # only the data can say that such a column, or label, is not there


def message(result):
    """The error, without the paths in it and the fields of cells, which are typed as NAME=VALUE."""
    return re.sub(r"/\S+", "PATH", re.sub(r"\b(activation|activatoin|projection)=\w+", "", result.stderr.partition("error ")[2]))


@every_task
def test_an_option_that_is_wrong_is_named_by_its_flag(card, tmp_path):
    (tmp_path / "data.csv").write_bytes(b"\xff\x00 no data")  # an error about it would come too early
    for known in typed_options(card.options):
        if known.kind is bool or known.cell or known.path or known.name in COLUMNS:
            continue
        flag = (known.flag or "--" + known.typed.replace("_", "-")).partition("/")[0]
        for wrong in [{int: "-7", float: "nan"}.get(known.kind, "banana")]:
            result = run("fit", card.command, tmp_path / "data.csv", "--out", tmp_path / "new", f"{flag}={wrong}", "--epochs", "1", code=1) if known.name != "epochs" else run(
                "fit", card.command, tmp_path / "data.csv", f"{flag}={wrong}", code=1
            )
            said = message(result)
            assert (f"{flag} {wrong}" in said or wrong in said) and "data.csv" not in said, said
            assert not PYTHON.search(said), said
    assert not (tmp_path / "new").exists()


@every_task
def test_python_names_the_argument_where_a_command_names_the_flag(card):
    for known in options_of(card.options):
        if known.kind is bool or known.cell or known.path or known.name in COLUMNS:
            continue
        wrong = {int: -7, float: float("nan"), str: "banana"}[known.kind] if known.items is None else "banana"
        with pytest.raises(TenutoError) as error:
            load(card.estimator)(**{known.name: wrong}).check()
        said = error.value.said(flags)
        assert not PYTHON.search(said), said
        assert "--" not in str(error.value).replace("--tag", ""), str(error.value)


FAILURES = [
    (["fit", "classify", "{here}/walk.csv"], "no file or folder", "did you mean {here}/walks.csv?"),
    (["fit", "classify", "japanese_vowel"], "no file or folder", "did you mean japanese_vowels?"),
    (["fit", "clasify", "japanese_vowels"], "", "classify"),
    (["fit", "classify", "{here}/walks.csv", "--cell", "lstn"], "there is no cell 'lstn'", "did you mean lstm?"),
    (["fit", "classify", "{here}/walks.csv", "--cell", "LayerNorm"], "there is no cell", "did you mean layer-norm-lstm?"),
    (["fit", "classify", "{here}/walks.csv", "--cell", "{here}/own.py"], "does not say which of its cells is meant", "own.py:Branches"),
    (["fit", "classify", "{here}/walks.csv", "--cell", "{here}/own.py:Branch"], "defines no Branch", "did you mean Branches?"),
    (["fit", "classify", "{here}/walks.csv", "--cell", "{here}/owm.py:Branches"], "there is no file", "own.py"),
    (["fit", "classify", "{here}/walks.csv", "--cell-field", "activation=rellu"], "no activation is called 'rellu'", "did you mean relu?"),
    (["fit", "classify", "{here}/walks.csv", "--cell-field", "activatoin=relu"], "has no field 'activatoin'", "did you mean activation=relu?"),
    (["fit", "classify", "{here}/walks.csv", "--cell", "projection-lstm"], "needs a value", "--cell-field projection=VALUE"),
    (["fit", "classify", "{here}/walks.csv", "--select-by", "validation_acuracy"], "no measure", "did you mean validation_accuracy?"),
    (["fit", "classify", "{here}/walks.csv", "--select-by", "accuracy"], "no measure", "did you mean validation_accuracy?"),
    (["fit", "classify", "{here}/walks.csv", "--select-by", "validation_span_f1"], "no 'validation_span_f1'", "validation_accuracy"),
    (["tune", "classify", "{here}/walks.csv", "--metric", "validation_acuracy"], "no measure", "did you mean validation_accuracy?"),
    (["tune", "classify", "{here}/walks.csv", "--metric", "validation_exact"], "no 'validation_exact'", "validation_accuracy"),
    (["tune", "classify", "{here}/walks.csv", "--search-seed", "-1"], "--search-seed -1 is out of range", "0 or more"),
    (["fit", "classify", "{here}/walks.csv", "--seed", "-1"], "--seed -1 is out of range", "0 or more"),
    (["fit", "classify", "{here}/walks.csv", "--seed", str(2**63)], "is out of range", "0 or more"),
    (["demo", "--seed", "-1", "--out", "{here}/new"], "--seed -1 is out of range", "0 or more"),
    (["fit", "classify", "{here}/walks.csv", "--device", "banana"], "--device banana is not known", "--device cpu"),
    (["fit", "classify", "{here}/walks.csv", "--device", "cuda:77"], "--device cuda:77 cannot be used here", "--device cpu"),
    (["predict", "{place}/run", "{here}/walks.csv", "--device", "banana"], "--device banana is not known", "--device cpu"),
    (["score", "{place}/run", "{here}/walks.csv", "--device", "cuda:77"], "--device cuda:77 cannot be used here", "--device cpu"),
    (["score", "{place}/run", "{here}/walks.csv", "--split", "tets"], "'tets' is not a split", "did you mean test?"),
    (["predict", "{place}/runn", "{here}/walks.csv"], "there is no run folder", "did you mean {place}/run?"),
    (["score", "{place}/run", "{here}/unlabelled.csv"], "no labels", "--label-column"),
    (["fit", "classify", "{here}/unlabelled.csv"], "no labels", "--label-column"),
    (["fit", "text", "{here}/walks.csv"], "there is no column 'text'", ""),
    (["fit", "language", "{here}/walks.txt", "--jitter", "--sampling", "windows"], "--jitter needs --sampling stream", "--no-jitter"),
    (["fit", "language", "{here}/walks.txt", "--tied", "--cutoffs", "3"], "exclude each other", "--untied"),
    (["fit", "language", "{here}/walks.txt", "--recipe", "awd-lstn"], "no recipe", "did you mean awd-lstm?"),
    (["fit", "translate", "{here}/walks.txt", "--attention", "none", "--input-feeding"], "--attention none", "leave --input-feeding out"),
    (["fit", "text", "{here}/walks.txt", "--word-size", "0", "--character-encoder", "none"], "--word-size 0", "--character-encoder recurrent"),
    (["show", "grru"], "there is no cell 'grru'", "did you mean gru?"),
]


@pytest.mark.parametrize("words, what, mend", FAILURES, ids=lambda value: " ".join(value)[:70] if isinstance(value, list) else "")
def test_failures_are_told_in_the_words_of_a_command_line(place, tmp_path, monkeypatch, words, what, mend):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(CELL)
    (tmp_path / "walks.txt").write_text("a walk in the park\n" * 40)
    write_table(tmp_path / "walks.csv")
    write_table(tmp_path / "unlabelled.csv", 4, labelled=False)
    result = run(*(word.format(here=tmp_path, place=place) for word in words), code=2 if "clasify" in words else 1)
    said = " ".join(re.sub("[│╭╮╰╯─]", " ", result.stderr).split())
    assert what in said and mend.format(here=tmp_path, place=place) in said, said
    assert not PYTHON.search(message(result)) and "Traceback" not in result.output, message(result)
    assert not list((tmp_path / "runs").glob("*")) and not (tmp_path / "new").exists()


def test_a_folder_of_which_one_part_is_taken_is_told_so(place, tmp_path):  # noqa: F811
    for name in ("train", "test"):
        write_table(tmp_path / f"{name}.csv", 8)
    for command in ("predict", "score"):
        said = run(command, place / "run", tmp_path).stderr
        assert "test.csv is taken" in said and "--split" in said
        assert "is taken" not in run(command, place / "run", tmp_path, "--split", "train").stderr
        assert "is taken" not in run(command, place / "run", tmp_path / "train.csv").stderr
    lines = (tmp_path / "train.csv").read_text().splitlines()
    split = [lines[0] + ",split", *(f"{line},{'test' if line.startswith(('s0', 's1')) else 'train'}" for line in lines[1:])]
    (tmp_path / "split.csv").write_text("\n".join(split))
    assert "the part test is taken" in run("predict", place / "run", tmp_path / "split.csv").stderr
    x = np.zeros((4, 2))
    np.savez(tmp_path / "parts.npz", x_train=x, len_train=[4], x_test=x, len_test=[2, 2], channels=["c0", "c1"])
    assert "the part test is taken" in run("predict", place / "run", tmp_path / "parts.npz").stderr


def test_help_shows_every_bracket():
    """rich takes a word in brackets for a style, and leaves it out."""
    said = " ".join(run("tune", "classify", "--help").output.split())
    assert "its table [search] says" in re.sub(r"[│\s]+", " ", said) and "Without a table [search] in" in said
    assert "[64, 128, 256]" in said
    assert "tenuto[text]" in re.sub(r"[│\s]+", "", run("fit", "language", "--help").output)
    for card in cards():
        for command in ("fit", "tune"):
            shown = re.sub(r"[│\s]+", "", run(command, card.command, "--help").output)
            for known in typed_options(card.options):
                for word in re.findall(r"\[[^\]]*\]", known.said):
                    assert re.sub(r"\s+", "", word) in shown


def test_a_cell_is_listed_under_one_name():
    from tenuto.cells.names import CELLS

    assert len(set(CELLS.values())) == len(CELLS)
    listed = run("show").stdout
    assert "elman" not in listed and "reset-before-gru" not in listed and "gru-reset-before" in listed
    for name in ("elman", "Elman", "rnn", "ResetBeforeGRU", "reset-before-gru", "gru_reset_before"):
        assert run("show", name, "--maths").exit_code == 0
    assert "elman" not in run("show", "xyz", code=1).stderr
    for words in (["predict", "--help"], ["fit", "classify", "--help"], ["score", "--help"], ["show", "--help"]):
        assert "FILE:CLASS" not in run(*words).output


def test_the_sets_are_known_by_name():
    assert "japanese_vowels" in SETS


def test_a_run_of_a_cell_of_ones_own_says_what_to_type(tmp_path, monkeypatch):
    from tenuto.runs.folder import own_cells_of

    folder = tmp_path / "run"
    (folder / "unfinished").mkdir(parents=True)
    (folder / "unfinished" / "config.toml").write_text('task = "translate"\n[the_network]\ncell = "my cells.py:Leaky"\ndecoder_cell = "other.py:B"\nhidden_size = 3\n')
    assert own_cells_of(folder) == " --cell 'my cells.py:Leaky' --decoder-cell other.py:B"
    said = run("predict", folder, "japanese_vowels", code=1).stderr
    assert f"tenuto fit --resume {folder} --cell 'my cells.py:Leaky' --decoder-cell other.py:B" in said
    (folder / "unfinished" / "config.toml").write_text('cell = "gru"\n')
    assert own_cells_of(folder) == ""
