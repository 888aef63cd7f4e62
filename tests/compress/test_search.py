"""A search for a smaller model: what is chosen, what is said where nothing fits, and the page."""

import sys

import pytest
from typer.testing import CliRunner

import tenuto
from tenuto.cli import app
from tenuto.compress import Compression, search
from tenuto.compress.speed import Speed
from tenuto.errors import ArgumentError
from tenuto.report import build_report
from tests.compress.models import fitted


def test_the_best_that_is_small_enough(tmp_path):
    model, data = fitted("text")
    run = model.save(tmp_path / "run")
    whole = sum((run / name).stat().st_size for name in ("config.json", "model.safetensors"))
    made = search(model, data=data, target_size=whole - 1)
    found = Compression.of(made)
    taken = [one for one in found.tried if one.chosen]
    assert len(taken) == 1 and taken[0].size < whole and len(found.tried) >= 4 and model.hidden_size == 8
    assert all(one.value <= taken[0].value for one in found.tried if one.size < whole) and taken[0].value == found.quality.after
    written = made.save(tmp_path / "small")
    assert sum((written / name).stat().st_size for name in ("config.json", "model.safetensors")) <= taken[0].size + 2000  # what config.json says besides
    again = type(model).load(written)
    assert list(again.predict(data[0])) == list(made.predict(data[0])) and Compression.of(again) == found
    page = build_report(written).read_text(encoding="utf-8")
    assert "What was tried" in page and "this run" in page and "50% of the units" in page and "<circle" in page
    smallest = search(model, data=data, max_drop=10.0)
    assert [one.size for one in Compression.of(smallest).tried if one.chosen] == [min(one.size for one in found.tried)]


@pytest.fixture
def few(monkeypatch):
    """A search that tries few: what it says does not depend on how many."""
    monkeypatch.setattr(sys.modules["tenuto.compress.search"], "SHARES", (None, 0.5))


def test_what_cannot_be_met_says_by_how_much(few):
    model, data = fitted("text")
    with pytest.raises(ArgumentError, match=r"no model is as small as asked; the nearest is .* bytes"):
        search(model, data=data, target_size=10)
    with pytest.raises(ArgumentError, match="what to look for"):
        search(model, data=data)
    with pytest.raises(ArgumentError, match="compressed already"):
        search(tenuto.compress(model), data=data, target_size=10)
    with pytest.raises(ArgumentError, match="target_size"):
        search(model, data=data, target_size="much")


def test_one_that_is_too_slow_is_not_taken(few, monkeypatch):
    model, data = fitted("text")
    monkeypatch.setattr(sys.modules["tenuto.compress.search"], "speed_of", lambda whole, small, data: Speed(1.0, 0.5 if small.hidden_size == 4 else 1.25))
    found = Compression.of(search(model, data=data, target_size=10**9, min_speedup=1.9))
    assert found.speed.ratio == 2 and found.units.after == 4 and found.quality is not None
    with pytest.raises(ArgumentError, match=r"slower than asked; the fastest of them is 50% of the units.*\(2 times as fast\)"):
        search(model, data=data, target_size=10**9, min_speedup=3)


def test_the_command(few, tmp_path):
    model, (words, labels) = fitted("text")
    model.save(tmp_path / "run")
    file = tmp_path / "texts.csv"
    file.write_text("text,label\n" + "".join(f"{' '.join(one)},{label}\n" for one, label in zip(words, labels)))
    for more, said in ((["--target-size", "1MB"], "--data"), (["--target-size", "much", "--data", file], "is no size"), (["--target-size", "1MB", "--int8", "--data", file], "finds out"), (["--target-size", "10", "--data", file], "nearest")):
        refused = CliRunner().invoke(app, ["compress", *map(str, [tmp_path / "run", *more, "--out", tmp_path / "out"])])
        assert refused.exit_code == 1 and said in refused.output and not (tmp_path / "out").exists(), refused.output
    done = CliRunner().invoke(app, ["compress", *map(str, [tmp_path / "run", "--target-size", "1MB", "--data", file, "--out", tmp_path / "out"])])
    assert done.exit_code == 0 and "(taken)" in done.output, done.output
