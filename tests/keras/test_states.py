"""What a layer's call is given beside its input, in every form that Keras's programs give it, beside Keras's own layers; and wrong ones."""

import importlib.util

import numpy
import pytest
import torch

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras is not installed", allow_module_level=True)
import tenuto.keras as ours  # isort: skip
import keras  # isort: skip

from tenuto.cells import IndRNN, PeepholeLSTM
from tenuto.errors import ArgumentError, ShapeError

pytestmark = [pytest.mark.usefixtures("reference_engine"), pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
CLOSE = {"rtol": 1e-4, "atol": 2e-5}
B, T, I, H = 3, 5, 4, 6
ROW = numpy.random.default_rng(1).normal(size=(1, H)).astype("float32")
EACH = numpy.random.default_rng(2).normal(size=(B, H)).astype("float32")
X = torch.from_numpy(numpy.random.default_rng(0).normal(size=(B, T, I)).astype("float32"))


def twins(make):
    """Ours and Keras's layer with the same weights."""
    layers = []
    for module in (ours, keras):
        keras.utils.set_random_seed(3)
        layers.append(make(module))
    return layers


FORMS = {
    "tensor": torch.from_numpy(EACH),
    "array": EACH,
    "float64": EACH.astype("float64"),
    "whole numbers": numpy.ones((B, H), "int32"),
    "variable": keras.Variable(EACH),
    "list of numbers": EACH.tolist(),
    "row": ROW,
    "row as a tensor": torch.from_numpy(ROW),
    "row as a list": ROW.tolist(),
    "row as a variable": keras.Variable(ROW),
    "vector": ROW[0],
    "vector as a list": ROW[0].tolist(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "count"), [("LSTM", 2), ("GRU", 1), ("SimpleRNN", 1)])
def test_initial_states_of_every_form(name, count, form):
    given = FORMS[form]
    plain = given.numpy() if isinstance(given, torch.Tensor | keras.Variable) and not hasattr(given, "value") else numpy.asarray(keras.ops.convert_to_numpy(given))
    spread = numpy.broadcast_to(plain, (B, H)).astype("float32").copy()
    mask = torch.tensor([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)
    for options in ({}, {"stateful": True}, {"dtype": "float64"}, {"go_backwards": True}):
        mine, theirs = twins(lambda module: getattr(module.layers, name)(H, return_sequences=True, return_state=True, **options))
        for call in ({}, {"mask": mask}):
            results, expected = mine(X, initial_state=[given] * count, **call), theirs(X, initial_state=[spread] * count, **call)
            torch.testing.assert_close(results, expected, **CLOSE)
        if count == 1:
            torch.testing.assert_close(mine(X, initial_state=given), theirs(X, initial_state=[spread]), **CLOSE)


def test_gradients_reach_a_row_that_stands_for_all():
    for name, count in (("LSTM", 2), ("GRU", 1)):
        found = []
        for layer in twins(lambda module: getattr(module.layers, name)(H)):
            rows = [torch.from_numpy(ROW).requires_grad_() for _ in range(count)]
            layer(X, initial_state=rows).sum().backward()
            found.append([row.grad for row in rows])
        torch.testing.assert_close(*found, **CLOSE)


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "SimpleRNNCell"])
@pytest.mark.parametrize("count", [1, 2])
def test_states_of_lists_of_cells(kind, count):
    each = 2 if kind == "LSTMCell" else 1
    make = lambda module: module.layers.RNN([getattr(keras.layers, kind)(H) for _ in range(count)], return_state=True)  # noqa: E731
    mine, theirs = twins(make)
    results, expected = mine(X), theirs(X)
    torch.testing.assert_close(results, expected, **CLOSE)
    keras.tree.assert_same_structure(results, expected)
    for state in (EACH, ROW):
        nested = [[state] * each] * count
        results, expected = mine(X, initial_state=nested), theirs(X, initial_state=nested)
        torch.testing.assert_close(results, expected, **CLOSE)
        keras.tree.assert_same_structure(results, expected)
    mine, theirs = twins(lambda module: module.layers.RNN([getattr(keras.layers, kind)(H) for _ in range(count)], stateful=True))
    torch.testing.assert_close([mine(X), mine(X)], [theirs(X), theirs(X)], **CLOSE)
    torch.testing.assert_close([s.value for s in keras.tree.flatten(mine.states)], [s.value for s in keras.tree.flatten(theirs.states)], **CLOSE)


@pytest.mark.parametrize("cell", [PeepholeLSTM(), IndRNN()], ids=repr)
def test_states_of_cells_of_tenuto(cell):
    layer = ours.layers.RNN(cell, units=H, return_state=True)
    count = len(layer.state_size)
    expected = layer(X, initial_state=[numpy.repeat(ROW, B, 0)] * count)
    for given in (ROW, ROW[0], ROW.astype("float64"), ROW.tolist()):
        torch.testing.assert_close(layer(X, initial_state=[given] * count), expected)
        if isinstance(given, list):
            continue  # Keras takes no lists of numbers by position
        step = layer.cell(X[:, 0], [given] * count)
        torch.testing.assert_close(step, layer.cell(X[:, 0], [numpy.repeat(ROW, B, 0)] * count))
    alone, listed = (ours.layers.RNN(each, units=H, dtype="float64", stateful=True) for each in (cell, [cell]))
    for one in (alone, listed):
        one.build((B, T, I))
    listed.set_weights(alone.get_weights())
    for _ in range(2):
        torch.testing.assert_close(alone(X), listed(X))
    assert all(state.dtype == "float64" for state in keras.tree.flatten(alone.states))
    both = ours.layers.RNN([cell, keras.layers.GRUCell(3)], units=H, return_state=True)
    assert [tuple(state.shape) for state in keras.tree.flatten(both(X))] == [(B, 3), *[(B, H)] * count, (B, 3)]


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "mixed_bfloat16"])
def test_a_layer_is_made_stateful_and_stateless_again(name, dtype):
    made = {"dtype": dtype, "recurrent_initializer": "glorot_uniform"}
    later, first = twins(lambda module: getattr(ours.layers, name)(H, stateful=module is keras, **made))
    once = later(X)
    later.stateful = True
    for _ in range(2):
        torch.testing.assert_close(later(X), first(X))
    later.reset_state()
    torch.testing.assert_close(later(X), once)
    with pytest.raises(ValueError, match="batch size"):
        later(X[:1])
    later.stateful = False
    torch.testing.assert_close(later(X), once)
    torch.testing.assert_close(later(X[:1]), once[:1])


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_wrong_states_and_masks_are_told_in_words(name):
    layer = getattr(ours.layers, name)(H, name="reader")
    count = 2 if name == "LSTM" else 1
    for wrong, received in ((EACH[:2], r"\[2, 6\]"), (EACH[:, :5], r"\[3, 5\]"), (EACH[:, :1], r"\[3, 1\]"), (EACH[:, None], r"\[3, 1, 6\]"), (numpy.float32(1), r"\[\]")):
        with pytest.raises(ShapeError, match=rf"(?s){name} 'reader': an initial state has the wrong shape.*\[3, 6\], or one row.*received  {received}"):
            layer(X, initial_state=[wrong] * count)
    for wrong in ([], [EACH] * 3):
        with pytest.raises(ArgumentError, match=rf"(?s){name} 'reader': initial_state has {len(wrong)} entries.*leave initial_state out"):
            layer(X, initial_state=wrong)
    with pytest.raises(ArgumentError, match="an initial state is NoneType"):
        layer(X, initial_state=[None] * count)
    for wrong in (torch.ones(B, T - 1), torch.ones(B, T + 2), torch.ones(2, T)):
        with pytest.raises(ShapeError, match=rf"(?s){name} 'reader': the mask does not fit the input.*mask \[3, 5\].*received  mask \[{wrong.shape[0]}, {wrong.shape[1]}\]"):
            layer(X, mask=wrong.bool())
    one_row = torch.tensor([[True, False, True, True, False]])
    torch.testing.assert_close(layer(X, mask=one_row), layer(X, mask=one_row.expand(B, T)))
    torch.testing.assert_close(layer(X, mask=one_row[0].tolist()), layer(X, mask=one_row.expand(B, T)))
