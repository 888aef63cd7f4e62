"""`SequenceClassifier`: it learns, predicts, scores, saves, loads, stops, and says what is wrong with what it is given."""

import json
import os

import numpy as np
import pytest
import torch

from tenuto import Cell, State, cells
from tenuto.data import Sequences, Source, Standardiser, read_splits
from tenuto.data.sets import path_of
from tenuto.errors import ArgumentError, CellError, DataError, NotFittedError, RunError, ShapeError
from tenuto.tasks import SequenceClassifier, read_run
from tenuto.train import MetricsFile, Observer, TrainingError

SMALL = {"hidden_size": 6, "epochs": 25, "patience": None, "learning_rate": 0.02, "input_noise": 0.1, "dropout": 0.0, "batch_size": 8}


def rising_and_falling(count=24, seed=0, channels=2):
    """Sequences of 3 to 9 steps whose first channel rises or falls; the mean is the same, so only order tells."""
    generator = np.random.default_rng(seed)
    x, y = [], []
    for index in range(count):
        line = np.linspace(-1, 1, generator.integers(3, 10)) * (1 if index % 2 else -1)
        x.append(np.column_stack([line, *generator.normal(size=(channels - 1, len(line)))]).astype(np.float32))
        y.append("rises" if index % 2 else "falls")
    return x, y


@pytest.fixture(scope="module")
def fitted():
    torch.manual_seed(0)
    return SequenceClassifier("gru", **SMALL).fit(*rising_and_falling())


def test_it_learns_what_only_order_tells(fitted):
    x, y = rising_and_falling(seed=1)
    assert fitted.score(x, y) == 1.0
    assert fitted.predict(x).tolist() == y
    assert fitted.classes_.tolist() == ["falls", "rises"]
    probabilities = fitted.predict_proba(x)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-12)
    assert probabilities.shape == (24, 2)


def test_a_prediction_does_not_depend_on_the_rest_of_its_batch(fitted):
    x, _ = rising_and_falling(count=70, seed=2)
    together = fitted.predict_proba(x)
    np.testing.assert_allclose(np.concatenate([fitted.predict_proba([one]) for one in x]), together, atol=2e-6)
    np.testing.assert_allclose(fitted.predict_proba(x[::-1])[::-1], together, atol=2e-6)


def test_padded_arrays_and_sequences_are_the_same_data(fitted):
    x, y = rising_and_falling(seed=3)
    padded = np.full((len(x), 12, 2), np.nan, dtype=np.float32)
    for row, one in enumerate(x):
        padded[row, : len(one)] = one
    lengths = [len(one) for one in x]
    np.testing.assert_array_equal(fitted.predict_proba(padded, lengths=lengths), fitted.predict_proba(x))
    assert fitted.score(padded, y, lengths=lengths) == fitted.score(Sequences(x, y)) == 1.0
    again = SequenceClassifier("gru", **SMALL).fit(padded, y, lengths=lengths)
    other = SequenceClassifier("gru", **SMALL).fit(x, y)
    np.testing.assert_array_equal(again.predict_proba(x), other.predict_proba(x))


def test_the_same_seed_gives_the_same_model_and_leaves_torch_alone():
    x, y = rising_and_falling()
    options = {**SMALL, "epochs": 3, "input_noise": 0.5, "dropout": 0.5}
    torch.manual_seed(7)
    expected = torch.rand(1)
    models = []
    for seed in (1, 1, 2):
        torch.manual_seed(7)
        models.append(SequenceClassifier("lstm", random_state=seed, **options).fit(x, y).predict_proba(x))
        assert torch.equal(torch.rand(1), expected)
    np.testing.assert_array_equal(models[0], models[1])
    assert not np.array_equal(models[0], models[2])
    drawn = SequenceClassifier("lstm", random_state=None, **options).fit(x, y)
    again = SequenceClassifier("lstm", random_state=drawn.seed_, **options).fit(x, y)
    np.testing.assert_array_equal(again.predict_proba(x), drawn.predict_proba(x))


@pytest.mark.parametrize("labels", [[3, 7], [False, True], [0.5, 2.5], ["ü", "b"]], ids=repr)
def test_labels_come_back_as_they_were(tmp_path, labels):
    x, y = rising_and_falling()
    y = [labels[label == "rises"] for label in y]
    model = SequenceClassifier("gru", **{**SMALL, "epochs": 1}).fit(x, y)
    again = SequenceClassifier.load(model.save(tmp_path / "run"))
    assert again.classes_.tolist() == sorted(labels)
    assert again.classes_.dtype == model.classes_.dtype
    assert {type(label) for label in again.predict(x).tolist()} == {type(labels[0])}
    assert again.score(x, np.array(y)) == model.score(x, y)


class Leaky(Cell):
    """A user's own cell."""

    gates = "h"
    state = "h"
    rate: float = 0.5

    def step(self, x, U, s):
        return State(h=(1 - self.rate) * s.h + self.rate * torch.tanh(x.h + U.h @ s.h))


@pytest.mark.parametrize("cell", ["lstm", "rnn", cells.MGU(), Leaky(rate=0.3)], ids=repr)
def test_what_is_saved_predicts_the_same(tmp_path, cell):
    x, y = rising_and_falling(seed=4)
    data = Sequences(x, y, channels=["line", "noise"])
    model = SequenceClassifier(cell, num_layers=2, **{**SMALL, "epochs": 2}).fit(data)
    folder = model.save(tmp_path / "run", test=(x, y))
    again = SequenceClassifier.load(folder)
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    assert again.cell_ == model.cell_
    assert again.score(x, y) == read_run(folder).evaluation["results"]["test"]["accuracy"]
    assert again.get_params()["num_layers"] == 2
    assert again.save(tmp_path / "copy") == tmp_path / "copy"
    assert read_run(tmp_path / "copy").evaluation == read_run(folder).evaluation
    torch.testing.assert_close(read_run(folder).tensors(), dict(again.network_.state_dict()), rtol=0, atol=0)


def test_a_cell_that_is_not_known_here_is_named_and_can_be_given(tmp_path, fitted):
    from tenuto.cell import _CLASSES

    x, y = rising_and_falling()
    model = SequenceClassifier(Leaky(rate=0.3), **{**SMALL, "epochs": 1}).fit(x, y)
    folder = model.save(tmp_path / "run")
    name = f"{Leaky.__module__}:{Leaky.__qualname__}"
    kind = _CLASSES.pop(name)
    try:
        with pytest.raises(CellError, match="Leaky"):
            SequenceClassifier.load(folder)
    finally:
        _CLASSES[name] = kind
    assert SequenceClassifier.load(folder, cell=Leaky).cell_ == Leaky(rate=0.3)


def test_the_evaluation_is_as_documented(tmp_path, fitted):
    x, y = rising_and_falling(seed=5)
    folder = fitted.save(tmp_path / "run", test=Sequences(x, y, came_from=Source("other")))
    evaluation = read_run(folder).evaluation
    for name in ("validation", "test"):
        result = evaluation["results"][name]
        assert np.sum(result["confusion"]) == result["sequences"] == evaluation["data"][name]["sequences"]
        assert sum(evaluation["data"][name]["class_counts"].values()) == result["sequences"]
        assert [row["name"] for row in result["classes"]] == ["falls", "rises"]
    last = read_run(folder).metrics[evaluation["training"]["best_epoch"] - 1]
    assert last["validation_loss"] >= evaluation["results"]["validation"]["loss"]  # the logits are divided by a temperature after training
    assert last["best"]
    assert evaluation["model"]["parameters"] == sum(weight["parameters"] for weight in evaluation["model"]["weights"])
    assert sum(row["runs"] for row in evaluation["engine"]["reasons"]) == 1
    assert evaluation["engine"]["chosen"] in evaluation["engine"]["table"]
    assert {example["label"] for example in evaluation["examples"]} == {"falls", "rises"}
    for example in evaluation["examples"]:
        assert np.shape(example["input"]) == (example["steps"], 2)
        assert np.shape(example["hidden"]) == (example["steps"], 12) and example["steps_shown"] == example["steps"]
        assert [(d["first"], d["last"]) for d in example["directions"]] == [(0, 6), (6, 12)]
        index = [str(identity) for identity in range(24)].index(example["id"])
        np.testing.assert_allclose(example["hidden"], fitted.hidden_states([x[index]])[0], rtol=6e-3, atol=1e-5)
        np.testing.assert_allclose(example["input"], x[index], rtol=6e-3)
    assert all(speed["sequences_per_s"] > 0 for speed in evaluation["speed"].values())


def test_validation_may_be_given(fitted):
    x, y = rising_and_falling()
    lone = ([*x, np.ones((4, 2), dtype=np.float32)], [*y, "flat"])
    model = SequenceClassifier("gru", **{**SMALL, "epochs": 1}).fit(*lone, validation=rising_and_falling(seed=9))
    assert model.evaluation_["data"]["validation"]["sequences"] == 24
    assert model.evaluation_["data"]["train"]["sequences"] == 25
    assert model.classes_.tolist() == ["falls", "flat", "rises"]


def test_observers_watch_and_ctrl_c_keeps_the_best(tmp_path):
    class Stop(Observer):
        def epoch_ended(self, metrics):
            if metrics["epoch"] == 3:
                raise KeyboardInterrupt

    x, y = rising_and_falling()
    model = SequenceClassifier("gru", **SMALL).fit(x, y, observers=[MetricsFile(tmp_path / "metrics.jsonl"), Stop()])
    assert model.evaluation_["training"]["stopped"] == "interrupted"
    lines = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]
    model.save(tmp_path)
    assert SequenceClassifier.load(tmp_path).predict(x).shape == (24,)


def test_missing_values_follow_the_rule(tmp_path):
    x, y = rising_and_falling()
    x[3][1, 0] = np.nan
    with pytest.raises(DataError, match="SequenceClassifier.fit: sequence '3' has a missing value .NaN. at step 1, channel 0"):
        SequenceClassifier("gru", **SMALL).fit(x, y)
    model = SequenceClassifier("gru", missing="forward", **SMALL).fit(x, y, validation=(x, y))
    again = SequenceClassifier.load(model.save(tmp_path / "run"))
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    assert model.score(x, y) > 0.9


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda x, y: (x, [*y[:-1], "level"]), DataError, "class 'level' has only one member"),
        (lambda x, y: (x, y[:-1]), DataError, "not as many labels as sequences"),
        (lambda x, y: (x, ["same"] * 24), DataError, "all sequences have the same label"),
        (lambda x, y: (x, None), DataError, "no labels"),
        (lambda x, y: ([*x[:-1], x[-1][:0]], y), DataError, "sequence '23' is empty"),
        (lambda x, y: ([*x[:-1], np.full((3, 2), 1e39)], y), DataError, "sequence '23' has an infinite value at step 0"),
        (lambda x, y: ([*x[:-1], x[-1][:, :1]], y), ShapeError, "sequence '23' has 1 channels"),
        (lambda x, y: ([], []), DataError, "no sequences"),
        (lambda x, y: (np.zeros((3, 4)), y), ShapeError, "2 axes"),
    ],
)
def test_bad_training_data_is_named(change, error, words):
    with pytest.raises(error, match=f"SequenceClassifier.fit: .*{words}"):
        SequenceClassifier("gru", **SMALL).fit(*change(*rising_and_falling()))


def test_bad_data_is_named_at_prediction(fitted):
    x, y = rising_and_falling()
    with pytest.raises(ShapeError, match=r"predict: the data has 3 channels but the model was trained on 2"):
        fitted.predict(rising_and_falling(channels=3)[0])
    with pytest.raises(DataError, match=r"score: sequence '1' has the label 'level', which training never saw(.|\n)*'falls', 'rises'"):
        fitted.score(x[:2], ["rises", "level"])
    with pytest.raises(DataError, match="score: sequence '0' has the label 1, which"):
        fitted.score(x, [1] * 24)
    broken = [x[0].copy()]
    broken[0][2, 1] = np.nan
    with pytest.raises(DataError, match="predict: sequence '0' has a missing value .NaN. at step 2, channel 1"):
        fitted.predict(broken)
    with pytest.raises(DataError, match="never saw"):
        SequenceClassifier("gru", **SMALL).fit(x, y, validation=(x[:1], ["level"]))


def test_a_loss_that_is_not_finite_names_its_sequences(monkeypatch):
    x, y = rising_and_falling()
    monkeypatch.setattr(Standardiser, "apply", lambda self, values, times=None: np.full_like(values, np.nan))
    with pytest.raises(TrainingError, match=r"loss is not finite at step 1 \(epoch 1, batch 1 of 3\)(.|\n)*[48] sequences: '"):
        SequenceClassifier("gru", **SMALL).fit(x, y)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cell": "lstn"},
        {"dropout": 1.0},
        {"label_smoothing": -0.1},
        {"input_noise": float("nan")},
        {"hidden_size": 0},
        {"num_layers": 1.5},
        {"batch_size": 0},
        {"epochs": 0},
        {"schedule": "step"},
        {"missing": "drop"},
        {"validation_fraction": 1.0},
        {"pooling": ("sum",)},
        {"engine": "warp"},
    ],
    ids=repr,
)
def test_options_out_of_range_are_refused_at_fit(wrong):
    model = SequenceClassifier(**{**SMALL, **wrong})
    with pytest.raises(ArgumentError, match="expected"):
        model.fit(*rising_and_falling())


def test_before_fit_it_says_so(tmp_path):
    model = SequenceClassifier()
    for call in (model.predict, model.predict_proba, model.hidden_states, model.save):
        with pytest.raises(NotFittedError, match=r"it is not fitted(.|\n)*load"):
            call(tmp_path)
    assert os.listdir(tmp_path) == []


def test_nothing_is_written_where_something_is(tmp_path, fitted):
    (tmp_path / "thesis.tex").write_text("x", encoding="utf-8")
    with pytest.raises(RunError, match="not empty"):
        fitted.save(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.tex"]
    fitted.save(tmp_path / "run")
    with pytest.raises(RunError, match="overwrite=True"):
        fitted.save(tmp_path / "run")
    fitted.save(tmp_path / "run", overwrite=True)


def test_a_run_of_another_kind_is_refused(tmp_path, fitted):
    from tenuto.tasks import write_run

    tensors = fitted.network_.state_dict()
    config = json.loads((fitted.save(tmp_path / "run") / "config.json").read_text(encoding="utf-8"))
    parts = {"metrics": [], "evaluation": {}, "tensors": tensors}
    with pytest.raises(RunError, match="is not a SequenceClassifier's"):
        SequenceClassifier.load(write_run(tmp_path / "a", config={**config, "task": "tag"}, **parts))
    with pytest.raises(RunError, match="does not describe a SequenceClassifier"):
        SequenceClassifier.load(write_run(tmp_path / "b", config={"task": "classify"}, **parts))
    tensors = {**tensors, "head.weight": torch.zeros(1, 1)}
    with pytest.raises(RunError, match=r"does not describe a SequenceClassifier(.|\n)*head.weight"):
        SequenceClassifier.load(write_run(tmp_path / "c", config=config, metrics=[], evaluation={}, tensors=tensors))


def test_scikit_learn_finds_what_it_relies_on(fitted):
    base = pytest.importorskip("sklearn.base")
    from sklearn.model_selection import GridSearchCV, cross_val_score

    model = SequenceClassifier(Leaky(rate=0.2), **SMALL)
    copy = base.clone(model)
    assert copy.get_params() == model.get_params()
    assert copy.set_params(hidden_size=9).hidden_size == 9
    with pytest.raises(ArgumentError, match="no option 'hidden'"):
        model.set_params(hidden=3)
    assert base.is_classifier(model)
    assert repr(SequenceClassifier("gru", epochs=3)) == "SequenceClassifier(cell='gru', epochs=3)"
    x, y = rising_and_falling(count=30)
    quick = SequenceClassifier("gru", **{**SMALL, "epochs": 12})
    scores = cross_val_score(quick, x, np.array(y), cv=2)
    assert scores.min() > 0.9
    search = GridSearchCV(quick, {"hidden_size": [2, 6]}, cv=2).fit(x, np.array(y))
    assert set(search.predict(x)) <= {"rises", "falls"}


@pytest.mark.slow
def test_japanese_vowels_reaches_97_percent_over_five_seeds():
    splits = read_splits(path_of("japanese_vowels"))
    scores = [SequenceClassifier(random_state=seed).fit(splits.train).score(splits.test) for seed in range(5)]
    assert np.mean(scores) >= 0.97


def test_japanese_vowels_beats_guessing_after_a_few_epochs():
    splits = read_splits(path_of("japanese_vowels"))
    assert SequenceClassifier("gru", num_layers=1, hidden_size=32, epochs=8).fit(splits.train).score(splits.test) > 0.8
