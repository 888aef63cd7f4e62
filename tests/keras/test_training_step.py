"""tenuto's `Sequential` trains as Keras's does: the same numbers whichever step runs, and Keras's own step wherever a model is no plain stack."""

from __future__ import annotations

import importlib.util

import numpy
import pytest
import torch

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras is not installed", allow_module_level=True)
import tenuto.keras as ours  # isort: skip
from keras import Sequential  # isort: skip
from tenuto.keras import training  # isort: skip

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
STEPS, ROWS = 6, 8


def numbers():
    return ours.layers.LSTM(6, activation="relu", return_sequences=True), ours.layers.GRU(5), ours.layers.Dense(3, activation="softmax")


def words(mask_zero=False):
    return ours.layers.Embedding(9, 4, mask_zero=mask_zero), ours.layers.LSTM(5), ours.layers.Dense(3, activation="softmax")


def frozen():
    layers = numbers()
    layers[0].trainable = False
    return layers


def lora():
    layer = ours.layers.Dense(5)
    layer.build((None, 6))
    layer.enable_lora(2)
    return layer


class Own(ours.layers.Dense):
    pass


def schedule():
    return ours.optimizers.schedules.ExponentialDecay(0.01, 2, 0.5)


X, INDICES = numpy.float32, numpy.int64
# What a model is made of: its layers, optimizer, loss, metrics, options of `fit`; and whether it is a plain stack.
CASES = {
    "as in the example": (numbers, "adam", "categorical_crossentropy", ["accuracy"], {}, True),
    "sgd": (numbers, lambda: ours.optimizers.SGD(0.1, momentum=0.9), "mse", ["mae", "mse"], {}, True),
    "rmsprop": (numbers, "rmsprop", "categorical_crossentropy", [], {}, True),
    "a schedule": (numbers, lambda: ours.optimizers.Adam(schedule()), "mse", [], {}, True),
    "clipped": (numbers, lambda: ours.optimizers.Adam(0.01, clipnorm=0.05), "mse", [], {}, True),
    "decayed and averaged": (numbers, lambda: ours.optimizers.Adam(0.01, weight_decay=0.1, use_ema=True, ema_overwrite_frequency=2), "mse", [], {}, True),
    "accumulated": (numbers, lambda: ours.optimizers.Adam(0.01, gradient_accumulation_steps=2), "mse", [], {}, True),
    "amsgrad": (numbers, lambda: ours.optimizers.Adam(0.01, amsgrad=True), "mse", [], {}, True),
    "two metrics of one name": (numbers, "adam", "mse", [ours.metrics.MeanSquaredError("same"), ours.metrics.MeanAbsoluteError("same")], {}, True),  # Keras tells them apart
    "backwards": (lambda: (ours.layers.GRU(6, go_backwards=True, return_sequences=True), ours.layers.LSTM(5, go_backwards=True), ours.layers.Dense(3, use_bias=False)), "adam", "mse", [], {}, True),
    "a GRU with its reset before": (lambda: (ours.layers.GRU(6, reset_after=False, use_bias=False, return_sequences=True), ours.layers.Dense(4), ours.layers.SimpleRNN(5), ours.layers.Dense(3)), "adam", "mse", [], {}, True),
    "a Dense in another form": (lambda: (ours.layers.LSTM(6), lora(), ours.layers.Dense(3)), "adam", "mse", [], {}, True),
    "labels": (words, "adam", "sparse_categorical_crossentropy", ["accuracy"], {}, True),
    "a frozen layer": (frozen, "adam", "mse", [], {}, True),
    "dropout": (lambda: (ours.layers.LSTM(6, dropout=0.3, recurrent_dropout=0.2), ours.layers.Dropout(0.4), ours.layers.Dense(3)), "adam", "mse", [], {}, True),
    "each step": (lambda: (ours.layers.LSTM(6, return_sequences=True), ours.layers.Dense(3)), "adam", "mse", ["mae"], {}, True),
    "a constraint": (lambda: (ours.layers.LSTM(6, kernel_constraint=ours.constraints.MaxNorm(0.5)), ours.layers.Dense(3)), "adam", "mse", [], {}, True),
    "weights of classes": (words, "adam", "sparse_categorical_crossentropy", ["accuracy"], {"class_weight": {0: 1.0, 1: 3.0, 2: 0.5}}, False),
    "weights of rows": (numbers, "adam", "mse", [], {"sample_weight": numpy.linspace(0, 2, STEPS * ROWS)}, False),
    "masks": (lambda: words(mask_zero=True), "adam", "sparse_categorical_crossentropy", ["accuracy"], {}, False),
    "a regularizer": (lambda: (ours.layers.LSTM(6, kernel_regularizer="l2"), ours.layers.Dense(3)), "adam", "mse", [], {}, False),
    "an activity regularizer": (lambda: (ours.layers.LSTM(6), ours.layers.Dense(3, activity_regularizer="l2")), "adam", "mse", [], {}, False),
    "a class of the user's": (lambda: (ours.layers.LSTM(6), Own(3)), "adam", "mse", [], {}, False),
    "another metric": (words, "adam", "sparse_categorical_crossentropy", [ours.metrics.SparseTopKCategoricalAccuracy(2), ours.metrics.MeanIoU(3, sparse_y_pred=False)], {}, False),
    "the sum of losses": (numbers, "adam", ours.losses.MeanSquaredError(reduction="sum"), [], {}, False),
    "states": (lambda: (ours.layers.LSTM(6, stateful=True), ours.layers.Dense(3)), "adam", "mse", [], {}, False),
}  # fmt: skip


def data(layers, loss):
    draw = numpy.random.default_rng(0)
    count = STEPS * ROWS
    x = draw.integers(0, 9, (count, 7)) if isinstance(layers[0], ours.layers.Embedding) else draw.random((count, 7, 4)).astype("float32")
    if loss == "sparse_categorical_crossentropy":
        return x, draw.integers(0, 3, count)
    each_step = getattr(layers[0], "return_sequences", False) and len(layers) == 2
    return x, draw.random((count, 7, 3) if each_step else (count, 3)).astype("float32")


def fitted(kind, case):
    make, optimizer, loss, metrics, options, _ = case
    ours.utils.set_random_seed(0)
    layers = make()
    x, y = data(layers, loss)
    shape = {"batch_shape": (ROWS, *x.shape[1:])} if getattr(layers[0], "stateful", False) else {"shape": x.shape[1:]}
    model = kind([ours.Input(**shape), *layers])
    model.compile(optimizer=optimizer() if callable(optimizer) else optimizer, loss=loss, metrics=[m if isinstance(m, str) else type(m).from_config(m.get_config()) for m in metrics])
    seen = []
    heard = ours.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(dict(logs)))
    history = model.fit(x, y, batch_size=ROWS, epochs=2, shuffle=False, verbose=0, callbacks=[heard], validation_data=(x, y), **options).history
    return model, history, seen


@pytest.mark.parametrize("name", CASES)
def test_the_numbers_are_those_of_keras_own_step(name):
    case = CASES[name]
    model, history, seen = fitted(ours.Sequential, case)
    theirs, expected, seen_theirs = fitted(Sequential, case)
    assert bool(vars(model)[training._KEPT]) == case[-1], training.why_not(model)
    assert training._KEPT not in vars(theirs)
    assert history.keys() == expected.keys() and len(seen) == len(seen_theirs) == 2 * STEPS
    for key, values in expected.items():
        numpy.testing.assert_allclose(history[key], values, rtol=2e-5, atol=1e-6, err_msg=key)
    for mine, other in zip(seen, seen_theirs, strict=True):
        assert mine.keys() == other.keys()
        numpy.testing.assert_allclose(list(mine.values()), list(other.values()), rtol=2e-5, atol=1e-6)
    for mine, other in zip(model.weights, theirs.weights, strict=True):
        numpy.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-4, atol=2e-6, err_msg=mine.path)
    for mine, other in zip(model.optimizer.variables, theirs.optimizer.variables, strict=True):
        numpy.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-3, atol=2e-6, err_msg=mine.path)


def test_which_optimizers_have_one_operation():
    for name, one in {"as in the example": True, "a schedule": True, "sgd": False, "clipped": False, "amsgrad": False, "decayed and averaged": False, "a constraint": False}.items():
        model, *_ = fitted(ours.Sequential, CASES[name])
        assert (vars(model)[training._KEPT]._update is not None) == one, name


def test_batches_of_another_shape_and_models_that_change(monkeypatch):
    model, *_ = fitted(ours.Sequential, CASES["as in the example"])
    ran = []
    monkeypatch.setattr(training.PlainStep, "__call__", lambda self, x, y, call=training.PlainStep.__call__: ran.append(len(x)) or call(self, x, y))
    x, y = numpy.random.rand(20, 5, 4).astype("float32"), numpy.random.rand(20, 3).astype("float32")
    model.fit(x, y, batch_size=8, verbose=0)
    assert ran == [8, 4]  # the first batch is Keras's; the last one has fewer rows
    model.layers[-1].trainable = False
    model.compile(optimizer="sgd", loss="mse")
    kept = model.layers[-1].get_weights()
    model.fit(x, y, batch_size=8, verbose=0)
    assert len(ran) == 4 and all((a == b).all() for a, b in zip(kept, model.layers[-1].get_weights(), strict=True))
    model.layers[0].register_forward_hook(lambda *_: None)
    model.fit(x, y, batch_size=8, verbose=0)
    assert len(ran) == 4
    with pytest.raises(ValueError, match="expected|incompatible"):
        model.fit(x[..., :3], y, batch_size=8, verbose=0)


def test_a_step_of_the_users_own_runs():
    class Mine(ours.Sequential):
        ran = 0

        def train_step(self, data):
            self.ran += 1
            return super().train_step(data)

    model, *_ = fitted(Mine, CASES["as in the example"])
    assert model.ran == 2 * STEPS and not vars(model)[training._KEPT]


def test_files_hold_kerass_own_class_and_come_back_as_ours(tmp_path):
    model, *_ = fitted(ours.Sequential, CASES["as in the example"])
    model.save(tmp_path / "model.keras")
    x, _ = data(model.layers, "mse")
    again = ours.models.load_model(tmp_path / "model.keras")
    assert type(again) is ours.Sequential
    numpy.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert '"module": "keras"' in model.to_json() and "tenuto" not in model.to_json()
    copy = ours.models.clone_model(model)
    assert isinstance(copy, Sequential) and copy.count_params() == model.count_params()


def test_a_loss_that_is_no_number_is_seen(tmp_path):
    model, *_ = fitted(ours.Sequential, CASES["as in the example"])
    x, y = numpy.full((16, 7, 4), numpy.nan, dtype="float32"), numpy.zeros((16, 3), dtype="float32")
    history = model.fit(x, y, batch_size=8, epochs=3, verbose=0, callbacks=[ours.callbacks.TerminateOnNaN()])
    assert len(history.epoch) == 1 and torch.isnan(torch.tensor(history.history["loss"])).all()
