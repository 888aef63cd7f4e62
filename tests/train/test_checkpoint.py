"""A run that was stopped or killed and goes on ends with the same bits as one that was not; where a run cannot go on, the error says why."""

import errno
import json
import os
import platform
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tenuto.errors import ArgumentError, RunError
from tenuto.files import read_tensors, write_tensors
from tenuto.train import Checkpoint, Loss, MetricsFile, Observer
from tenuto.train.checkpoint import FILE
from tests.train.small_run import OPTIONS, small_run, validate


@pytest.fixture(scope="module")
def uninterrupted():
    """The weights and measurements of the run that nothing disturbs."""
    model, outcome = small_run()
    return model.state_dict(), outcome


def measured(outcome):
    """The metrics without the times."""
    return [{name: value for name, value in line.items() if "seconds" not in name} for line in outcome.metrics]


def assert_same(model, outcome, uninterrupted):
    weights, whole = uninterrupted
    torch.testing.assert_close(model.state_dict(), weights, rtol=0, atol=0)
    assert measured(outcome) == measured(whole)
    assert (outcome.stopped, outcome.steps, outcome.best_epoch) == (whole.stopped, whole.steps, whole.best_epoch)


class Crash(Observer):
    """Raises after a step."""

    def __init__(self, at, error=ZeroDivisionError):
        self.at, self.error, self.resumed_at, self.ends = at, error, None, []

    def resumed(self, *, step, metrics):
        self.resumed_at = step

    def step_ended(self, *, step, **rest):
        if step == self.at:
            raise self.error

    def ended(self, *, stopped):
        self.ends.append(stopped)


# With the kills of `tests/cli/test_resume.py`, some 300 in all.
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 10))])
def test_killed_at_random_moments_and_resumed_it_ends_with_the_same_bits(tmp_path, uninterrupted, seed):
    program = Path(__file__).with_name("small_run.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, program, tmp_path, str(seed)], capture_output=True, text=True, check=True, env=environment)
    assert int(done.stdout) > 0, "no child was killed: the test shows nothing"
    end = read_tensors(tmp_path / "end.safetensors")
    metrics = end.pop("metrics").tolist()
    weights, whole = uninterrupted
    torch.testing.assert_close(end, dict(weights), rtol=0, atol=0)
    assert metrics == [[line["train_loss"], line["validation_loss"]] for line in whole.metrics]


@pytest.mark.parametrize("step", [1, 5, 7, 13, 16])
def test_an_error_at_any_step_loses_only_what_follows_the_last_checkpoint(tmp_path, uninterrupted, step):
    crash = Crash(step)
    with pytest.raises(ZeroDivisionError):
        small_run(checkpoint=Checkpoint(tmp_path, every_steps=3), observers=[crash])
    assert crash.ends == ["error"]
    again = Crash(None)
    model, outcome = small_run(checkpoint=Checkpoint(tmp_path, every_steps=3), observers=[again])
    assert again.resumed_at == ((step - 1) // 3 * 3 or None)
    assert_same(model, outcome, uninterrupted)


def test_a_finished_run_is_read_and_not_repeated(tmp_path, uninterrupted):
    small_run(checkpoint=Checkpoint(tmp_path))
    model, outcome = small_run(checkpoint=Checkpoint(tmp_path), observers=[Crash(1)])
    assert_same(model, outcome, uninterrupted)
    assert not model.training


def test_checkpoints_can_be_due_by_time(tmp_path):
    with pytest.raises(ZeroDivisionError):
        small_run(checkpoint=Checkpoint(tmp_path / "seldom"), observers=[Crash(9)])
    with pytest.raises(ZeroDivisionError):
        small_run(checkpoint=Checkpoint(tmp_path / "often", every_s=1e-9), observers=[Crash(9)])
    assert not Checkpoint(tmp_path / "seldom").exists()
    assert Checkpoint(tmp_path / "often").exists()


def test_a_run_in_progress_leaves_its_measurements(tmp_path):
    lines = tmp_path / "metrics.jsonl"
    with pytest.raises(ZeroDivisionError):
        small_run(checkpoint=Checkpoint(tmp_path, every_steps=4), observers=[MetricsFile(lines), Crash(12)])
    assert [json.loads(line)["steps"] for line in lines.read_text("utf-8").splitlines()] == [5, 10]
    _, outcome = small_run(checkpoint=Checkpoint(tmp_path, every_steps=4), observers=[MetricsFile(lines)])
    assert [json.loads(line) for line in lines.read_text("utf-8").splitlines()] == outcome.metrics


def unlearned(model):
    """A validation loss that rises as the model learns."""
    return {"validation_loss": -validate(model)["validation_loss"]}


NT_ASGD = {"schedule": "nt-asgd", "average": None, "trigger_patience": 1, "learning_rate": 0.3}


@pytest.mark.parametrize("changed, measure", [(NT_ASGD, unlearned), ({"optimizer": "sgd", "momentum": 0.9}, validate)], ids=["nt-asgd", "sgd"])
def test_runs_with_other_optimisers_and_averages_go_on_too(tmp_path, changed, measure):
    options = replace(OPTIONS, **changed)
    model, whole = small_run(options, validate=measure)
    with pytest.raises(ZeroDivisionError):
        small_run(options, validate=measure, checkpoint=Checkpoint(tmp_path, every_steps=1), observers=[Crash(16)])
    again, outcome = small_run(options, validate=measure, checkpoint=Checkpoint(tmp_path, every_steps=1))
    assert_same(again, outcome, (model.state_dict(), whole))
    assert measure is validate or whole.metrics[-2]["averaging"], "the average did not begin before the crash"


# --- Ctrl-C ------------------------------------------------------------------------------------------------------------


class Press(Observer):
    """Presses Ctrl-C after a step, so many times; or sends another signal."""

    def __init__(self, at, times=1, number=signal.SIGINT):
        self.at, self.times, self.number = at, times, number

    def step_ended(self, *, step, **rest):
        for _ in range(self.times * (step == self.at)):
            signal.raise_signal(self.number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_writes_a_checkpoint_and_keeps_the_best(tmp_path, uninterrupted, number):
    before = signal.getsignal(number)
    model, outcome = small_run(checkpoint=Checkpoint(tmp_path), observers=[Press(7, number=number)])
    assert (outcome.stopped, outcome.steps, outcome.best_epoch) == ("interrupted", 7, outcome.metrics[0]["epoch"])
    assert not model.training
    assert signal.getsignal(number) is before
    assert_same(*small_run(checkpoint=Checkpoint(tmp_path)), uninterrupted)


def test_ctrl_c_before_the_first_validation_loses_nothing(tmp_path, uninterrupted):
    with pytest.raises(KeyboardInterrupt):
        small_run(checkpoint=Checkpoint(tmp_path), observers=[Press(2)])
    assert_same(*small_run(checkpoint=Checkpoint(tmp_path)), uninterrupted)


def test_a_second_ctrl_c_does_not_wait_for_the_step(tmp_path):
    _, outcome = small_run(checkpoint=Checkpoint(tmp_path), observers=[Press(7, times=2)])
    assert outcome.stopped == "interrupted"
    assert not Checkpoint(tmp_path).exists()


# --- what goes wrong ---------------------------------------------------------------------------------------------------


class FullDisk:
    """A disk that is full after `writes` checkpoints."""

    def __init__(self, monkeypatch, writes):
        self.left, self.real = writes, os.fsync
        monkeypatch.setattr(os, "fsync", self)

    def __call__(self, handle):
        if self.left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.left -= 1
        self.real(handle)


@pytest.mark.parametrize("writes", [0, 2])
def test_a_checkpoint_that_does_not_fit_is_one_warning_and_the_run_goes_on(tmp_path, monkeypatch, uninterrupted, writes):
    with monkeypatch.context() as patch, pytest.warns(UserWarning, match="could not be written: No space left on device(.|\n)*training goes on") as warned:
        FullDisk(patch, writes=writes)
        model, outcome = small_run(checkpoint=Checkpoint(tmp_path, every_steps=3))
    assert len(warned) == 1
    assert_same(model, outcome, uninterrupted)
    assert [entry.name for entry in tmp_path.iterdir()] == [FILE] * (writes > 0)
    crash = Crash(None)
    model, outcome = small_run(checkpoint=Checkpoint(tmp_path, every_steps=3), observers=[crash])
    assert crash.resumed_at == (6 if writes else None)
    assert_same(model, outcome, uninterrupted)


def test_two_processes_cannot_train_in_one_folder(tmp_path):
    class Another(Observer):
        """Another process tries, in the middle of the run."""

        def step_ended(self, *, step, **rest):
            if step == 3 and (child := os.fork()) == 0:
                try:
                    small_run(checkpoint=Checkpoint(tmp_path))
                except RunError as error:
                    os._exit(7 if "is in use: process" in str(error) else 1)
                os._exit(0)
            if step == 3:
                self.said = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    another = Another()
    small_run(replace(OPTIONS, max_steps=5), checkpoint=Checkpoint(tmp_path), observers=[another])
    assert another.said == 7
    assert [entry.name for entry in tmp_path.iterdir()] == [FILE]


def test_a_refused_run_changes_nothing_in_the_folder(begun, tmp_path):
    left = {FILE: (begun / FILE).read_bytes(), f".{FILE}.abc.partial": b"half", ".lock": b'{"process": 1073741823, "began": "long ago", "machine": "here"}'.replace(b"here", platform.node().encode())}
    for name, content in left.items():
        (tmp_path / name).write_bytes(content)
    refused(tmp_path, "belongs to another run", identity="b")
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == left
    small_run(checkpoint=Checkpoint(tmp_path, every_steps=2, identity={"data": "a"}))
    assert [entry.name for entry in tmp_path.iterdir()] == [FILE]


def test_what_a_killed_writer_left_is_swept_up(tmp_path):
    (tmp_path / f".{FILE}.abc.partial").write_bytes(b"half")
    small_run(replace(OPTIONS, max_steps=5), checkpoint=Checkpoint(tmp_path))
    assert [entry.name for entry in tmp_path.iterdir()] == [FILE]


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A folder with the checkpoint of a short run whose data had the digest "a"."""
    folder = tmp_path_factory.mktemp("begun")
    with pytest.raises(ZeroDivisionError):
        small_run(checkpoint=Checkpoint(folder, every_steps=2, identity={"data": "a"}), observers=[Crash(3)])
    return folder


def refused(folder, said, *, options=OPTIONS, identity="a", **given):
    before = (folder / FILE).read_bytes()
    with pytest.raises(RunError, match=said):
        small_run(options, checkpoint=Checkpoint(folder, every_steps=2, identity={"data": identity}), **given)
    assert (folder / FILE).read_bytes() == before


def test_a_checkpoint_of_other_data_or_options_is_refused(begun):
    refused(begun, "belongs to another run: data differs(.|\n)*expected  data b(.|\n)*received  data a(.|\n)*delete the file", identity="b")
    refused(
        begun,
        r"training.learning_rate, training.weight_decay differ\.(.|\n)*learning_rate 0.02(.|\n)*learning_rate 0.01",
        options=replace(OPTIONS, learning_rate=0.02, weight_decay=0.0),
    )


def test_a_checkpoint_of_another_model_is_refused(begun, monkeypatch):
    monkeypatch.setattr("tests.train.small_run.CharacterModel.__init__", another_model)
    refused(begun, r"weights.extra.weight, .*weights.embedding.weight.* differ(.|\n)*absent")


def another_model(self, dropout):
    torch.nn.Module.__init__(self)
    self.extra = torch.nn.Linear(2, 2)


def test_a_checkpoint_with_another_number_of_batches_is_refused(begun):
    from tests.train.small_run import TEXT, Streams

    refused(begun, "batches_per_epoch differs", batches=lambda epoch: Streams(TEXT, 4, 12))


def test_a_time_limit_may_change(begun, tmp_path):
    (tmp_path / FILE).write_bytes((begun / FILE).read_bytes())
    checkpoint = Checkpoint(tmp_path, every_steps=2, identity={"data": "a"})
    _, outcome = small_run(replace(OPTIONS, time_limit_s=1e-9), checkpoint=checkpoint)
    assert (outcome.stopped, outcome.steps) == ("time limit", 5)
    _, outcome = small_run(replace(OPTIONS, time_limit_s=1e-9), checkpoint=checkpoint)
    assert outcome.steps == 5
    _, outcome = small_run(replace(OPTIONS, time_limit_s=None), checkpoint=checkpoint)
    assert (outcome.stopped, outcome.steps) == ("all epochs", 16)


def test_damaged_and_foreign_files_are_refused(begun, tmp_path):
    whole, path = (begun / FILE).read_bytes(), tmp_path / FILE
    path.write_bytes(whole[: len(whole) // 2])
    refused(tmp_path, "cannot be read")
    path.write_bytes(whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:])
    refused(tmp_path, "was changed after it was written: its digest differs")
    write_tensors(path, {"x": torch.zeros(1)})
    refused(tmp_path, "has a format that this version of tenuto does not know(.|\n)*not a checkpoint of tenuto")
    write_tensors(path, {"x": torch.zeros(1)}, {"checkpoint": '{"format": "tenuto checkpoint", "format_version": 99}'})
    refused(tmp_path, "expected  tenuto checkpoint, format_version 1(.|\n)*received  tenuto checkpoint, format_version 99")


def test_a_state_that_no_file_can_hold_is_named(tmp_path):
    with pytest.raises(RunError, match="the set at processes/0/carried is neither plain data nor a tensor"):
        small_run(
            checkpoint=Checkpoint(tmp_path, every_steps=1),
            loss=lambda module, window, carried: Loss(module(window.inputs, None)[0].mean(), 1, {1, 2}),
        )


def test_where_and_how_often_are_checked(tmp_path):
    with pytest.raises(ArgumentError, match="every_s=0"):
        Checkpoint(tmp_path, every_s=0)
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be made"):
        Checkpoint(tmp_path / "file")


def test_a_task_adds_its_identity(tmp_path):
    assert Checkpoint.of(None, {}) is None
    assert Checkpoint.of(tmp_path, {"data": 1}) == Checkpoint(tmp_path, identity={"data": 1})
    given = Checkpoint(tmp_path, every_steps=7, identity={"seed": 2})
    assert Checkpoint.of(given, {"data": 1}) == Checkpoint(tmp_path, every_steps=7, identity={"seed": 2, "data": 1})
    (tmp_path / FILE).touch()
    assert given.exists()
    given.delete()
    assert not given.exists()
