"""The progress of a training run: the task's own measures; about ten lines in a pipe, a bar with the time left on a terminal."""

import io
import re

import pytest
from rich.console import Console

from tenuto.cli.console import live
from tenuto.cli.progress import LINES_WITHOUT_TERMINAL, ProgressBar, in_words

LINE = {"train_loss": 1.0, "validation_loss": 0.5, "best": True}


def watch(bar, epochs=40, **more):
    bar.started(epochs=epochs, steps_per_epoch=2)
    for epoch in range(1, epochs + 1):
        for step in (1, 2):
            bar.step_ended(epoch=epoch, step=2 * (epoch - 1) + step, loss=1.0, gradient_norm=1.0, learning_rate=0.1)
        bar.epoch_ended({**LINE, "epoch": epoch, **more})
    bar.ended(stopped="all epochs")


def printed(monkeypatch, *, terminal, width=120):
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=width, highlight=False)
    monkeypatch.setattr("tenuto.cli.progress.messages", lambda: console)
    monkeypatch.setattr("tenuto.cli.progress.live", lambda: console)
    return text


def test_a_pipe_gets_about_ten_lines(monkeypatch):
    text = printed(monkeypatch, terminal=False)
    watch(ProgressBar(), validation_span_f1=0.75)
    lines = text.getvalue().splitlines()
    assert lines[0] == "epoch       1 of 40   loss 1.0000   validation 0.5000, F1 75.0%   best 1"
    assert len(lines) <= LINES_WITHOUT_TERMINAL + 2 and lines[-1] == "ended       all epochs; best epoch 40"


def test_a_terminal_gets_a_bar_with_the_time_left(monkeypatch):
    text = printed(monkeypatch, terminal=True)
    watch(ProgressBar(), validation_perplexity=12.5)
    assert "epoch 40 of 40" in text.getvalue() and "of at most" in text.getvalue() and "perplexity 12.5" in text.getvalue()


def test_one_of_several_trainings_prints_nothing_that_stays(monkeypatch):
    text = printed(monkeypatch, terminal=False)
    watch(ProgressBar(title="trial 1 of 3"))
    assert text.getvalue() == ""


def test_a_resumed_run_knows_its_best_epoch(monkeypatch):
    text = printed(monkeypatch, terminal=False)
    bar = ProgressBar()
    bar.started(epochs=4, steps_per_epoch=2)
    bar.resumed(step=3, metrics=[{**LINE, "epoch": 0.5}])
    bar.epoch_ended({**LINE, "epoch": 4, "best": False})
    assert "goes on     from step 3" in text.getvalue() and "best 0.50" in text.getvalue()


@pytest.mark.parametrize("epochs, said", [(0, "before the first validation"), (1, "the best weights so far are kept")])
def test_an_interrupted_run_keeps_weights_only_after_a_validation(monkeypatch, epochs, said):
    text, bar = printed(monkeypatch, terminal=False), ProgressBar()
    bar.started(epochs=4, steps_per_epoch=2)
    for epoch in range(epochs):
        bar.epoch_ended({**LINE, "epoch": epoch + 1})
    bar.ended(stopped="interrupted")
    assert text.getvalue().splitlines()[-1] == f"interrupted {said}"


def test_two_measures_at_most():
    assert in_words({**LINE, "validation_span_f1": 0.9, "validation_accuracy": 0.8, "validation_label_accuracy": 1}).count(",") == 2


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("title", ["", "trial 18 of 20"])
def test_nothing_is_wider_than_the_terminal_and_nothing_is_lost(monkeypatch, width, title):
    text = printed(monkeypatch, terminal=True, width=width)
    measures = {"validation_span_f1": 0.912, "validation_exact": 0.5, "validation_perplexity": 12345.6, "validation_accuracy": 0.97}
    watch(ProgressBar(title=title), epochs=100, **measures)
    shown = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).rstrip() for line in re.split(r"[\r\n]+|\x1b\[2K", text.getvalue())]
    assert max(map(len, shown)) <= width, max(shown, key=len)
    said = "loss 1.0000   validation 0.5000, F1 91.2%, 50.0% exact   best 99"
    if width >= 80:
        assert any(line == said for line in shown), shown[-12:]
    assert any(f"{title}  epoch 100 of 100".strip() in line and "of at most" in line for line in shown)


def test_the_console_that_is_drawn_on_folds_nothing():
    assert not live().soft_wrap
