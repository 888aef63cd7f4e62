"""Which engine runs, how a user asks for another, and what the report says."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import tenuto
from tenuto.cells import GRU, LSTM, Elman, ProjectionLSTM, RecurrentDropout
from tenuto.engines import Engine, EngineReport, Yes, choose, engine_names, report
from tenuto.engines.problem import Form, Problem
from tenuto.errors import ArgumentError, EngineError


def problem(cell, **options):
    return Problem(Form(cell, **options), 7, 3, 4, 8, torch.float64, torch.device("cpu"), True)


def test_the_reference_runs_everything():
    engine: Engine = choose(problem(LSTM()), "reference")
    assert engine.supports(problem(LSTM("relu"), resets=True))
    assert engine_names()[-1] == "reference"
    assert choose(problem(LSTM("relu"), resets=True), "reference").name == "reference"


def test_asking_for_an_engine_that_cannot_run():
    with pytest.raises(EngineError, match="the engine 'vendor' cannot run this: torch has no kernel") as caught:
        choose(problem(LSTM("relu")), "vendor")
    assert "can, or leave it at 'auto'" in str(caught.value)


def test_the_environment_chooses(monkeypatch):
    monkeypatch.setenv("TENUTO_ENGINE", "reference")
    assert choose(problem(LSTM())).name == "reference"
    assert choose(problem(LSTM()), "vendor").name == "vendor"
    monkeypatch.setenv("TENUTO_ENGINE", "fastest")
    with pytest.raises(ArgumentError, match="the environment variable TENUTO_ENGINE is 'fastest'"):
        choose(problem(LSTM()))


def test_unknown_names():
    with pytest.raises(ArgumentError, match="engine is 'cuda'"):
        tenuto.Recurrent(Elman(), 3, 4, engine="cuda")


def test_the_report_gives_every_engines_answer(monkeypatch):
    monkeypatch.delenv("TENUTO_ENGINE", raising=False)
    made = report(problem(LSTM("relu")), "reference")
    assert isinstance(made, EngineReport)
    assert made.chosen == "reference"
    assert isinstance(made.answers["reference"], Yes)
    assert set(made.answers) == set(engine_names())
    text = str(made)
    assert "T=7 B=3 I=4 H=8, float64 cpu, training" in text
    assert "vendor     cannot     torch has no kernel" in text
    assert "reference  runs" in text


def test_forms_have_numbers_of_their_own_whichever_threads_ask():
    flags = list(itertools.product((False, True), repeat=4))
    forms, again = ([Form(GRU("relu"), *each) for each in flags] for _ in range(2))
    with ThreadPoolExecutor(8) as pool:
        numbers, others = list(pool.map(lambda form: form.number, forms)), list(pool.map(lambda form: form.number, again))
    assert len(set(numbers)) == len(forms) and numbers == others


def test_the_shapes_of_a_problem():
    cell = RecurrentDropout(GRU(heads=2))
    assert problem(cell, lengths=True, resets=True).shapes() == {
        "x": (7, 3, 4), "weight_ih": (24, 4), "bias": (24,), "U.of_r": (24, 4), "p.recurrent_bias": (8,), "s.h": (3, 8), "r.h": (3, 8),
        "stream.dropout_mask": (7, 3, 8), "lengths": (3,), "resets": (7, 3),
    }  # fmt: skip
    assert problem(ProjectionLSTM(5), bias=False).shapes() == {
        "x": (7, 3, 4), "weight_ih": (32, 4), "U.h": (32, 5), "U.of_r": (5, 8), "s.h": (3, 5), "s.c": (3, 8),
    }  # fmt: skip
