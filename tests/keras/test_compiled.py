"""`jit_compile=True`, torch.compile and torch.export of Keras models on tenuto's engines."""

import importlib.util
import warnings

import numpy
import pytest
import torch

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras is not installed", allow_module_level=True)
import tenuto.keras as ours  # isort: skip
import keras  # isort: skip

from tenuto.cells import PeepholeLSTM

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


class Reader(keras.Model):
    """A model whose layers Keras does not know before it is called."""

    def __init__(self):
        super().__init__()
        self.inner = ours.layers.LSTM(4)

    def call(self, x):
        return self.inner(x)


@pytest.mark.parametrize(
    "make",
    [
        lambda module: keras.Sequential([keras.Input((6, 3)), keras.layers.Bidirectional(module.layers.LSTM(4))]),
        lambda module: keras.Sequential([module.layers.GRU(4)]),
        lambda module: keras.Sequential([module.layers.RNN([keras.layers.LSTMCell(4), keras.layers.GRUCell(3)])]),
    ],
    ids=["functional", "not built", "cells"],
)
def test_jit_compile_warns_once_and_trains_as_keras_does_without(make):
    generator = numpy.random.default_rng(0)
    X, y = generator.normal(size=(11, 6, 3)).astype("float32"), generator.normal(size=(11, 1)).astype("float32")
    shown = []
    for module, jit in ((ours, True), (keras, False)):
        keras.utils.set_random_seed(1)
        model = make(module)
        if jit:
            with pytest.warns(UserWarning, match="doesn't support `jit_compile=True`. Proceeding with `jit_compile=False`") as told:
                model.compile("sgd", "mse", jit_compile=True)
            assert len(told) == 1
        else:
            model.compile("sgd", "mse")
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            history = model.fit(X, y, batch_size=4, epochs=2, verbose=0, shuffle=False).history["loss"]  # batches of 4, 4 and 3
            results = [history, model.evaluate(X, y, batch_size=4, verbose=0), model.predict(X, batch_size=4, verbose=0)]
            results += [model.train_on_batch(X[:rows], y[:rows]) for rows in (5, 1)] + [model.test_on_batch(X[:2], y[:2]), model.predict_on_batch(X[:3])]
        shown.append(results)
    for mine, theirs in zip(*shown):
        numpy.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_a_subclassed_model_warns_once_too():
    with pytest.warns(UserWarning, match="Proceeding with `jit_compile=False`"):
        model = Reader()
        model.compile("sgd", "mse", jit_compile=True)
    assert model.predict(numpy.ones((3, 6, 3), "float32"), verbose=0).shape == (3, 4)


@pytest.mark.slow
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize(
    "make",
    [
        lambda: ours.layers.LSTM(4, return_sequences=True, return_state=True),
        lambda: ours.layers.GRU(4, go_backwards=True),
        lambda: ours.layers.RNN(PeepholeLSTM(), units=4),
        lambda: ours.layers.RNN([ours.layers.CellLayer(PeepholeLSTM(), 4), keras.layers.SimpleRNNCell(3)]),
    ],
    ids=["LSTM", "GRU", "a cell", "a stack"],
)
def test_torch_compile_holds_a_layer_as_one_call(make, full):
    torch._dynamo.reset()
    layer = make()
    layer.build((2, 5, 3))
    compiled = torch.compile(layer, fullgraph=full, backend="aot_eager")
    for rows in (2, 3):
        x = torch.randn(rows, 5, 3)
        results, expected = keras.tree.flatten(compiled(x)), keras.tree.flatten(layer(x))
        torch.testing.assert_close(results, expected)
        gradients, right = (torch.autograd.grad(sum((r**2).sum() for r in found), [w.value for w in layer.trainable_weights]) for found in (results, expected))
        torch.testing.assert_close(gradients, right)


def test_torch_compile_of_one_layer_with_a_mask():
    torch._dynamo.reset()
    layer = ours.layers.SimpleRNN(4)
    layer.build((2, 5, 3))
    x, mask = torch.randn(2, 5, 3), torch.tensor([[True, False, True, True, False], [False] * 5])
    compiled = torch.compile(lambda x, mask: layer(x, mask=mask), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x, mask), layer(x, mask=mask))


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_export_with_a_mask_serves_any_mask(name):
    tokens = keras.Input((5,), dtype="int32")
    hidden = keras.layers.Embedding(7, 3, mask_zero=True)(tokens)
    model = keras.Model(tokens, getattr(ours.layers, name)(4)(hidden))
    example = torch.tensor([[1, 2, 0, 3, 0], [4, 0, 0, 0, 0]])
    module = torch.export.export(model, (example,), strict=False).module()
    for other in (example, torch.tensor([[1, 2, 3, 4, 5], [0, 0, 0, 0, 0]]), torch.tensor([[0, 0, 6, 0, 1], [1, 1, 1, 0, 0]])):
        torch.testing.assert_close(module(other), model(other))
