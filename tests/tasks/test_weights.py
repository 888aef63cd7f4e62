"""`sample_weight`: 0 is as if the row was not there, 2 as if it was there twice; in the loss, in validation, in scores; in every task that takes it."""

import warnings

import numpy as np
import pytest
from sklearn import metrics
from sklearn.model_selection import GridSearchCV

from tenuto.data import Sentences, Sequences
from tenuto.data.sentences.lexicon import Lexicon
from tenuto.errors import ArgumentError, DataError, RunError, ShapeError
from tenuto.tasks import SequenceClassifier, Tagger, TextClassifier, read_run
from tests.tasks.classify.test_estimator import rising_and_falling
from tests.tasks.tag.test_estimator import commands
from tests.tasks.text.test_estimator import opinions

PLAIN = {
    "hidden_size": 6, "num_layers": 1, "epochs": 4, "batch_size": 32, "learning_rate": 0.02, "dropout": 0.0, "clip_norm": None, "warmup_steps": 1, "select_by": "validation_loss",
}  # fmt: skip
READER = {**PLAIN, "word_size": 6, "character_size": 4, "character_hidden_size": 4, "word_dropout": 0.0, "min_count": 1}


def classify(**more):
    return SequenceClassifier("gru", **{**PLAIN, "input_noise": 0.0, **more}), *rising_and_falling(count=24, seed=3), rising_and_falling(count=10, seed=4)


def text(**more):
    return TextClassifier("gru", **{**READER, **more}), *opinions(count=24, seed=3), opinions(count=10, seed=4)


def tag(**more):
    return Tagger("gru", **{**READER, **more}), *commands(count=24, seed=3)[:2], commands(count=10, seed=4)[:2]


TASKS = {"classify": classify, "text": text, "tag": tag}
SETS = {
    "classify": lambda x, y, weights: Sequences(x, y, weights=weights),
    "text": lambda x, y, weights: Sentences(x, None, y, weights=weights),
    "tag": lambda x, y, weights: Sentences(x, y, weights=weights),
}
tasks = pytest.mark.parametrize("task", TASKS)


def curve(model):
    """The losses of training and of each validation."""
    return [[line["train_loss"], *(line[name] for name in sorted(line) if name.startswith("validation_"))] for line in model.metrics_]


def states(model, x):
    return np.concatenate(model.hidden_states(x))


def repeated(items, counts):
    return [item for item, count in zip(items, counts) for _ in range(count)]


@tasks
@pytest.mark.parametrize("given", [False, True])
def test_weight_0_is_as_if_the_row_was_not_there(task, given):
    model, x, y, held_out = TASKS[task](batch_size=5)
    weights = [0 if row % 5 == 2 else 3.5 for row in range(24)]
    kept = [row for row in range(24) if weights[row]]
    more = {"validation": held_out} if given else {}
    model.fit(x, y, sample_weight=weights, **more)
    other = TASKS[task](batch_size=5)[0].fit([x[row] for row in kept], [y[row] for row in kept], **more)
    np.testing.assert_array_equal(states(model, x), states(other, x))
    assert curve(model) == curve(other)
    assert "without 5 of weight 0" in model.evaluation_["data"]["train"]["origin"]


@tasks
@pytest.mark.parametrize("accumulate", [1, 7])
def test_weight_2_is_as_if_the_row_was_there_twice(task, accumulate, monkeypatch):
    """All rows make one step, in one batch or in several whose gradients are added up. Words have the same numbers, however often they occur."""
    monkeypatch.setattr(Lexicon, "learn", classmethod(lambda cls, things, **_: cls(tuple(entries := sorted(set(things))), (1,) * len(entries))))
    counts = [1 + row % 3 for row in range(24)]
    settings = {"batch_size": 64 if accumulate == 1 else 8, "accumulate": accumulate}
    model, x, y, held_out = TASKS[task](**settings)
    model.fit(x, y, sample_weight=counts, validation=held_out)
    other = TASKS[task](**settings)[0].fit(repeated(x, counts), repeated(y, counts), validation=held_out)
    assert model.evaluation_["training"]["steps"] == 4
    np.testing.assert_allclose(curve(model), curve(other), rtol=2e-4, atol=1e-6)
    np.testing.assert_allclose(states(model, x), states(other, x), atol=2e-4)
    unlike = TASKS[task](**settings)[0].fit(x, y, validation=held_out)
    assert abs(curve(model)[0][0] - curve(unlike)[0][0]) > 1e-3


@tasks
def test_only_proportions_matter_and_equal_weights_change_nothing(task):
    model, x, y, _ = TASKS[task](batch_size=5)
    plain = states(model.fit(x, y), x)
    for same in (np.ones(24), np.full(24, 1e300), [3] * 24):
        np.testing.assert_array_equal(states(TASKS[task](batch_size=5)[0].fit(x, y, sample_weight=same), x), plain)
    weights = np.linspace(1, 4, 24)
    one, other = (states(TASKS[task](batch_size=5)[0].fit(x, y, sample_weight=weights * scale), x) for scale in (1, 2.0**40))
    np.testing.assert_array_equal(one, other)
    assert np.abs(one - plain).max() > 1e-4


@tasks
def test_validation_counts_rows_by_their_weights(task):
    model, x, y, (held_x, held_y) = TASKS[task]()
    counts = [row % 3 for row in range(10)]
    weighted = SETS[task](held_x, held_y, counts)
    model.fit(x, y, validation=weighted)
    other = TASKS[task]()[0].fit(x, y, validation=(repeated(held_x, counts), repeated(held_y, counts)))
    np.testing.assert_allclose(curve(model), curve(other), rtol=1e-5)
    assert model.evaluation_["data"]["validation"]["weights"] == {"sum": 9.0, "smallest": 0.0, "largest": 2.0}
    tuples = {"classify": (held_x, held_y, None, counts), "text": (held_x, held_y, counts), "tag": (held_x, held_y, None, counts)}
    np.testing.assert_array_equal(curve(TASKS[task]()[0].fit(x, y, validation=tuples[task])), curve(model))


@tasks
def test_scores_are_those_of_repeated_rows(task):
    model, x, y, (held_x, held_y) = TASKS[task]()
    model.set_params(epochs=1).fit(x, y)
    counts = [row % 4 for row in range(10)]
    twice = (repeated(held_x, counts), repeated(held_y, counts))
    assert model.score(held_x, held_y, sample_weight=counts) == pytest.approx(model.score(*twice), rel=1e-12)
    found, expected = model.evaluate(held_x, held_y, sample_weight=counts), model.evaluate(*twice)
    for name in ("loss", "accuracy", "majority_accuracy", "macro_f1", "balanced_accuracy", "sentence_accuracy"):
        if name in expected:
            assert found[name] == pytest.approx(expected[name], rel=1e-6), name
    for name in ("classes", "tags"):
        for row, other in zip(found.get(name, []), expected.get(name, [])):
            assert {key: value for key, value in row.items() if key != "support"} == pytest.approx({key: value for key, value in other.items() if key != "support"})
    if task == "tag":
        assert found["spans"]["f1"] == pytest.approx(expected["spans"]["f1"])
    zero = {str(row) for row in range(10) if not counts[row]}
    assert not zero & {mistake["id"] for mistake in found["mistakes"]}
    assert np.sum(found["confusion"]) == np.sum(model.evaluate(held_x, held_y)["confusion"])


def test_scores_are_scikit_learns():
    model, x, y, (held_x, held_y) = classify()
    model.set_params(epochs=1).fit(x, y)
    weights = np.random.default_rng(0).random(10)
    guess, shares = model.predict(held_x), model.predict_proba(held_x)
    result = model.evaluate(held_x, held_y, sample_weight=weights)
    assert model.score(held_x, held_y, sample_weight=weights) == pytest.approx(metrics.accuracy_score(held_y, guess, sample_weight=weights))
    assert result["loss"] == pytest.approx(metrics.log_loss(held_y, shares, sample_weight=weights))
    assert result["macro_f1"] == pytest.approx(metrics.f1_score(held_y, guess, average="macro", sample_weight=weights))
    assert result["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(held_y, guess, sample_weight=weights))
    assert result["effective_sequences"] == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    low, high = result["accuracy_interval"]
    assert low <= result["accuracy"] <= high


@tasks
@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        ([1.0] * 23, ShapeError, "not as many weights as"),
        (np.ones((24, 1)), ShapeError, "the weights have 2 axes"),
        (2.0, ShapeError, "the weights are a single value"),
        ([1.0] * 23 + [float("nan")], DataError, "the weight of (sequence|sentence) '23' is missing"),
        ([1.0] * 23 + [None], DataError, "the weight of (sequence|sentence) '23' is missing"),
        (np.ma.array(np.ones(24), mask=[0] * 5 + [1] + [0] * 18), DataError, "the weight of (sequence|sentence) '5' is missing"),
        ([1.0] * 23 + [float("inf")], DataError, "the weight of (sequence|sentence) '23' is infinite"),
        ([-1.0] + [1.0] * 23, DataError, "the weight of (sequence|sentence) '0' is negative"),
        (["heavy"] + [1.0] * 23, DataError, "the weight of (sequence|sentence) '0' is not a number"),
        ([1j] + [1.0] * 23, DataError, "the weight of (sequence|sentence) '0' is not a number"),
        (np.zeros(24), DataError, "every weight is 0"),
    ],
    ids=lambda value: "" if isinstance(value, type) else str(value)[:30],
)
def test_weights_that_cannot_be_are_refused(task, weights, error, words):
    model, x, y, _ = TASKS[task](epochs=1)
    for call in (model.fit, *([model.score, model.evaluate] if hasattr(model, "network_") else [])):
        with pytest.raises(error, match=words):
            call(x, y, sample_weight=weights)


@tasks
def test_scores_refuse_weights_too(task):
    model, x, y, _ = TASKS[task](epochs=1)
    model.fit(x, y)
    for call in (model.score, model.evaluate):
        for weights in ([1.0] * 3, [-1.0] * 24, np.zeros(24), [float("nan")] * 24):
            with pytest.raises((ShapeError, DataError), match="weight"):
                call(x, y, sample_weight=weights)


@tasks
def test_a_checkpoint_is_of_one_set_of_weights(task, tmp_path):
    model, x, y, _ = TASKS[task](epochs=1)
    weights = np.arange(1, 25)
    model.fit(x, y, sample_weight=weights, checkpoint=tmp_path)
    TASKS[task](epochs=1)[0].fit(x, y, sample_weight=weights, checkpoint=tmp_path)
    for others in (None, weights[::-1]):
        with pytest.raises(RunError, match="belongs to another run"):
            TASKS[task](epochs=1)[0].fit(x, y, sample_weight=others, checkpoint=tmp_path)


@tasks
def test_a_weighted_run_is_saved_and_says_so(task, tmp_path):
    model, x, y, held_out = TASKS[task](epochs=1)
    model.fit(x, y, sample_weight=np.arange(1, 25)).save(tmp_path / "run", test=SETS[task](*held_out, np.arange(1, 11)))
    evaluation = read_run(tmp_path / "run").evaluation
    assert evaluation["data"]["test"]["weights"] == {"sum": 55.0, "smallest": 1.0, "largest": 10.0}
    assert 5 < (evaluation["results"]["test"].get("effective_sequences") or evaluation["results"]["test"]["effective_sentences"]) < 10


def test_a_grid_search_hands_weights_on():
    model, x, y, _ = classify(epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search = GridSearchCV(model, {"hidden_size": [3, 4]}, cv=2).fit(x, np.array(y), sample_weight=np.arange(1, 25))
    assert search.best_estimator_.evaluation_["data"]["train"]["weights"]["largest"] == 24.0


# --- class_weight ----------------------------------------------------------------------------------------------------------


def uneven(count=60, seed=0):
    """Sequences of noise whose mean is a little higher in the rare class: one of ten."""
    generator = np.random.default_rng(seed)
    y = ["rare" if row % 10 == 0 else "usual" for row in range(count)]
    return [generator.normal(1.0 if label == "rare" else 0.0, 1.0, size=(3, 1)) for label in y], y


def words(x):
    """The same as texts: "high" or "low" for each step."""
    return [" ".join("high" if value > 0.8 else "low" for value in row[:, 0]) for row in x]


CLASSIFIERS = {
    "classify": lambda **more: (SequenceClassifier("gru", **{**PLAIN, "input_noise": 0.0, **more}), *uneven()),
    "text": lambda **more: (TextClassifier("gru", **{**READER, **more}), words(uneven()[0]), uneven()[1]),
}
classifiers = pytest.mark.parametrize("task", CLASSIFIERS)


@classifiers
def test_balanced_is_the_weights_that_scikit_learn_computes(task):
    from sklearn.utils.class_weight import compute_class_weight

    model, x, y = CLASSIFIERS[task](class_weight="balanced")
    plain = CLASSIFIERS[task]()[0].fit(x, y, validation=(x, y))
    model.fit(x, y, validation=(x, y))
    weights = dict(zip(["rare", "usual"], compute_class_weight("balanced", classes=np.array(["rare", "usual"]), y=np.array(y))))
    same = CLASSIFIERS[task](class_weight=weights)[0].fit(x, y, validation=(x, y))
    np.testing.assert_allclose(curve(model), curve(same), rtol=1e-6)
    assert abs(curve(model)[0][0] - curve(plain)[0][0]) > 1e-2
    assert plain.get_params()["class_weight"] is None


@classifiers
def test_balanced_finds_the_rare_class(task):
    settings = {"epochs": 40}
    recalls = []
    for given in (None, "balanced"):
        model, x, y = CLASSIFIERS[task](class_weight=given, **settings)
        recalls.append(model.fit(x, y, validation=(x, y)).evaluate(x, y)["balanced_accuracy"])
    assert recalls[1] > recalls[0] + 0.1


def test_the_weight_of_a_class_is_the_weight_of_each_of_its_rows():
    """Of texts, which are not standardised; after one step, whatever the validation chooses by."""
    model, x, y = CLASSIFIERS["text"](class_weight={"rare": 4}, epochs=1)
    rows = [4 if label == "rare" else 1 for label in y]
    other = CLASSIFIERS["text"](epochs=1)[0].fit(x, y, sample_weight=rows, validation=(x, y))
    model.fit(x, y, validation=(x, y))
    np.testing.assert_array_equal(model.predict_proba(x), other.predict_proba(x))
    both = CLASSIFIERS["text"](class_weight={"rare": 2}, epochs=1)[0].fit(x, y, sample_weight=[2 if label == "rare" else 1 for label in y], validation=(x, y))
    np.testing.assert_allclose(both.predict_proba(x), other.predict_proba(x), rtol=1e-5)


@classifiers
def test_the_loss_that_chooses_the_best_weights_goes_by_class_too(task):
    model, x, y = CLASSIFIERS[task](class_weight={"usual": 1, "rare": 9}, epochs=1, calibrated=False)
    model.fit(x, y, validation=(x, y))
    rows = [9.0 if label == "rare" else 1.0 for label in y]
    assert model.metrics_[0]["validation_loss"] == pytest.approx(model.evaluate(x, y, sample_weight=rows)["loss"], rel=1e-5)
    assert model.metrics_[0]["validation_accuracy"] == pytest.approx(model.score(x, y))
    assert model.evaluation_["results"]["validation"]["loss"] == pytest.approx(model.evaluate(x, y)["loss"])


@classifiers
def test_a_class_of_weight_0_is_left_out_of_the_loss(task):
    model, x, y = CLASSIFIERS[task](class_weight={"rare": 0}, batch_size=4)
    model.fit(x, y, validation=(x, y))
    assert model.metrics_[0]["count"] == 54
    assert model.classes_.tolist() == ["rare", "usual"]


@classifiers
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("balance", "class_weight='balance' is not known"),
        ({"rear": 2.0}, "class_weight names the class 'rear'(.|\n)*did you mean '?rare'?\\?"),
        ({"rare": -1.0}, "out of range(.|\n)*'rare': -1.0"),
        ({"rare": float("nan")}, "out of range"),
        ({"rare": "much"}, "out of range"),
        ({}, "out of range"),
        ({"rare": 0, "usual": 0}, "leaves nothing to train on"),
        ([1.0, 2.0], "is not known"),
    ],
    ids=str,
)
def test_class_weights_that_cannot_be_are_refused(task, given, words):
    model, x, y = CLASSIFIERS[task](class_weight=given)
    with pytest.raises(ArgumentError, match=words):
        model.fit(x, y)


@pytest.mark.parametrize("labels", [(0, 1), (False, True), (0.5, 1.5)])
def test_weights_are_found_by_label_of_any_kind(tmp_path, labels):
    model, x, y = CLASSIFIERS["classify"](epochs=2)
    y = [labels[label == "rare"] for label in y]
    model.set_params(class_weight={labels[1]: 3}).fit(x, y, checkpoint=tmp_path / "checkpoint")
    as_text = CLASSIFIERS["classify"](epochs=2, class_weight={str(labels[1]): 3})[0].fit(x, y, checkpoint=tmp_path / "checkpoint")
    np.testing.assert_array_equal(as_text.predict_proba(x), model.predict_proba(x))
    again = SequenceClassifier.load(model.save(tmp_path / "run"))
    assert again.get_params()["class_weight"] == {str(labels[1]): 3.0}
    np.testing.assert_array_equal(again.fit(x, y).predict_proba(x), model.predict_proba(x))


# --- what a validation measures -----------------------------------------------------------------------------------------------


@classifiers
@pytest.mark.parametrize("measure", ["validation_loss", "validation_accuracy", "validation_balanced_accuracy", "validation_macro_f1"])
def test_the_best_weights_can_be_chosen_by_any_measure(task, measure):
    model, x, y = CLASSIFIERS[task](select_by=measure, epochs=6)
    model.fit(x, y, validation=(x, y))
    values = [line[measure] for line in model.metrics_]
    best = min(values) if measure == "validation_loss" else max(values)
    assert values[model.evaluation_["training"]["best_epoch"] - 1] == best


# --- predict_log_proba -------------------------------------------------------------------------------------------------------


@classifiers
def test_logarithms_of_probabilities_are_finite(task, monkeypatch):
    model, x, y = CLASSIFIERS[task](epochs=1)
    model.fit(x, y)
    np.testing.assert_allclose(model.predict_log_proba(x), np.log(model.predict_proba(x)), rtol=1e-9)
    assert model.predict_log_proba(x).dtype == np.float64
    monkeypatch.setattr(type(model), "_raw" if task == "classify" else "_logits", lambda self, data: np.array([[3e4, -3e4], [0, 1e3]], dtype=np.float32))
    np.testing.assert_array_equal(model.predict_log_proba(x[:2]), [[0, -6e4], [-1e3, 0]])


def test_logarithms_of_the_next_symbol_are_finite():
    from tenuto.tasks import LanguageModel

    model = LanguageModel("gru", hidden_size=4, epochs=1, window=5, validation_fraction=0.2).fit("do re mi fa sol la si " * 20)
    np.testing.assert_allclose(model.predict_log_proba(["do ", ""]), np.log(model.predict_proba(["do ", ""])), rtol=1e-9)
