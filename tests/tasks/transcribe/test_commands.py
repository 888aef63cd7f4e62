"""The commands of a transcriber: fit, score, and `tenuto transcribe` of files and of a stream; its page."""

import io
import json
import os
import re
import signal

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from tenuto.cli import app
from tenuto.cli.listening import of_pipe
from tenuto.data import Recordings, Wave
from tenuto.data.audio.pipe import Piped
from tenuto.errors import ArgumentError
from tenuto.tasks.transcribe.stream import TranscriberStream
from tests.tasks.transcribe.spoken import RATE, SMALL, fitted, recordings, said


def run(*words, code=0, piped=None):
    result = CliRunner().invoke(app, [str(word) for word in words], input=piped)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A run, and files to read."""
    folder = tmp_path_factory.mktemp("speech")
    fitted().save(folder / "run", test=recordings(12))
    for name, words in (("one", ["lo", "hi"]), ("two", ["hi", "hi", "lo"])):
        soundfile.write(folder / f"{name}.wav", said(words, 7).samples, RATE)
    return folder


def test_a_list_is_learnt_and_scored(tmp_path):
    data = recordings(12)
    for number, wave in enumerate(data.waves):
        soundfile.write(tmp_path / f"{number}.flac", wave.samples[: 300 if number == 5 else None], RATE)
    (tmp_path / "list.tsv").write_text("path\ttext\n" + "".join(f"{number}.flac\t{text}\n" for number, text in enumerate(data.texts)) + "gone.flac\tlo\n")
    options = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items() if name != "epochs"]
    said_ = run("fit", "transcribe", tmp_path / "list.tsv", "--test", tmp_path / "list.tsv", "--max-steps", 3, "-o", tmp_path / "run", "-q", "--seed", 1, *options)
    assert "word error rate" in said_ and "left out    gone.flac: there is no file" in said_ and "left out    1 too short for their transcripts: 5.flac" in said_
    scored = run("score", tmp_path / "run", tmp_path / "list.tsv")
    assert "left out    gone.flac: there is no file" in scored and f"next        tenuto transcribe {tmp_path / 'run'} FILE   |" in said_
    assert "word errors:" in scored and "1 recording with a text that cannot be written" in scored
    rows = run("predict", tmp_path / "run", tmp_path / "list.tsv", "--beam-size", 3).splitlines()
    assert rows[0] == "id,predicted,score,left_out" and len(rows) == 14


def test_files_become_text_words_and_subtitles(place):
    one, two = place / "one.wav", place / "two.wav"
    assert run("transcribe", place / "run", one) == "lo hi\n"
    assert run("transcribe", place / "run", one, two, place / "gone.wav").splitlines()[-2:] == [f"{one}\tlo hi", f"{two}\thi hi lo"]
    line = json.loads(run("transcribe", place / "run", two, "--format", "jsonl", "--beam-size", 4))
    assert line["text"] == "hi hi lo" and [word["text"] for word in line["words"]] == ["hi", "hi", "lo"] and line["start"] == line["words"][0]["start"]
    run("transcribe", place / "run", one, "--format", "srt", "-o", place / "one.srt")
    number, times, text, *_ = (place / "one.srt").read_text().splitlines()
    assert (number, text) == ("1", "lo hi") and times[:8] == "00:00:00" and " --> " in times
    assert run("transcribe", place / "run", one, "--format", "vtt").startswith("WEBVTT\n\n00:00:00.")
    assert [row.split()[4] for row in run("transcribe", place / "run", one, "--format", "ctm").splitlines()] == ["lo", "hi"]
    for words, wrong in ((("--format", "doc"), "doc"), (("-o", place / "one.srt"), "exists")):
        assert wrong in run("transcribe", place / "run", one, *words, code=1)
    assert "no recording could be read" in run("transcribe", place / "run", place / "gone.wav", code=1)


def test_what_is_known_and_how_late_text_comes(place):
    from tests.tasks.transcribe.test_prior import speaking

    speaking().save(place / "language")
    two, words = place / "two.wav", ("--beam-size", 8, "--language", place / "language", "--language-weight", 0.1, "--length-bonus", 0.1)
    assert run("transcribe", place / "run", two, *words).splitlines()[-1] == "hi hi lo"
    assert run("transcribe", place / "run", two, "--beam-size", 8, "--hot-words", "hi=-60,lo=-60,o=60").splitlines()[-1] != "hi hi lo"
    assert "greedy search takes no prior" in run("transcribe", place / "run", two, "--hot-words", "hi=2", code=1)
    late = run("transcribe", place / "run", two, "--latency")
    assert "first text 0." in late and "of words were taken back" in late


def test_a_stream_through_a_pipe_is_written_as_the_file(place):
    piped = (place / "two.wav").read_bytes()
    assert run("transcribe", place / "run", "-", piped=piped) == "hi hi lo\n"
    bare = io.BytesIO()
    soundfile.write(bare, said(["lo", "hi"], 7).samples, RATE, format="RAW", subtype="PCM_16")
    found = json.loads(run("transcribe", place / "run", "-", "--rate", RATE, "--format", "jsonl", piped=bare.getvalue()))
    assert {**found, "file": "one.wav"} == {**json.loads(run("transcribe", place / "run", place / "one.wav", "--format", "jsonl")), "file": "one.wav"}
    assert "... hi" in run("transcribe", place / "run", "-", "--partial", piped=piped)
    long, quiet = said(["lo", "hi"] * 5, 7).samples, np.zeros(2 * RATE, np.float32)  # ten words are two subtitles
    soundfile.write(place / "long.wav", np.concatenate([long, quiet, long, quiet]), RATE)
    subtitles = run("transcribe", place / "run", "-", "--format", "srt", piped=(place / "long.wav").read_bytes())
    assert [line for line in subtitles.splitlines() if line.isdigit()] == ["1", "2", "3", "4"]
    assert "a stream is heard alone" in run("transcribe", place / "run", "-", place / "one.wav", code=1)


def test_what_is_no_stream_and_no_file_is_told(place, monkeypatch):
    assert "no sound came through the pipe" in run("transcribe", place / "run", "-", piped=b"", code=1)
    assert "a file of another kind: FLAC" in run("transcribe", place / "run", "-", piped=b"fLaC" + bytes(100), code=1)
    said_ = run("transcribe", place / "run", place, place / "list.csv", code=1)
    assert f"left out    {place}: {place} is a folder, not a sound file.\n" in said_ and "Transcriber" not in said_ and "tenuto predict RUN DATA" in said_
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
    with pytest.raises(ArgumentError, match="standard input is a terminal"):
        next(of_pipe(fitted(), 0))


@pytest.mark.parametrize("while_waiting", [True, False])
def test_ctrl_c_ends_a_stream_and_what_was_heard_is_written(place, monkeypatch, while_waiting):
    blocks = Piped._blocks

    def half(self):
        for number, block in enumerate(blocks(self)):
            yield block
            if number == 2:
                if while_waiting:  # for the next chunk
                    os.kill(os.getpid(), signal.SIGINT)
                raise AssertionError("it went on")

    accept, heard = TranscriberStream.accept, []

    def hear(self, samples):
        heard.append(samples)
        if len(heard) == 3 and not while_waiting:
            os.kill(os.getpid(), signal.SIGINT)
        return accept(self, samples)

    monkeypatch.setattr(Piped, "_blocks", half)
    monkeypatch.setattr(TranscriberStream, "accept", hear)
    found = run("transcribe", place / "run", "-", piped=(place / "two.wav").read_bytes())
    assert found == "\n".join(fitted().predict([Wave(np.concatenate(heard), RATE)])) + "\n" and len(heard) == 3 and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_task_writes_nothing_down(tmp_path):
    from tests.tasks.launched import TASKS

    model, x, y = TASKS["classify"]()
    model.set_params(epochs=1).fit(x, y).save(tmp_path / "run")
    assert "writes down nothing" in run("transcribe", tmp_path / "run", "a.wav", code=1)


def test_a_step_of_an_explanation_is_asked_for_in_the_command_lines_words(place):
    said_ = run("explain", place / "run", place / "two.wav", "-o", place / "page.html", code=1)
    assert "--target STEP:OUTPUT" in said_ and "--target -1: for the last step" in said_ and "target=" not in said_


def test_the_page_shows_and_plays_what_was_heard(place):
    run("report", place / "run")
    page = (place / "run" / "report.html").read_text()
    for said_ in ("By speaker", "What was heard and what was written", "<audio controls", "⟨blank⟩", "Real-time factor", "in 12 test recordings"):
        assert said_ in page, said_


def test_the_page_says_which_words_become_which(tmp_path):
    data = recordings(12)
    wrong = Recordings(data.waves, texts=["hi" if not text else text.replace("lo", "hi") for text in data.texts], speakers=data.speakers)
    fitted().save(tmp_path / "run", test=wrong)
    run("report", tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Words that become others" in page and "<bdi>hi</bdi></th><td><bdi>lo</bdi>" in page and "<td><bdi>–</bdi>" in page and "Its worst errors" in page


def test_symbols_of_one_step_stand_side_by_side_on_the_page(tmp_path):
    from tests.tasks.transcribe.test_transducer import learnt

    learnt().save(tmp_path / "run", test=recordings(6))
    run("report", tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text()
    strips = re.findall(r'aria-label="Characters where they were written">(.*?)</p>', page)
    lefts = [re.findall(r"left:([0-9.]+)%", strip) for strip in strips]
    assert any(lefts) and all(len(one) == len(set(one)) for one in lefts)
