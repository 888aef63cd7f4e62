"""`tenuto explain`: a page and values for rows of any task's data, and errors that say what to type."""

import re

import pytest

from tenuto.cli.explain import METHODS, SHOWN
from tenuto.explain import METHODS as KNOWN
from tenuto.explain import held, load
from tests.cli.command import run
from tests.explain.models import fitted


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A run that classifies texts, and a file of texts."""
    folder = tmp_path_factory.mktemp("explain")
    model, data = fitted("text")
    model.save(folder / "run")
    file = folder / "texts.csv"
    file.write_text("text,label\n" + "".join(f"{' '.join(words)},play\n" for words in data))
    return folder / "run", file


def test_a_page_and_values(text, tmp_path):
    result = run("explain", *text, "--rows", "0,2-3", "-o", tmp_path / "why.html", "--save", tmp_path / "why")
    assert result.exit_code == 0, result.output
    assert len(re.findall(r"item \d: answer \w+, \S+, \S+ unexplained", result.output)) == 3 and "item 2" in result.output
    page = (tmp_path / "why.html").read_text(encoding="utf-8")
    assert page.count("<figure") == 3 and "3 of 4 items" in page and "Item 2," in page and "Item 1," not in page
    assert len(load(tmp_path / "why")) == 3
    again = run("explain", *text, "-o", tmp_path / "why.html")
    assert again.exit_code == 1 and "exists already" in again.output
    assert run("explain", *text, "-o", tmp_path / "why.html", "--overwrite", "--method", "gradient").exit_code == 0


def test_states_are_on_the_page_and_among_the_values(text, tmp_path):
    result = run("explain", *text, "--rows", "2,0", "--method", "gradient", "--states", "-o", tmp_path / "why.html", "--save", tmp_path / "why")
    assert result.exit_code == 0, result.output
    page = (tmp_path / "why.html").read_text(encoding="utf-8")
    assert "What the network holds" in page and "States and gates are those of item 2; the rest is over 4 items" in page
    assert held.load(tmp_path / "why").names == ("2", "0", "1", "3") and len(load(tmp_path / "why")) == 2
    plain = run("explain", *text, "--rows", "0", "--method", "gradient", "-o", tmp_path / "plain.html")
    assert plain.exit_code == 0 and "What the network holds" not in (tmp_path / "plain.html").read_text(encoding="utf-8")


def test_methods_with_settings_targets_and_backgrounds(text, tmp_path):
    run_folder, file = text
    result = run("explain", *text, "--method", "shapley", "--setting", "players=words", "--target", "stop", "--rows", "1", "--background", file, "-o", tmp_path / "a.html")
    assert result.exit_code == 0, result.output
    assert "item 1: answer stop" in result.output and "3 items of a background" in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_a_check_is_told_and_shown(text, tmp_path):
    result = run("explain", *text, "--rows", "0-2", "--method", "gradient", "--check", "-o", tmp_path / "why.html", "--save", tmp_path / "why")
    assert result.exit_code == 0, result.output
    for name in ("Random weights", "Deletion and insertion", "One by one (CPD, CPP)", "Early and late"):
        assert re.search(rf"^{re.escape(name)}: \w+", result.output, re.MULTILINE), name
    assert "Can it be trusted?" in (tmp_path / "why.html").read_text(encoding="utf-8") and len(load(tmp_path / "why").trust.removals) == 3
    refused = run("explain", *text, "--method", "counterfactual", "--check", "-o", tmp_path / "no.html")
    assert refused.exit_code == 1 and "nothing to check" in refused.output and "leave the check out" in refused.output and not (tmp_path / "no.html").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "shaply"], "did you mean --method shapley?"),
        (["--rows", "1-x"], "cannot be read"),
        (["--rows", "9"], "there are 4 items"),
        (["--target", "later"], "no output 'later'"),
        (["--setting", "steps"], "is no setting of this method"),
        (["--setting", "steps=many"], "cannot be used"),
        (["--background", "other.csv"], "background 'other.csv' is not known"),
    ],
)
def test_what_cannot_be_is_an_error(text, tmp_path, words, said):
    result = run("explain", *text, "-o", tmp_path / "b.html", *words)
    assert result.exit_code == 1 and said in result.output and not (tmp_path / "b.html").exists()


def test_a_language_model_is_asked_line_by_line(tmp_path):
    model, _ = fitted("language")
    model.save(tmp_path / "run")
    (tmp_path / "lines.txt").write_text("do re\n\nfa sol\n")
    result = run("explain", tmp_path / "run", tmp_path / "lines.txt", "-o", tmp_path / "c.html")
    assert result.exit_code == 0, result.output
    assert result.output.count("item ") == 2


def test_the_help_names_every_method_and_the_usual_rows():
    assert set(KNOWN) <= set(METHODS.split(", ")) and SHOWN == "0-4"
