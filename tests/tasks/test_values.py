"""Options as users have them: numbers of numpy's and in tensors, random generators, paths; and values that are wrong, told before any data are read."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tenuto.errors import ArgumentError, DataError
from tenuto.runs.names import CONFIG
from tenuto.tasks import cards
from tenuto.tasks.option import options_of
from tenuto.tasks.task import load
from tests.tasks.launched import TASKS

WHOLE = [np.int8, np.uint64, np.array, torch.tensor, lambda value: torch.tensor(value, dtype=torch.int16)]
NUMBERS = [np.float64, np.array, lambda value: torch.tensor(value, dtype=torch.float64)]
TRUTH = [np.bool_, np.array, torch.tensor]
every_task = pytest.mark.parametrize("card", cards(), ids=lambda card: card.name)


def in_other_forms(known):
    """(Python's value of an option, the same as somebody else's)."""
    value = known.usual if known.usual is not None else int(max(2, known.least or 0)) if known.kind is int else 0.5
    makers = {bool: TRUTH, int: WHOLE, float: NUMBERS}.get(known.kind, []) if not known.cell and known.items is None else []
    value = min(value, 100) if known.kind is int else float(value) if known.kind is float else value
    return [(value, make(value)) for make in makers]


@every_task
def test_a_number_of_any_kind_becomes_pythons(card):
    for known in options_of(card.options):
        for value, given in in_other_forms(known):
            model = load(card.estimator)(**{known.name: given})
            assert getattr(model, known.name) is given  # as scikit-learn wants it
            model.check_options()
            settled = getattr(model, known.name)
            assert settled == value and type(settled) in (type(value), int), (known.name, given)


@pytest.mark.parametrize("name", [name for name in TASKS if name != "softmax"])
def test_a_model_with_numbers_of_numpys_trains_and_is_saved(name, tmp_path):
    model, x, y = TASKS[name]()
    usual, x_, y_ = TASKS[name]()
    changed = {known.name: given for known in options_of(type(model)) for value, given in in_other_forms(known)[:1] if getattr(model, known.name) == value}
    model.set_params(**changed, epochs=np.int64(1), hidden_size=torch.tensor(8)).fit(x, y).save(tmp_path / "run")
    usual.set_params(epochs=1).fit(x_, y_)
    assert model.metrics_[0]["validation_loss"] == usual.metrics_[0]["validation_loss"]
    kept = json.loads((tmp_path / "run" / CONFIG).read_text())["options"]
    assert kept == json.loads(json.dumps(usual.options_)) and type(model).load(tmp_path / "run").get_params()["epochs"] == 1


GENERATORS = {"Generator": np.random.default_rng, "RandomState": np.random.RandomState, "whole number": np.uint64, "tensor": torch.tensor}


@pytest.mark.parametrize("kind", GENERATORS)
@pytest.mark.parametrize("name", [name for name in TASKS if name != "softmax"])
def test_a_random_state_may_be_a_generator(name, kind, tmp_path):
    def fitted(state):
        model, x, y = TASKS[name]()
        return model.set_params(random_state=state, epochs=1).fit(x, y)

    first, second = fitted(GENERATORS[kind](7)), fitted(GENERATORS[kind](7))
    assert first.metrics_[0]["train_loss"] == second.metrics_[0]["train_loss"] and first.seed_ == second.seed_
    state = GENERATORS[kind](7)
    assert (fitted(state).seed_ == fitted(state).seed_) == ("number" in kind or "tensor" in kind)  # a generator goes on
    first.save(tmp_path / "run")
    assert type(first).load(tmp_path / "run").random_state == first.seed_


def test_without_a_random_state_a_seed_is_drawn():
    model, x, y = TASKS["classify"]()
    model.set_params(random_state=None, epochs=1).fit(x, y)
    assert model.random_state is None and 0 <= model.seed_ < 2**31


def test_scikit_learn_copies_a_generator():
    from sklearn.base import clone

    model, x, y = TASKS["classify"]()
    model.set_params(random_state=np.random.default_rng(3), epochs=1)
    assert clone(model).fit(x, y).seed_ == clone(model).fit(x, y).seed_


@pytest.mark.parametrize("state", [-1, 2**63, 1.5, "7", True, [1], np.array([1])], ids=repr)
def test_no_other_random_state_is_taken(state):
    model, x, y = TASKS["classify"]()
    with pytest.raises(ArgumentError, match="random_state=(.|\n)*generator of numpy's"):
        model.set_params(random_state=state).fit(x, y)


class Untouched:
    """Data that must not be read."""

    def __getattr__(self, name):
        raise AssertionError(f"the data was read: {name}")

    def __iter__(self):
        raise AssertionError("the data was read")


@every_task
def test_a_wrong_value_is_told_before_data_are_read(card):
    for known in options_of(card.options):
        if known.cell or known.path:
            continue
        wrong = {bool: "perhaps", int: -7, float: float("nan"), str: "banana"}[known.kind if known.items is None else known.items]
        model = load(card.estimator)(**{known.name: wrong if known.items is None else (wrong, wrong)})
        with pytest.raises(ArgumentError, match=rf"(?s){known.name}|{wrong}"):
            model.fit(Untouched())


@every_task
def test_a_typing_error_is_understood(card):
    for known in options_of(card.options):
        if known.kind is not str or known.cell or known.path or known.items is not None:
            continue
        with pytest.raises(ArgumentError) as error:
            load(card.estimator)(**{known.name: "banana"}).check()
        names = [name for name in error.value.expected.split(" | ") if name != "none"]
        for name in names:
            typed = name[0] + name[0] + name[1:]  # the first letter twice
            with pytest.raises(ArgumentError, match="did you mean") as error:
                load(card.estimator)(**{known.name: typed.upper()}).check()
            assert name in error.value.fix, (known.name, typed)


@pytest.mark.parametrize("device", ["banana", "cud", "cuda", "cuda:99", "meta", torch.device("cuda", 99)], ids=str)
def test_a_device_that_is_not_there_is_an_error(device, tmp_path):
    if str(device) == "cuda" and torch.cuda.is_available():
        pytest.skip("this computer has such a device")
    model, x, y = TASKS["classify"]()
    with pytest.raises(ArgumentError, match=rf"device='{device}' (is not known|cannot be used here)(.|\n)*cpu"):
        model.set_params(device=device).fit(x, y)
    model.set_params(device=torch.device("cpu"), epochs=1).fit(x, y).save(tmp_path / "run")
    with pytest.raises(ArgumentError, match="device"):
        type(model).load(tmp_path / "run", device=str(device))
    assert type(model).load(tmp_path / "run", device="cpu").device == "cpu"


def test_a_measure_that_the_data_does_not_have_is_told_before_training():
    model, x, _ = TASKS["tag"]()
    epochs = []
    with pytest.raises(ArgumentError, match=r"no 'validation_span_f1'(.|\n)*validation_accuracy"):
        model.set_params(select_by="validation_span_f1").fit(x, [["NOUN" if len(word) > 3 else "VERB" for word in row] for row in x])
    with pytest.raises(ArgumentError, match="no 'validation_exact'"):
        model.set_params(select_by="validation_exact").fit(Untouched())
    assert not epochs


def test_a_file_of_vectors_that_is_not_there_is_told_first(tmp_path):
    (tmp_path / "glove.txt").write_text("a 1\n")
    model, _, _ = TASKS["tag"]()
    with pytest.raises(DataError, match=r"(?s)no file .*golve.txt.*did you mean .*glove.txt"):
        model.set_params(vectors=tmp_path / "golve.txt").fit(Untouched())
    assert isinstance(model.vectors, Path)  # a fit that fails leaves the estimator as it was
