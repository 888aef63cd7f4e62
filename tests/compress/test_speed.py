"""How fast a compressed model is beside the whole one: runs in turn, the median, and no model that is slower than asked. Nothing here is timed: the clock is given."""

import itertools

import numpy as np
import pytest

import tenuto
from tenuto.compress import Compression
from tenuto.compress.speed import RUNS, Speed, in_turn
from tenuto.errors import ArgumentError
from tests.compress.models import NAMES, fitted


def test_runs_take_turns_and_the_median_counts(monkeypatch):
    now, order = [0.0], []

    def call(name, seconds):
        def run():
            order.append(name)
            now[0] += next(seconds)

        return run

    monkeypatch.setattr("tenuto.compress.speed.CLOCK", lambda: now[0])
    # The first run builds kernels; some later ones were slowed down by something else.
    found = in_turn([call("old", itertools.chain([100.0], [4.0, 50.0] * 2, itertools.repeat(2.0))), call("new", itertools.chain([100.0], [1.0] * (RUNS - 1), [70.0]))])
    assert (found.before, found.after, found.ratio) == (2.0, 1.0, 2.0)
    assert order[:8] == ["old", "new", "old", "new", "new", "old", "old", "new"] and order.count("old") == order.count("new") == RUNS + 1


@pytest.mark.parametrize("name", NAMES)
def test_any_task_is_measured(name, tmp_path, monkeypatch):
    monkeypatch.setattr("tenuto.compress.speed.RUNS", 1)
    monkeypatch.setattr("tenuto.compress.speed.CLOCK", itertools.count(1).__next__)
    model, data = fitted(name)
    small = tenuto.compress(model, data=data, min_speedup=1)
    found = Compression.of(small)
    assert found.speed == Speed(1, 1) and "1 times as fast" in str(found)
    assert Compression.of(type(model).load(small.save(tmp_path / "run"))) == found


def test_what_is_slower_than_asked_is_refused(monkeypatch):
    model, data = fitted("classify")
    monkeypatch.setattr("tenuto.compress.call.speed_of", lambda *given: Speed(0.012, 0.010))
    with pytest.raises(ArgumentError, match=r"slower than asked: prediction 12 → 10 ms \(1.2 times as fast\)") as said:
        tenuto.compress(model, data=data, min_speedup=1.5)
    assert "at least 1.5 times as fast" in str(said.value) and "received  1.2 times" in str(said.value)
    assert Compression.of(tenuto.compress(model, data=data, min_speedup=np.float32(1.1))).speed.ratio == pytest.approx(1.2)
    assert Compression.of(tenuto.compress(model, data=data)).speed is None


def test_what_cannot_be_asked():
    model, data = fitted("classify")
    for given, said in (
        ({"min_speedup": 1.5}, "nothing to measure it on"),
        *(({"data": data, "min_speedup": wrong}, "min_speedup=.* is out of range") for wrong in (0, -1, True, "2", float("nan"), [2.0])),
    ):
        with pytest.raises(ArgumentError, match=said):
            tenuto.compress(model, **given)
    with pytest.raises(ArgumentError, match="only its owner knows"):
        tenuto.compress(tenuto.GRU(3, 3), min_speedup=2.0)
