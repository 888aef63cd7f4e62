"""The curves that TensorBoard reads are those of the run, also where it was stopped and went on."""

import sys

import pytest

from tenuto.errors import ArgumentError
from tenuto.train import Checkpoint, Observer, TensorBoard
from tests.train.small_run import small_run


class Stop(Observer):
    def step_ended(self, *, step, **rest):
        if step == 8:
            raise ZeroDivisionError


def curves(folder):
    """name: [(step, value)] as TensorBoard shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder)).Reload()
    return {name: [(point.step, point.value) for point in read.Scalars(name)] for name in read.Tags()["scalars"]}


def test_curves_go_on_where_the_run_does(tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint", every_steps=3)
    with pytest.raises(ZeroDivisionError):
        small_run(checkpoint=checkpoint, observers=[TensorBoard(tmp_path / "board", every_steps=1), Stop()])
    _, outcome = small_run(checkpoint=checkpoint, observers=[TensorBoard(tmp_path / "board", every_steps=1)])
    shown = curves(tmp_path / "board")
    assert [step for step, _ in shown["train/loss"]] == list(range(1, 17))
    assert [step for step, _ in shown["validation/loss"]] == [line["steps"] for line in outcome.metrics]
    for name, key in (("validation/loss", "validation_loss"), ("train/mean_loss", "train_loss")):
        assert [value for _, value in shown[name]] == pytest.approx([line[key] for line in outcome.metrics], rel=1e-6)
    assert {"train/gradient_norm", "train/learning_rate"} <= set(shown)


def test_points_are_as_many_as_asked_for(tmp_path):
    small_run(observers=[TensorBoard(tmp_path, every_steps=5)])
    assert [step for step, _ in curves(tmp_path)["train/loss"]] == [1, 5, 10, 15]


def test_bad_options_and_a_missing_package_are_named(tmp_path, monkeypatch):
    with pytest.raises(ArgumentError, match="every_steps=0"):
        TensorBoard(tmp_path, every_steps=0)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ArgumentError, match=r"pip install 'tenuto\[tensorboard\]'"):
        TensorBoard(tmp_path)
