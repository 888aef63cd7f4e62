"""tenuto.keras's layers against Keras's own, on the same weights: outputs, states and all gradients, over the options."""

import importlib.util

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras is not installed", allow_module_level=True)
import tenuto.keras as ours  # isort: skip
import keras  # isort: skip

from tenuto.adapters.keras import ACTIVATION_NAMES
from tenuto.cell import Cell, State
from tenuto.cells import IndRNN, LayerNormLSTM, PeepholeLSTM, ProjectionLSTM, Zoneout
from tenuto.errors import ArgumentError, EngineError
from tenuto.keras.layers import CellLayer

# Keras's Variable has numpy's old __array__.
pytestmark = [pytest.mark.usefixtures("reference_engine"), pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]

# Keras 3.15 on torch multiplies float64 matrices in float32 (keras.ops.matmul), so in float64 its own loop is no more exact a reference;
# only its unmasked LSTM calls torch directly.
CLOSE = {"rtol": 2e-5, "atol": 1e-5}  # Keras rounds the states it is given to float32, in a float64 layer too
EXACT = {"rtol": 1e-11, "atol": 1e-12}
B, T, I, H = 3, 5, 4, 6
MASKS = ("none", "all", "padded at the end", "padded in front", "any", "one row masked")


def step_mask(kind):
    """A step mask [B, T] of the kind, or None."""
    if kind == "none":
        return None
    mask = torch.ones(B, T, dtype=torch.bool)
    if kind == "padded at the end":
        mask[0, 3:], mask[2, 1:] = False, False
    elif kind == "padded in front":
        mask[0, :3], mask[1, :1] = False, False
    elif kind == "any":
        mask = torch.rand(B, T, generator=torch.Generator().manual_seed(3)) > 0.4
    elif kind == "one row masked":
        mask[1] = False
    return mask


def twins(name, dtype="float64", scale=0.5, **options):
    """Ours and Keras's layer with the same options and weights."""
    layers = [getattr(module, name)(H, dtype=dtype, **options) for module in (ours.layers, keras.layers)]
    for layer in layers:
        layer.build((B, T, I))
    generator = numpy.random.default_rng(1)
    weights = [generator.normal(0, scale, weight.shape).astype(dtype) for weight in layers[0].get_weights()]
    for layer in layers:
        layer.set_weights(weights)
    return layers


def flat(results):
    """The tensors of a call's result."""
    return keras.tree.flatten(results)


def outcome(layer, x, call):
    """What the layer gives, and the gradients of a fixed sum of it by x and every weight."""
    x = x.clone().requires_grad_()
    results = flat(layer(x, **call))
    loss = sum((result * torch.cos(torch.arange(result.numel(), dtype=result.dtype)).view_as(result)).sum() for result in results)
    gradients = torch.autograd.grad(loss, [x, *(weight.value for weight in layer.trainable_weights)], allow_unused=True)
    return results, gradients


def assert_same(name, call, dtype="float64", tolerance=CLOSE, **options):
    """Both layers give the same results and gradients; returns ours."""
    mine, theirs = twins(name, dtype, **options)
    x = torch.randn(B, T, I, dtype=getattr(torch, dtype)) / 2
    (results, gradients), (expected, expected_gradients) = outcome(mine, x, call), outcome(theirs, x, call)
    torch.testing.assert_close(results, expected, **tolerance)
    torch.testing.assert_close(gradients, expected_gradients, **tolerance)
    return mine


@given(
    name=st.sampled_from(["SimpleRNN", "LSTM", "GRU"]),
    dtype=st.sampled_from(["float32", "float64"]),
    mask=st.sampled_from(MASKS),
    with_state=st.booleans(),
    options=st.fixed_dictionaries(
        {name: st.booleans() for name in ("return_sequences", "return_state", "go_backwards", "use_bias", "zero_output_for_mask")}
        | {"activation": st.sampled_from(["tanh", "relu", "linear", "softsign"])}
    ),
    gate=st.fixed_dictionaries(
        {"recurrent_activation": st.sampled_from(["sigmoid", "hard_sigmoid"]), "implementation": st.sampled_from([1, 2])}
    ),
    reset_after=st.booleans(),
)
@settings(max_examples=150)
def test_same_as_keras(name, dtype, mask, with_state, options, gate, reset_after):
    options |= {} if name == "SimpleRNN" else gate
    options |= {"reset_after": reset_after} if name == "GRU" else {}
    call = {"mask": step_mask(mask)}
    if with_state:
        call["initial_state"] = [torch.randn(B, H, dtype=getattr(torch, dtype)) for _ in range(2 if name == "LSTM" else 1)]
    mine = assert_same(name, call, dtype, **options)
    report = mine.engine_report()
    assert report.chosen != "keras", report
    assert report.steps == {"none": "all", "all": "all", "padded at the end": "lengths", "one row masked": "lengths"}.get(mask, "gathered") or (
        mask == "padded in front" and options["go_backwards"] and report.steps == "lengths"
    )


@pytest.mark.parametrize("activation", sorted(ACTIVATION_NAMES))
def test_every_activation(activation):
    # torch's own hardsigmoid holds 1/6 in float32; Keras's squareplus cancels.
    options = {"tolerance": CLOSE if activation in ("hard_sigmoid", "hard_silu", "squareplus") else EXACT}
    if activation == "exponential":
        options |= {"recurrent_activation": "sigmoid", "scale": 0.05}  # grows too fast otherwise
    mine = assert_same("LSTM", {}, **{"activation": activation, "recurrent_activation": activation, **options})
    assert mine.engine_report().chosen != "keras"


@pytest.mark.parametrize("activation", ["sparsemax", "log_softmax", lambda v: v * 0.5], ids=["sparsemax", "log_softmax", "function"])
def test_other_activations_run_in_keras_and_the_report_says_so(activation):
    mine = assert_same("LSTM", {"mask": step_mask("any")}, activation=activation)
    assert mine.engine_report().chosen == "keras"
    assert "is not one of the activations that tenuto knows by name" in str(mine.engine_report())


def test_padding_that_is_not_a_number_is_never_read():
    layer, x = ours.layers.GRU(H, return_sequences=True), torch.randn(B, T, I)
    expected = layer(x, mask=step_mask("any"))
    spoilt = torch.where(step_mask("any").unsqueeze(-1), x, float("nan")).requires_grad_()
    output = layer(spoilt, mask=step_mask("any"))
    torch.testing.assert_close(output, expected)
    output.sum().backward()
    assert torch.isfinite(spoilt.grad).all()


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
@pytest.mark.parametrize("rates", [{"dropout": 0.4}, {"recurrent_dropout": 0.4}, {"dropout": 0.3, "recurrent_dropout": 0.5}], ids=str)
def test_dropout_draws_keras_masks_from_the_same_seed(name, rates):
    mine = assert_same(name, {"training": True}, seed=7, return_sequences=True, **rates)
    assert mine.engine_report().chosen != "keras"
    mine, theirs = twins(name, seed=7, **rates)
    x = torch.randn(B, T, I, dtype=torch.float64)
    torch.testing.assert_close(mine(x), theirs(x), **CLOSE)  # no dropout in inference
    first, second = mine(x, training=True), mine(x, training=True)
    assert (first != second).any(), "a new mask for each batch"


def test_reset_before_gru_with_dropout():
    assert_same("GRU", {"training": True, "mask": step_mask("any")}, seed=3, reset_after=False, dropout=0.2, recurrent_dropout=0.5)


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_stateful(name):
    mine, theirs = twins(name, return_sequences=True, stateful=True)
    # Keras's stateful LSTM and GRU on torch overwrite the states that their backward pass needs, so the reference layer gets the states as arguments.
    stateless = keras.layers.deserialize(keras.layers.serialize(theirs))
    stateless.stateful = False
    stateless.build((B, T, I))
    stateless.set_weights(theirs.get_weights())
    for _ in range(3):
        x = torch.randn(B, T, I, dtype=torch.float64)
        states = [keras.ops.copy(state) for state in mine.states or [torch.zeros(B, H, dtype=torch.float64)] * len(mine.state_size)]
        (results, gradients), (expected, expected_gradients) = outcome(mine, x, {}), outcome(stateless, x, {"initial_state": states})
        theirs(x)
        torch.testing.assert_close(results, expected, **CLOSE)
        torch.testing.assert_close(gradients, expected_gradients, **CLOSE)
    before = [keras.ops.copy(state) for state in mine.states]
    mine.engine_report(x)
    torch.testing.assert_close([keras.ops.copy(state) for state in mine.states], before)
    mine.reset_state()
    theirs.reset_state()
    torch.testing.assert_close(mine(x), theirs(x), **CLOSE)
    with pytest.raises(ValueError, match="batch size"):
        mine(x[:1])


@pytest.mark.parametrize("kind", ["SimpleRNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("mask", MASKS)
def test_rnn_of_stacked_cells(kind, mask):
    layers = []
    for module in (ours.layers, keras.layers):
        cells = [getattr(keras.layers, kind)(units, dtype="float64", seed=1) for units in (4, 5)]
        layers.append(module.RNN(cells, return_sequences=True, return_state=True, dtype="float64"))
        layers[-1].build((B, T, I))
    layers[0].set_weights(layers[1].get_weights())
    x = torch.randn(B, T, I, dtype=torch.float64)
    (results, gradients), (expected, expected_gradients) = (outcome(layer, x, {"mask": step_mask(mask)}) for layer in layers)
    torch.testing.assert_close(results, expected, **CLOSE)
    torch.testing.assert_close(gradients, expected_gradients, **CLOSE)
    assert len(layers[0].engine_report().engines) == 2
    assert layers[0].engine_report().chosen != "keras"


@pytest.mark.parametrize("cell", [PeepholeLSTM(activation="relu"), ProjectionLSTM(projection=3), LayerNormLSTM(), IndRNN()], ids=repr)
def test_rnn_of_a_tenuto_cell_is_the_same_step_by_step(cell):
    layer = ours.layers.RNN(cell, units=H, return_sequences=True, dtype="float64")
    x = torch.randn(B, T, I, dtype=torch.float64)
    output = layer(x)
    assert tuple(output.shape) == layer.compute_output_shape(x.shape)
    by_step = keras.layers.RNN(layer.cell, return_sequences=True, dtype="float64")
    torch.testing.assert_close(output, by_step(x), **CLOSE)
    copy = ours.layers.RNN.from_config(layer.get_config())
    copy.build(x.shape)
    copy.set_weights(layer.get_weights())
    assert copy.cell.cell == cell
    torch.testing.assert_close(copy(x), output)


def test_a_saved_model_is_refused_a_cell_with_another_step(tmp_path):
    def made(factor):
        step = lambda self, x, U, s: State(h=factor * torch.tanh(x.h + U.h @ s.h))  # noqa: E731
        return type("Own", (Cell,), {"__module__": "users_file", "__qualname__": "Own", "gates": "h", "state": "h", "step": step})

    model = keras.Sequential([keras.Input((T, I)), ours.layers.RNN(made(0.5)(), units=H)])
    model.save(tmp_path / "model.keras")
    x = numpy.ones((B, T, I), dtype="float32")
    numpy.testing.assert_allclose(keras.models.load_model(tmp_path / "model.keras").predict(x), model.predict(x))
    made(0.25)
    with pytest.raises(TypeError, match="the cell Own is not the one with which the model was saved: the new state h differs"):
        keras.models.load_model(tmp_path / "model.keras")
    config = keras.layers.deserialize(keras.layers.serialize(CellLayer(made(0.5)(), H))).get_config()
    del config["maths"]  # saved before there was any
    made(0.25)
    CellLayer.from_config(config)


def test_a_users_own_cell_runs_in_keras():
    class Halves(keras.layers.Layer):
        state_size = output_size = I

        def call(self, inputs, states):
            output = inputs + states[0] / 2
            return output, [output]

    layer = ours.layers.RNN(Halves())
    x = torch.randn(B, T, I)
    torch.testing.assert_close(layer(x), keras.layers.RNN(Halves())(x))
    assert "Halves is a Keras cell that tenuto does not know" in str(layer.engine_report())


def test_reports_and_errors():
    layer = ours.layers.LSTM(H, name="reader")
    with pytest.raises(EngineError, match="LSTM 'reader': it has not run yet"):
        layer.engine_report()
    assert "LSTM 'reader': engine" in str(layer.engine_report(torch.randn(B, T, I)))
    with pytest.raises(ArgumentError, match="has no size of its own"):
        ours.layers.RNN(IndRNN())
    with pytest.raises(ArgumentError, match="units is for tenuto cells"):
        ours.layers.RNN(keras.layers.LSTMCell(3), units=4)
    with pytest.raises(ArgumentError, match="needs per-step streams"):
        CellLayer(Zoneout(IndRNN()), 3)
    with pytest.raises(ArgumentError, match="positive integer"):
        CellLayer(IndRNN(), 0)
    with pytest.raises(ArgumentError, match="not a tenuto cell"):
        CellLayer(torch.nn.LSTMCell(2, 3), 3)


@pytest.mark.cpp
@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_the_fused_loop_runs_by_itself(name, monkeypatch):
    monkeypatch.delenv("TENUTO_ENGINE")
    for mask in ("none", "padded in front"):
        mine = assert_same(name, {"mask": step_mask(mask), "training": True}, "float32", activation="relu", recurrent_dropout=0.3, seed=2)
        assert mine.engine_report().chosen == "cpp", mine.engine_report()


def test_a_stack_of_tenuto_and_keras_cells():
    x = torch.randn(B, T, I)
    layer = ours.layers.RNN([CellLayer(PeepholeLSTM(), 5), keras.layers.GRUCell(4), CellLayer(IndRNN(), 3)], return_state=True)
    results = layer(x, mask=step_mask("any"))
    expected = keras.layers.RNN(layer.cell.cells, return_state=True)(x, mask=step_mask("any"))
    torch.testing.assert_close(keras.tree.flatten(results), keras.tree.flatten(expected), **CLOSE)
    assert layer.engine_report().engines == ("reference",) * 3


def test_unroll_changes_nothing_and_the_engine_can_be_named():
    layer = assert_same("GRU", {}, "float32", unroll=True)
    layer.engine = "vendor"
    assert layer.engine_report(torch.randn(B, T, I)).chosen == "vendor"
    layer.engine = "fastest"
    with pytest.raises(ArgumentError, match="engine is 'fastest'"):
        layer(torch.randn(B, T, I))
    assert "engine" not in layer.get_config()
