"""The commands of a forecaster on the series that comes with tenuto, and its page."""

import csv
import io
import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from tenuto.cli import app
from tenuto.data.sets import path_of

QUICK = ("--max-steps", 3, "--hidden-size", 4, "--cell", "gru", "-q")


def run(*words, code=0):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("air") / "run"
    return folder, run("fit", "forecast", "air_passengers", "--test-steps", 24, "--out", folder, *QUICK)


def test_the_result_stands_beside_the_lines(fitted):
    folder, said = fitted
    assert "season 12" in said and "forecasts of 1 series" in said
    evaluation = json.loads((folder / "evaluation.json").read_text())
    lines = {line["name"]: line for line in evaluation["results"]["test"]["lines"]}
    assert list(lines) == ["naive", "seasonal naive", "drift", "seasonal naive + drift", "Holt-Winters", "Theta"]
    assert all(0 < line["mase"] < 10 for line in lines.values()) and evaluation["data"]["train"]["steps"] == 144 - 24 - 12
    assert "Theta" in run("score", folder, "air_passengers") and "interval of 80 %" in run("score", folder, "air_passengers")


def test_forecasts_are_rows(fitted, tmp_path):
    rows = list(csv.DictReader(io.StringIO(run("predict", fitted[0], "air_passengers", "--steps", 3))))
    assert [row["ds"] for row in rows] == ["1961-01-01", "1961-02-01", "1961-03-01"]
    assert list(rows[0]) == ["ds", "Forecaster", "Forecaster-lo-80", "Forecaster-hi-80", "Forecaster-lo-95", "Forecaster-hi-95"]
    assert all(100 < float(row["Forecaster"]) < 1000 for row in rows)
    other = list(csv.DictReader(io.StringIO(run("predict", fitted[0], "air_passengers", "--answer-quantiles", "0.1,0.5"))))
    assert list(other[0]) == ["ds", "Forecaster", "Forecaster-q0.1", "Forecaster-q0.5"] and len(other) == 12
    assert "h=99" not in (refused := run("predict", fitted[0], "air_passengers", "--steps", 99, code=1)) and "99 is out of range" in refused
    assert run("forecast", fitted[0], "--steps", 3) == run("predict", fitted[0], "air_passengers", "--steps", 3)


def test_later_values_are_a_test_and_columns_have_other_names(tmp_path):
    whole = pd.read_csv(path_of("air_passengers")).rename(columns={"ds": "month", "y": "people"})
    whole[:120].to_csv(tmp_path / "before.csv", index=False)
    whole[120:].to_csv(tmp_path / "after.csv", index=False)
    names = ("--stamp-column", "month", "--y-column", "people")
    run("fit", "forecast", tmp_path / "before.csv", "--test", tmp_path / "after.csv", "--out", tmp_path / "run", *names, *QUICK)
    result = json.loads((tmp_path / "run" / "evaluation.json").read_text())["results"]["test"]
    assert result["forecasts"] == 4 and result["values"] == 48
    assert "1959-01-01" in run("predict", tmp_path / "run", tmp_path / "before.csv")
    assert "has no column 'ds'" in run("fit", "forecast", tmp_path / "before.csv", *QUICK, code=1)
    run("fit", "forecast", tmp_path / "before.csv", "--test", path_of("air_passengers"), "--out", tmp_path / "with", *QUICK, code=1)  # other names of columns
    whole.to_csv(tmp_path / "whole.csv", index=False)
    run("fit", "forecast", tmp_path / "before.csv", "--test", tmp_path / "whole.csv", "--out", tmp_path / "with", *names, *QUICK)
    assert json.loads((tmp_path / "with" / "evaluation.json").read_text())["results"]["test"] == result  # what training had is only read
    assert "the test part has only values that training has too" in run("fit", "forecast", tmp_path / "whole.csv", "--test", tmp_path / "before.csv", *names, *QUICK, code=1)
    whole[:1].to_csv(tmp_path / "one.csv", index=False)
    assert "the frequency cannot be found" in run("forecast", tmp_path / "run", tmp_path / "one.csv", *names, code=1)
    assert "1949-02-01" in run("forecast", tmp_path / "run", tmp_path / "one.csv", "--freq", "MS", *names)
    whole.drop(index=5).to_csv(tmp_path / "gap.csv", index=False)
    assert "no row for 1949-06-01" in run("fit", "forecast", tmp_path / "gap.csv", *names, *QUICK, code=1)


def test_the_page_shows_lines_steps_and_fans(fitted):
    page = (fitted[0] / "report.html").read_text()
    for said in ("Beside simple lines", "By step ahead", "Forecasts", "seasonal naive + drift", "Holt-Winters", "cutoff", 'class="band first"', "From one cutoff after another", "1958-12-01", "By month", ">Feb</text>", "4 values at each place"):
        assert said in page, said


def test_a_density_and_its_paths(tmp_path):
    said = run("fit", "forecast", "air_passengers", "--head", "density", "--distribution", "gaussian", "--samples", 20, "--horizon", 3, "--out", tmp_path / "run", *QUICK)
    assert "season 12" in said
    rows = list(csv.DictReader(io.StringIO(run("forecast", tmp_path / "run", "--paths", "--steps", 2))))
    assert len(rows) == 40 and list(rows[0]) == ["ds", "path", "Forecaster"] and {row["path"] for row in rows} == {str(path) for path in range(20)}
    assert "Density" in (tmp_path / "run" / "report.html").read_text()
