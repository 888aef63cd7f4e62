"""Which engine "auto" takes where torch also has a kernel: this is measured and remembered, and measured only where it pays."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch

from tenuto import cells
from tenuto.engines import contest
from tenuto.engines.problem import Form, Problem, Result


class Clock:
    """A clock that moves only when an engine moves it."""

    now = 0.0


class Sleeper:
    """An engine that takes `seconds` by that clock for a forward pass, and as long for a backward pass."""

    def __init__(self, name, seconds):
        self.name, self.seconds, self.calls = name, seconds, 0

    def forward(self, form, inputs, keep):
        self.calls += 1
        Clock.now += self.seconds
        return Result(inputs["x"].clone(), [inputs["s.h"].clone()], [])

    def backward(self, form, inputs, result, d_output, d_final, needs):
        Clock.now += self.seconds
        return {}


def problem(steps=50, rows=16, hidden=64, **form):
    return Problem(Form(cells.GRU(), **form), steps, rows, 64, hidden, torch.float32, torch.device("cpu"), True)


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    monkeypatch.setattr(contest, "_known", {})
    monkeypatch.setattr(contest, "_alike", {})
    monkeypatch.setattr(contest, "_spent", 0.0)
    monkeypatch.setattr(contest, "time", SimpleNamespace(perf_counter=lambda: Clock.now))


@pytest.mark.parametrize(("ours", "theirs", "expected"), [(0.02, 0.017, "theirs"), (0.02, 0.019, "ours"), (0.004, 0.02, "ours")])
def test_the_faster_engine_and_ours_where_it_is_close(tmp_path, ours, theirs, expected):
    engines = Sleeper("ours", ours), Sleeper("theirs", theirs)
    assert contest.winner(problem(), *engines, tmp_path / "contests.json").name == expected
    calls = engines[0].calls
    assert calls >= 3
    assert contest.winner(problem(), *engines, tmp_path / "contests.json").name == expected
    contest._known.clear()  # like another process, which reads the result from the disk
    assert contest.winner(problem(steps=60), *engines, tmp_path / "contests.json").name == expected  # 50 and 60 steps count as the same size
    assert (engines[0].calls == calls) == (expected == "ours")  # if the other won, the next processes measure again
    assert list(json.loads((tmp_path / "contests.json").read_text()).values()) == [2 * (expected == "theirs")]


def test_a_win_of_the_other_engine_is_believed_after_three_processes(tmp_path):
    engines, file = (Sleeper("ours", 0.004), Sleeper("theirs", 0.001)), tmp_path / "contests.json"
    calls = []
    for _ in range(4):
        contest._known.clear()
        assert contest.winner(problem(), *engines, file).name == "theirs"
        calls.append(engines[0].calls)
    assert calls[0] < calls[1] < calls[2] == calls[3]
    contest._spent = 0.0
    file.unlink()
    contest._known.clear()
    contest.winner(problem(), *engines, file)
    engines[1].seconds = 0.02  # it won by chance; now it is slower
    contest._known.clear()
    assert contest.winner(problem(), *engines, file).name == "ours"
    assert list(json.loads(file.read_text()).values()) == [0]


def test_the_first_calls_in_which_an_engine_learns_do_not_count(tmp_path):
    class Learner(Sleeper):
        def forward(self, form, inputs, keep):
            self.seconds = 0.02 if self.calls < 4 else 0.004
            return super().forward(form, inputs, keep)

    engines = Learner("ours", 0.0), Sleeper("theirs", 0.01)
    assert contest.winner(problem(), *engines, tmp_path / "contests.json").name == "ours"


@pytest.mark.parametrize("given", [problem(steps=1, rows=1), problem(lengths=True), problem(resets=True)])
def test_nothing_is_measured_where_it_does_not_pay(tmp_path, given):
    engines = Sleeper("ours", 1.0), Sleeper("theirs", 0.0)
    assert contest.winner(given, *engines, tmp_path / "contests.json").name == "ours"
    assert engines[1].calls == 0 and not list(tmp_path.iterdir())


def test_a_damaged_file_and_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "contests.json").write_text('{"half')
    engines = Sleeper("ours", 0.002), Sleeper("theirs", 0.01)
    assert contest.winner(problem(), *engines, tmp_path / "contests.json").name == "ours"
    assert json.loads((tmp_path / "contests.json").read_text())
    blocker = tmp_path / "file"
    blocker.write_text("")
    contest._known.clear()
    assert contest.winner(problem(), *engines, blocker / "folder" / "contests.json").name == "ours"


def test_what_is_kept_does_not_grow_for_ever(monkeypatch):
    monkeypatch.setattr(contest, "_MOST", 5)
    engines = Sleeper("ours", 1.0), Sleeper("theirs", 0.0)
    for hidden in range(1, 13):
        contest.winner(problem(hidden=hidden, lengths=True), *engines, None)
        assert contest.remembered(problem(hidden=hidden, lengths=True)) == "ours" and len(contest._known) <= 5


def test_batches_of_all_sizes_are_few_measurements(tmp_path):
    """A text in batches of 1 to 128 sequences of 20 to 60 words: as many measurements as there are powers of two, and half a second at most."""
    engines, begin = (Sleeper("ours", 0.004), Sleeper("theirs", 0.001)), Clock.now
    for rows in range(1, 129):
        for steps in range(20, 60, 3):
            contest.winner(problem(steps, rows, 256), *engines, tmp_path / "contests.json")
    assert len(contest._known) == 2 * 8
    assert Clock.now - begin < contest.BUDGET + 16 * contest.LONG_ENOUGH
    assert set(contest._known.values()) == {"theirs"}, "what is not measured is taken to be as its like"


def test_when_the_time_is_spent_the_first_engine_runs(tmp_path):
    engines = Sleeper("ours", 0.3), Sleeper("theirs", 0.1)
    assert contest.winner(problem(), *engines, tmp_path / "contests.json").name == "theirs"
    calls = engines[0].calls
    assert contest.winner(problem(hidden=256), *engines, tmp_path / "contests.json").name == "ours" and engines[0].calls == calls


def test_a_measurement_draws_nothing_from_torch_s_generator():
    """Otherwise the first run on a machine, which measures, would train with other numbers than the second, which remembers."""
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first = Sleeper("ours", 0.02)
    contest.winner(problem(), first, Sleeper("theirs", 0.01), None)
    assert first.calls and torch.equal(torch.rand(3), expected)


def test_an_engine_that_fails_loses(tmp_path):
    ours, theirs = Sleeper("ours", 0.02), Sleeper("theirs", 0.001)

    def forward(*_):
        raise RuntimeError("could not create a primitive descriptor")

    theirs.forward = forward
    assert contest.winner(problem(), ours, theirs, tmp_path / "contests.json").name == "ours"
    assert list(json.loads((tmp_path / "contests.json").read_text()).values()) == [0]
