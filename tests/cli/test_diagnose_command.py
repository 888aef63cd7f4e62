"""`tenuto diagnose`: a page for a run and data, and errors that say what to type."""

import pytest

from tests.cli.command import run
from tests.explain.models import fitted


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A run that classifies texts, and a file of texts."""
    folder = tmp_path_factory.mktemp("diagnose")
    model, data = fitted("text")
    model.save(folder / "run")
    file = folder / "texts.csv"
    file.write_text("text,label\n" + "".join(f"{' '.join(words)},play\n" for words in data))
    return folder / "run", file


def test_a_page(text, tmp_path):
    result = run("diagnose", *text, "-o", tmp_path / "why.html", "--share", "0.1", "--exponents", "2")
    assert result.exit_code == 0, result.output
    assert "largest Lyapunov exponent" in result.output and "(0.1)" in result.output
    page = (tmp_path / "why.html").read_text(encoding="utf-8")
    assert "What follows" in page and "memory horizon" in page and "below 10.0 % of its largest value" in page
    again = run("diagnose", *text, "-o", tmp_path / "why.html")
    assert again.exit_code == 1 and "--overwrite" in again.output
    wrong = run("diagnose", *text, "-o", tmp_path / "b.html", "--share", "2")
    assert wrong.exit_code == 1 and "--share 2" in wrong.output or "share=2" in wrong.output
