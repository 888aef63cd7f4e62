"""Weights belong to the maths that they were trained with: a run, a checkpoint and a search are refused another step, and say what differs."""

import json

import pytest
import torch

from tenuto import Recurrent
from tenuto.cell import Cell, State
from tenuto.errors import CellError, RunError
from tenuto.runs.folder import digest_of, read_config
from tenuto.tasks.classify.estimator import SequenceClassifier
from tenuto.train import Checkpoint, Loss, TrainingOptions, train
from tenuto.train.differences import differences
from tenuto.train.search import Search, SearchOptions
from tenuto.train.search_space import Values
from tests.tasks.launched import TASKS


def made(factor, name="Own", detached=False):
    """A class of the user's; each call is as if the file had been edited."""

    def step(self, x, U, s):
        kept = s.h.detach() if detached else s.h
        return State(h=torch.tanh(x.h + U.h @ s.h) + factor * kept * self.rate)

    return type(name, (Cell,), {"__module__": "users_file", "__qualname__": name, "__annotations__": {"rate": float}, "rate": 0.5, "gates": "h", "state": "h", "step": step})


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(0)
    x = [torch.randn(6, 2, generator=generator).numpy() for _ in range(24)]
    return x, ["up" if sequence.sum() > 0 else "down" for sequence in x]


def classifier(kind):
    return SequenceClassifier(kind(), hidden_size=4, epochs=2, random_state=0, engine="reference")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return classifier(made(0.5)).fit(*data).save(tmp_path_factory.mktemp("run") / "run")


def test_a_run_keeps_the_maths_of_its_cell(run):
    maths = json.loads((run / "config.json").read_text())["maths"]["cell"]
    assert maths.keys() == {"digest", "declared", "step", "derivative"} and maths["declared"]["gates"] == "h"


def test_a_run_is_loaded_with_the_step_that_it_was_trained_with_under_any_name(run, data):
    model = SequenceClassifier.load(run, cell=made(0.5, "Renamed"))
    assert type(model.cell_).__name__ == "Renamed"
    assert list(model.predict(data[0])) == list(SequenceClassifier.load(run, cell=made(0.5)).predict(data[0]))


@pytest.mark.parametrize(("other", "what"), [(made(0.25, "Other"), "the new state h"), (made(0.5, "Other", detached=True), "the derivative d s.h")])
def test_a_run_is_refused_another_cell_of_the_same_shapes(run, other, what):
    with pytest.raises(CellError, match=f"Other is not the one with which the run was trained: {what} differs"):
        SequenceClassifier.load(run, cell=other)


def test_a_run_is_refused_an_edited_class_of_the_same_name(run):
    made(0.75)
    with pytest.raises(CellError, match="the cell Own is not the one with which the run was trained") as caught:
        SequenceClassifier.load(run)
    assert "s.h * 0.5" in caught.value.expected and "s.h * 0.75" in caught.value.received
    made(0.5)
    SequenceClassifier.load(run)


def test_a_run_from_before_there_was_a_digest_is_loaded(run, data):
    config = read_config(run)
    whole = {name: value for name, value in config.items() if name not in ("maths", "sha256")}
    before = run.parent / "before"
    before.mkdir()
    for file in run.iterdir():
        (before / file.name).write_bytes(file.read_bytes())
    (before / "config.json").write_text(json.dumps({**whole, "sha256": digest_of(whole)}))
    assert len(SequenceClassifier.load(before, cell=made(0.5)).predict(data[0])) == 24


def test_a_step_edited_between_kill_and_resume_is_refused_in_words(data, tmp_path):
    classifier(made(0.5)).fit(*data, checkpoint=tmp_path)
    classifier(made(0.5)).fit(*data, checkpoint=tmp_path)
    with pytest.raises(RunError, match=r"belongs to another run: maths.encoder \(the new state h\) differs") as caught:
        classifier(made(0.75)).fit(*data, checkpoint=tmp_path)
    assert "s.h * 0.75" in caught.value.expected and "s.h * 0.5" in caught.value.received
    with pytest.raises(RunError, match=r"maths.encoder \(the derivative d s.h\)"):
        classifier(made(0.5, detached=True)).fit(*data, checkpoint=tmp_path)


@pytest.mark.parametrize("task", [name for name in TASKS if name not in ("softmax", "classify")])
def test_every_task_keeps_the_maths_with_checkpoint_and_run(task, tmp_path):
    model, x, y = TASKS[task]()
    model.set_params(cell=made(0.1)())
    model.fit(x, y, checkpoint=tmp_path / "checkpoint")
    run = model.save(tmp_path / "run")
    with pytest.raises(CellError, match="Own is not the one with which the run was trained"):
        type(model).load(run, cell=made(0.2))
    with pytest.raises(RunError, match="belongs to another run: maths"):
        model.set_params(cell=made(0.2)()).fit(x, y, checkpoint=tmp_path / "checkpoint")
    type(model).load(run, cell=made(0.1))


def test_a_loop_of_ones_own_is_refused_an_edited_step(tmp_path):
    def run(kind):
        torch.manual_seed(0)
        layer = Recurrent(kind(), 2, 3, engine="reference")
        loss = lambda model, batch, carried: Loss(model(batch).output.square().mean(), 1)  # noqa: E731
        options = TrainingOptions(epochs=1)
        return train(layer, options, batches=lambda epoch: [torch.ones(4, 1, 2)], loss=loss, validate=lambda model: {"validation_loss": 0.0}, checkpoint=Checkpoint(tmp_path))

    run(made(0.5))
    run(made(0.5))
    with pytest.raises(RunError, match=r"maths \(the new state h\)"):
        run(made(0.6))


def test_a_checkpoint_from_before_there_was_a_digest_is_gone_on_with():
    from tenuto.program import trace

    maths = {"encoder": trace(made(0.5)()).maths}
    assert list(differences({"seed": 0, "maths": maths}, {"seed": 0})) == []
    assert [each.place for each in differences({"seed": 1, "maths": maths}, {"seed": 0})] == ["seed"]
    assert [each.place for each in differences({"maths": maths}, {"maths": {}})] == ["maths.encoder"]


def test_a_search_is_refused_an_edited_step(tmp_path):
    from tenuto.program import trace

    def search(factor):
        identity = {"task": "classify", "maths": {"cell": trace(made(factor)()).maths}}
        with Search(tmp_path, {"rate": Values((1, 2))}, SearchOptions(trials=1), identity=identity):
            pass

    search(0.5)
    search(0.5)
    with pytest.raises(RunError, match=r"holds another search: maths.cell \(the new state h\) differs"):
        search(0.6)
