"""Encoders compared: what is trained, what follows from it, the folder that goes on, the page, the command."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import tenuto
from tenuto.cli.application import app
from tenuto.compare import Comparison, Difference, Summary
from tenuto.compare.page import build_comparison_report
from tenuto.compare.peak import Peak
from tenuto.engines.cpp import pool
from tenuto.errors import ArgumentError, RunError
from tenuto.report import build_report
from tenuto.runs.compare_folder import claim_comparison, is_comparison, read_comparison, write_comparison
from tenuto.scores.paired import holm, mean_interval, p_of, quantile, tail
from tenuto.tasks import SequenceClassifier

pytestmark = pytest.mark.usefixtures("reference_engine")


def data():
    x = [np.full((4 + i % 3, 1), i % 2 + 0.1 * (i % 5)) for i in range(30)]
    return x, ["low", "high"] * 15


def model(**options):
    return SequenceClassifier(**{"hidden_size": 8, "num_layers": 1, "epochs": 2, "batch_size": 8, "engine": "reference", **options})


def made(values, metric="validation_accuracy", direction="maximise"):
    """A comparison with these values by encoder, one for each seed."""
    runs = [
        {"encoder": name, "seed": seed, "value": value, "part": "validation", "curve": [value / 2, value], "best_epoch": 2, "epochs": 2, "steps": 8, "seconds": 1.5, "weights": 100, "bytes": 400, "memory_mib": None, "steps_per_s": 1e4, "cell": "LSTM"}
        for name, own in values.items() for seed, value in enumerate(own)
    ]  # fmt: skip
    return {
        "task": "classify", "title": "walks", "identity": {"options": {"epochs": 2, "cell": "lstm"}, "data": None}, "metric": metric, "direction": direction, "encoders": list(values),
        "seeds": sorted({run["seed"] for run in runs}), "runs": runs,
    }  # fmt: skip


def test_tails_of_students_t_are_those_of_tables():
    # Table 26.10 of Abramowitz & Stegun 1964
    for degrees, t in ((1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (30, 2.042)):
        assert tail(degrees, t) == pytest.approx(0.05, abs=1e-4)
        assert quantile(degrees, 0.95) == pytest.approx(t, abs=1e-3)
    assert tail(3, 0.0) == pytest.approx(1.0) and tail(5, 1e9) < 1e-12
    assert mean_interval([0.5])[0] == 0.5 and np.isnan(mean_interval([0.5])[1])
    assert p_of([0.3]) == 1.0 and p_of([0.0, 0.0]) == 1.0 and p_of([0.1, 0.1]) == 0.0
    assert p_of([0.1, 0.1, 0.1], rounded=0.1) == pytest.approx(tail(2, 3**0.5 * 6**0.5))
    assert holm([0.01, 0.02, 0.6]) == pytest.approx([0.03, 0.04, 0.6])


def test_p_is_even_where_nothing_differs():
    rng = np.random.default_rng(0)
    found = np.array([p_of(list(rng.normal(size=5))) for _ in range(2000)])
    assert abs((found < 0.05).mean() - 0.05) < 0.015 and abs((found < 0.5).mean() - 0.5) < 0.04


def test_what_is_real():
    found = Comparison(made({"b": [0.70, 0.72, 0.71, 0.69], "a": [0.80, 0.81, 0.80, 0.80], "c": [0.71, 0.70, 0.74, 0.66]}))
    assert [one.encoder for one in found.summaries] == ["a", "b", "c"] and isinstance(found.summaries[0], Summary)
    first, *others = found.differences
    assert isinstance(first, Difference) and (first.better, first.worse, first.real) == ("a", "b", True) and first.low > 0
    assert {(one.better, one.worse) for one in others if not one.real} == {("b", "c")}
    assert "a beside b: 9.8 points better" in str(found)  # 80.25 % beside 70.5 %: points, not per cent of it
    one_item = Comparison(made({"x": [0.9, 0.9, 0.9], "y": [0.8, 0.8, 0.8]}))
    assert one_item.grain == pytest.approx(0.1) and not one_item.differences[0].real  # three times the same item is no proof
    assert one_item.summaries[0].high <= 1.0
    for summary in Comparison(made({"x": [1.2, 1.3], "y": [0.1, 0.5]}, "validation_wer", "minimise")).summaries:  # a mean lies within its interval, also of error rates above 1
        assert 0 <= summary.low <= summary.mean <= summary.high and summary.high > 1
    lower = Comparison(made({"x": [2.0, 2.1], "y": [1.0, 1.1]}, "validation_loss", "minimise"))
    assert lower.differences[0].better == "y" and lower.differences[0].mean == pytest.approx(-1.0) and "y beside x: 1 better" in str(lower)
    assert not Comparison(made({"x": [2.0], "y": [1.0]})).differences


def test_encoders_are_trained_alike_and_a_stopped_comparison_goes_on(tmp_path):
    x, y = data()
    given, told = model(), []
    with pytest.raises(KeyboardInterrupt):  # after two of four trainings

        def stop(run):
            told.append(run["encoder"])
            if len(told) == 2:
                raise KeyboardInterrupt

        tenuto.compare(given, x, y, encoders=["gru", "transformer"], seeds=2, folder=tmp_path / "runs", ended=stop)
    assert told == ["gru", "transformer"] and len(read_comparison(tmp_path / "runs")["runs"]) == 2 and is_comparison(tmp_path / "runs")
    found = tenuto.compare(given, x, y, encoders=["gru", "transformer"], seeds=2, folder=tmp_path / "runs", ended=lambda run: told.append(run["seed"]))
    assert told[2:] == [1, 1] and not hasattr(given, "network_")
    once = tenuto.compare(given, x, y, encoders=["gru", "transformer"], seeds=2)
    for name in ("gru", "transformer"):
        assert found.values(name) == once.values(name) and set(found.values(name)) == {0, 1}
    assert {run["cell"] for run in found.results["runs"] if run["encoder"] == "gru"} == {"GRU"} and {run["steps"] for run in found.results["runs"]} == {found.results["runs"][0]["steps"]}
    more = tenuto.compare(given, x, y, encoders=["rnn", "gru"], seeds=1, folder=tmp_path / "runs")
    assert [run["encoder"] for run in more.results["runs"]].count("rnn") == 2  # each encoder with all seeds
    with pytest.raises(RunError, match=r"holds another comparison\.\n  expected  the same options and data\n  received  epochs 2"):
        tenuto.compare(model(epochs=3), x, y, encoders=["gru", "rnn"], folder=tmp_path / "runs")
    page = build_report(tmp_path / "runs").read_text()
    assert page == build_comparison_report(tmp_path / "runs").read_text() and "Which difference is real" in page and "transformer" in page


def test_what_cannot_be_compared_is_said_before_training(tmp_path):
    x, y = data()
    for encoders, match in ((["gru"], "cannot be compared"), (["gru", "gru"], "cannot be compared"), (["gru", "gro"], "the encoder gro: .*not known")):
        with pytest.raises(ArgumentError, match=match):
            tenuto.compare(model(), x, y, encoders=encoders)
    with pytest.raises(ArgumentError, match="the encoder transformer: hidden_size=12 does not divide"):
        tenuto.compare(model(hidden_size=12), x, y, encoders=["gru", "transformer"])
    with pytest.raises(ArgumentError, match="seeds=0 is out of range"):
        tenuto.compare(model(), x, y, encoders=["gru", "rnn"], seeds=0)
    with pytest.raises(ArgumentError, match="is no number to count seeds from"):
        tenuto.compare(model(random_state=None), x, y, encoders=["gru", "rnn"])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(RunError, match="is not empty, and what it holds is not a comparison"):
        claim_comparison(tmp_path / "mine")
    (tmp_path / "broken").mkdir()
    write_comparison(tmp_path / "broken", {"runs": []})
    with pytest.raises(RunError, match="lacks something that its page shows"):
        build_comparison_report(tmp_path / "broken")
    assert claim_comparison(tmp_path / "broken", overwrite=True) is None


def test_memory_at_its_peak():
    with Peak() as peak:
        np.ones(2**22).sum()  # 32 MiB
    assert peak.mib is None or peak.mib > 20


@pytest.mark.parametrize("taken", [lambda: [torch.ones(4_000) for _ in range(3_000)], lambda: pool.of_shape((12_000_000,), torch.float32).fill_(1)], ids=["heap", "pool"])
def test_what_was_freed_before_is_counted_again(taken):
    peaks = []
    for _ in range(3):
        with Peak() as peak:
            held = taken()
        del held
        peaks.append(peak.mib)
    assert None in peaks or min(peaks) > 40  # of 46



def test_the_page_of_many_encoders(tmp_path):
    names = ["lstm", "gru", "transformer", "hybrid", "dnc"]
    found = Comparison(made({name: list(0.6 + 0.05 * place + 0.01 * np.arange(3)) for place, name in enumerate(names)}))
    page = found.to_html(tmp_path / "page.html").read_text()
    assert all(name in page for name in names) and "may be chance" not in page
    beside = made({"x": [0.75, 0.75], "y": [0.5, 0.5]})
    for run, mib in zip(beside["runs"], (60.0, 11.0, 14.0, 13.0)):  # the first training of all also loads what all need
        run["memory_mib"] = mib
    assert [one.memory_mib for one in Comparison(beside).summaries] == [11.0, 13.0]
    page = Comparison(beside).to_html(tmp_path / "page.html").read_text()
    assert "25.0 points" in page and "11 MiB" in page


def test_the_command(tmp_path):
    x, y = data()
    lines = [f"{number},{step},{float(value)},{label}" for number, (one, label) in enumerate(zip(x, y)) for step, value in enumerate(one[:, 0])]
    (tmp_path / "walks.csv").write_text("\n".join(["id,time,c,label", *lines, ""]))
    given = ["compare", "classify", str(tmp_path / "walks.csv"), "--encoders", "gru, rnn", "--seeds", "2", "--epochs", "1", "--hidden-size", "4", "--num-layers", "1", "--out", str(tmp_path / "out"), "--quiet"]
    found = CliRunner().invoke(app, given)
    assert found.exit_code == 0, found.output
    assert "beside" in found.output and (tmp_path / "out" / "report.html").is_file()
    results = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert results["metric"] == "validation_accuracy" and len(results["runs"]) == 4 and results["identity"]["data"]
    before = results["created"]
    assert CliRunner().invoke(app, given).exit_code == 0 and json.loads((tmp_path / "out" / "compare.json").read_text())["created"] == before
    assert "another comparison" in CliRunner().invoke(app, [*given, "--learning-rate", "0.5"]).output
