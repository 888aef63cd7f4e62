"""The commands of a classifier of recordings on the digits that come with tenuto, and its page."""

import base64
import csv
import io
import json

import pytest
from typer.testing import CliRunner

from tenuto.cli import app
from tenuto.data.sets import path_of


def run(*words, code=0):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    lines = (path_of("spoken_digits") / "metadata.csv").read_text().replace("path,", "file,").splitlines()
    few = [lines[0], *(line.replace(line.split(",")[0], str(path_of("spoken_digits") / line.split(",")[0])) for line in lines[1:200:2]), "gone.flac,,,1,one,george,train"]
    (folder / "list.csv").write_text("\n".join(few) + "\n")
    said = run("fit", "sounds", folder / "list.csv", "--audio-column", "file", "--hidden-size", 16, "--max-steps", 60, "-o", folder / "run", "-q")
    return folder, said


def test_a_list_is_learnt_and_what_cannot_be_read_is_said(fitted):
    folder, said = fitted
    assert "of 29 recordings" in said and "left out    gone.flac: there is no file" in said
    data = json.loads((folder / "run" / "evaluation.json").read_text())["data"]
    assert data["train"]["rejected"] == 1 and data["test"]["sequences"] == 29 and data["train"]["class_counts"]["0"] == 7
    rows = list(csv.DictReader(io.StringIO(run("predict", folder / "run", folder / "list.csv", "--split", "train", "--probabilities"))))
    assert rows[0]["id"].endswith("george.flac@0.888875") and len([name for name in rows[0] if name.startswith("p(")]) == 10
    assert rows[-1]["id"] == "gone.flac" and "no file" in rows[-1]["left_out"] and rows[0]["left_out"] == ""
    assert "accuracy" in run("score", folder / "run", "spoken_digits", "--audio-column", "path") and "there is no column" not in said


def test_the_page_can_be_looked_at_and_listened_to(fitted):
    page = (fitted[0] / "run" / "report.html").read_text()
    assert "left out" in page and page.count("<audio controls") == 4
    sound = base64.b64decode(page.split("data:audio/wav;base64,")[1].split('"')[0])
    assert sound[:4] == b"RIFF" and 2000 < len(sound) < 20_000
