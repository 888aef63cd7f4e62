"""The doors (`inputs`, `forward`, `answer`) and the anatomy of every task: `predict` gives what the doors give, and a network is front, encoder and head."""

import numpy as np
import pytest
import torch
from torch.utils._pytree import tree_leaves

from tenuto.errors import ArgumentError, NotFittedError, ShapeError
from tests.tasks.launched import TASKS

NAMES = [name for name in TASKS if name != "softmax"]
BEAM = {"beam_size": 3, "attention": "bahdanau"}  # answers by another search, and a decoder that goes step by step


@pytest.fixture(scope="module", params=[*NAMES, "translate by beams"])
def fitted(request):
    """A fitted estimator of each task, and data to predict: of unequal lengths, and more than one batch for every task except translation."""
    name, *beams = request.param.split(" ", 1)
    model, x, y = TASKS[name]()
    model.set_params(**(BEAM if beams else {}))
    asked = x if name in ("forecast", "anomalies") else ["do re", "m", "la si do re", "fa"] if name == "language" else [x[index % len(x)] for index in range(0, 201, 3)]
    return model.set_params(epochs=1).fit(x, y), asked


def test_predict_is_made_of_the_doors(fitted):
    model, asked = fitted
    predicted = model.predict(asked)
    with torch.no_grad():
        answered = [one for batch in model.inputs(asked) for one in model.answer(model.forward(batch))]
    if "score" in getattr(predicted, "columns", ()):  # of the steps that are there; the doors give the density of the one that comes next (see tests/tasks/anomalies)
        assert len(answered) == predicted.unique_id.nunique() and all(one.shape == (1, 3) and np.isfinite(one).all() for one in answered)
        return
    if hasattr(predicted, "to_numpy"):  # a frame with a row for each step ahead
        medians = np.concatenate([one[:, model.levels_.index(0.5)] for one in answered])
        np.testing.assert_allclose(predicted[type(model).__name__].to_numpy(), medians, rtol=1e-6)
        return
    assert len(answered) == len(asked) == len(predicted)
    if isinstance(answered[0], float):  # another batch may have other last bits
        np.testing.assert_allclose(predicted, answered, rtol=1e-6)
    else:
        assert list(predicted) == answered


def test_a_network_is_front_encoder_and_head(fitted):
    model, asked = fitted
    network = model.network_
    assert [name for name, _ in network.named_children()] == ["front", "encoder", "head"]
    assert {name.partition(".")[0] for name in network.state_dict()} <= {"front", "encoder", "head"}
    batch = next(iter(model.inputs(asked)))
    x = network.front(batch)
    output, state = network.encode(batch)
    again = network.encoder(x, None, lengths=batch.lengths)
    assert x.ndim == output.ndim == 3 and x.shape[:2] == output.shape[:2] and x.is_floating_point()
    torch.testing.assert_close(again.output, output)
    torch.testing.assert_close(tree_leaves(again.state), tree_leaves(state))
    for indices, part in model._read_through(model._asked(asked)):
        states = model.hidden_states(asked)[indices[0]]
        length = len(network.front(part)) if part.lengths is None else int(part.lengths[0])
        np.testing.assert_allclose(states, network.encode(part).output[:length, 0].detach(), atol=1e-6)
        break


def test_what_forward_gives_is_differentiable_by_what_the_front_gives(fitted):
    """A hook on the front is enough; nothing here depends on the task."""
    model, asked = fitted
    seen = []

    def keep(module, given, x):
        seen.append(x.detach().requires_grad_())
        return seen[-1]

    handle = model.network_.front.register_forward_hook(keep)
    try:
        tensors = model.forward(next(iter(model.inputs(asked))))
    finally:
        handle.remove()
    tensors = (tensors,) if isinstance(tensors, torch.Tensor) else tensors
    floats = [tensor for tensor in tensors if isinstance(tensor, torch.Tensor) and tensor.requires_grad]
    floats[0].square().sum().backward()
    assert seen[-1].grad is not None and seen[-1].grad.abs().sum() > 0


def test_the_doors_are_an_error_before_a_fit():
    for name in NAMES:
        with pytest.raises(NotFittedError, match=r"\.inputs: it is not fitted"):
            TASKS[name]()[0].inputs(["a"])


def test_bad_data_is_refused_at_the_door():
    model, x, y = TASKS["classify"]()
    with pytest.raises(ShapeError, match=r"SequenceClassifier.inputs: the data has 3 channels"):
        model.set_params(epochs=1).fit(x, y).inputs([np.zeros((4, 3))])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "wrong",
    [{"clip_value": 0.0}, {"betas": (0.9, 1.0)}, {"non_finite": "ignore"}, {"plateau_factor": 1.0}, {"plateau_patience": 0}, {"schedule": "falling"}],
    ids=str,
)
def test_every_option_of_training_is_checked(name, wrong):
    model, x, y = TASKS[name]()
    with pytest.raises(ArgumentError, match=f"{type(model).__name__}.fit: {next(iter(wrong))}="):
        model.set_params(**wrong).fit(x, y)


@pytest.mark.parametrize("name", NAMES)
def test_every_option_of_training_reaches_the_loop(name, monkeypatch):
    import tenuto.tasks.estimator as module

    class Enough(Exception):
        pass

    def train(network, options, **rest):
        raise Enough(options)

    monkeypatch.setattr(module, "train", train)
    model, x, y = TASKS[name]()
    given = {"clip_value": 0.5, "betas": (0.8, 0.99), "non_finite": "skip", "schedule": "plateau", "plateau_factor": 0.25, "plateau_patience": 3}
    with pytest.raises(Enough) as stopped:
        model.set_params(**given).fit(x, y)
    options = stopped.value.args[0]
    assert {option: getattr(options, option) for option in given} == given
