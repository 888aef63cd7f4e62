"""The commands of a spotter: fit, score, predict, and `tenuto spot` of files and of a stream; its page."""

import io
import json

import pytest
import soundfile
from typer.testing import CliRunner

from tenuto.cli import app
from tests.tasks.spot.heard import RATE, fitted, recordings, talk


def run(*words, code=0, piped=None):
    result = CliRunner().invoke(app, [str(word) for word in words], input=piped)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A run, and files to hear."""
    folder = tmp_path_factory.mktemp("spotting")
    fitted().save(folder / "run", test=recordings(12, seed=900))
    for name, kinds in (("one", ["up", "other"]), ("two", ["down", "up"])):
        soundfile.write(folder / f"{name}.wav", talk(kinds, 7).samples, RATE)
    for number, (wave, label) in enumerate(zip(recordings(12).waves, recordings(12).labels)):
        (folder / "sounds" / label).mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / "sounds" / label / f"{number}.wav", wave.samples, RATE)
    return folder


def test_a_folder_is_learnt_and_scored(place):
    said = run("fit", "spot", place / "sounds", "--keywords", "up,down", "--max-steps", 3, "--hidden-size", 8, "-o", place / "other", "-q")
    assert "missed" in said and "false alarm" in said and "an hour at most (95 %)" in said
    scored = run("score", place / "run", place / "sounds")
    assert "up: " in scored and "threshold" in scored and "real-time factor" in scored
    rows = run("predict", place / "run", place / "sounds").splitlines()
    assert rows[0] == "id,predicted,time,score" and len(rows) >= 13


def test_files_and_a_pipe_say_the_same(place):
    lines = [line.split("\t") for line in run("spot", place / "run", place / "one.wav", place / "two.wav", place / "gone.wav").splitlines() if "\t" in line]
    assert [(line[0], line[2]) for line in lines] == [(str(place / "one.wav"), "up"), (str(place / "two.wav"), "down"), (str(place / "two.wav"), "up")]
    piped = run("spot", place / "run", "-", piped=(place / "two.wav").read_bytes()).splitlines()
    assert [line.split("\t")[1:] for line in piped] == [line[1:] for line in lines[1:]]
    bare = io.BytesIO()
    soundfile.write(bare, talk(["up"], 7).samples, RATE, format="RAW", subtype="PCM_16")
    found = json.loads(run("spot", place / "run", "-", "--rate", RATE, "--format", "jsonl", piped=bare.getvalue()))
    assert found["keyword"] == "up" and found["file"] == "-" and 0 < found["score"] <= 1
    run("spot", place / "run", place / "one.wav", "-o", place / "found.txt")
    assert "\tup\t" in (place / "found.txt").read_text()


def test_what_cannot_be_is_said(place, tmp_path):
    from tests.tasks.launched import TASKS

    for words, said in (
        ((place / "one.wav", "--format", "srt"), "srt"), ((place / "one.wav", "-"), "a stream is heard alone"), ((place / "gone.wav",), "no recording could be read"),
    ):  # fmt: skip
        assert said in run("spot", place / "run", *words, code=1)
    model, x, y = TASKS["sounds"]()
    model.set_params(epochs=1).fit(x, y).save(tmp_path / "run")
    assert "spots no keywords" in run("spot", tmp_path / "run", place / "one.wav", code=1)


def test_the_page_shows_the_curve_and_plays_the_worst(place):
    run("report", place / "run")
    page = (place / "run" / "report.html").read_text()
    for said in ("Missed, and told for nothing", "thresholds as fitted", "By keyword", "in the test set", "an hour at most"):
        assert said in page, said
    run("report", place / "other")  # hardly trained: it misses
    assert "<audio controls" in (place / "other" / "report.html").read_text()
