"""The commands of a detector on the example that the README shows, its page, and files of other forms."""

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from tenuto.cli import app

MACHINE = Path(__file__).parents[3] / "examples" / "data" / "machine.csv"
QUICK = ("--epochs", 8, "--hidden-size", 8, "--cell", "gru", "-q")


def run(*words, code=0):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("machine") / "run"
    return folder, run("fit", "anomalies", MACHINE, "--test-steps", 300, "--out", folder, *QUICK)


def test_the_result_stands_beside_chance(fitted):
    folder, said = fitted
    assert "event F1" in said and "chance" in said
    result = json.loads((folder / "evaluation.json").read_text())["results"]["test"]
    assert result["known_events"] == 5 and result["values"] == 300 and result["vus_pr"] > 2 * result["vus_pr_random"] and result["recall"] >= 0.8
    scored = run("score", folder, MACHINE)
    assert "VUS-PR" in scored and "1,199 values in 1 series" in scored


def test_scores_are_rows(fitted, tmp_path):
    rows = list(csv.DictReader(io.StringIO(run("predict", fitted[0], MACHINE))))
    assert len(rows) == 1200 and list(rows[0]) == ["ds", "y", "AnomalyDetector", "score", "anomaly"]
    assert rows[0]["score"] == "" and float(rows[930]["score"]) > 10 and rows[930]["anomaly"] == "True"
    alarms = list(csv.DictReader(io.StringIO(run("predict", fitted[0], MACHINE, "--only-alarms"))))
    assert [row["ds"] for row in alarms] == [row["ds"] for row in rows if row["anomaly"] == "True"] and len(alarms) < 100
    assert "forecasts nothing" in run("forecast", fitted[0], code=1)


def test_without_labels_and_with_others_names(tmp_path):
    whole = pd.read_csv(MACHINE)
    whole.drop(columns="anomaly")[:700].to_csv(tmp_path / "plain.csv", index=False)
    said = run("fit", "anomalies", tmp_path / "plain.csv", "--test-steps", 100, "--out", tmp_path / "plain", *QUICK)
    assert "threshold" in said and "alarm" in said
    assert "it is not known how many are found" in run("score", tmp_path / "plain", tmp_path / "plain.csv")
    whole.rename(columns={"anomaly": "broken"}).to_csv(tmp_path / "named.csv", index=False)
    run("fit", "anomalies", tmp_path / "named.csv", "--anomaly-column", "broken", "--test-steps", 300, "--out", tmp_path / "named", *QUICK)
    assert json.loads((tmp_path / "named" / "evaluation.json").read_text())["results"]["test"]["known_events"] == 5


def test_the_page_shows_scores_and_events(fitted):
    page = (fitted[0] / "report.html").read_text()
    for said in ("Beside chance", "Series and scores", "VUS-PR", "threshold", "known anomaly", 'class="band third"', "5 known test events"):
        assert said in page, said
