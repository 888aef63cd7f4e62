"""Whole programs of kinds that Keras's users write, beside Keras's own layers: policies, several inputs and outputs, subclasses, any length."""

import importlib.util

import numpy
import pytest
import torch

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras is not installed", allow_module_level=True)
import tenuto.keras as ours  # isort: skip
import keras  # isort: skip

from tenuto.cells import PeepholeLSTM

pytestmark = [pytest.mark.usefixtures("reference_engine"), pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
CLOSE = {"rtol": 2e-4, "atol": 2e-5}
generator = numpy.random.default_rng(0)
TOKENS = generator.integers(0, 9, (10, 7))
X = generator.normal(size=(10, 7, 3)).astype("float32")


def translator(module):
    """An encoder's states start a decoder; two inputs, two outputs, masks from both embeddings."""
    source, target = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    embed = keras.layers.Embedding(9, 4, mask_zero=True)
    _, *states = module.layers.LSTM(5, return_state=True)(embed(source))
    output, *_ = module.layers.LSTM(5, return_sequences=True, return_state=True)(embed(target), initial_state=states)
    both = keras.layers.Bidirectional(module.layers.GRU(3), merge_mode="sum")(output)
    return keras.Model([source, target], [keras.layers.Dense(9)(output), keras.layers.Dense(1)(both)])


def subclassed(module):
    class Reader(keras.Model):
        def __init__(self):
            super().__init__()
            self.embedding = keras.layers.Embedding(9, 4, mask_zero=True)
            self.frozen = module.layers.SimpleRNN(4, return_sequences=True, trainable=False)
            self.stack = module.layers.RNN([keras.layers.GRUCell(4), keras.layers.LSTMCell(3)], return_sequences=True)
            self.last = module.layers.LSTM(3, recurrent_dropout=0.2, seed=1)
            self.heads = [keras.layers.Dense(9), keras.layers.Dense(1)]

        def call(self, inputs, training=False):
            hidden = self.stack(self.frozen(self.embedding(inputs[0])))
            return [self.heads[0](hidden), self.heads[1](self.last(hidden, training=training))]

    return Reader()


@pytest.mark.parametrize("make", [translator, subclassed])
def test_programs_with_several_inputs_and_outputs(make):
    shown = []
    for module in (ours, keras):
        keras.utils.set_random_seed(1)
        model = make(module)
        inputs = [TOKENS, TOKENS[:, ::-1].copy()]
        model.compile("sgd", [keras.losses.SparseCategoricalCrossentropy(from_logits=True), "mse"])
        targets = [TOKENS, X[:, 0, :1]]
        history = model.fit(inputs, targets, batch_size=4, epochs=2, verbose=0, shuffle=False).history["loss"]
        shorter = [tokens[:3, :4] for tokens in inputs]  # another batch and another length
        shown.append([history, *model.predict(inputs, verbose=0), *model.predict(shorter, verbose=0), *model.get_weights()])
        assert len(model.trainable_weights) == len(model.weights) - (3 if make is subclassed else 0)
    for mine, theirs in zip(*shown, strict=True):
        numpy.testing.assert_allclose(mine, theirs, **CLOSE)


POLICIES = [torch.float64, torch.float32, numpy.float32, numpy.dtype("float64"), keras.DTypePolicy("mixed_bfloat16"), "mixed_float16", "bfloat16"]


@pytest.mark.parametrize("dtype", POLICIES, ids=str)
def test_dtypes_as_keras_takes_them(dtype):
    for name in ("LSTM", "GRU", "SimpleRNN"):
        mine, theirs = (getattr(module.layers, name)(4, dtype=dtype, recurrent_initializer="identity", stateful=True) for module in (ours, keras))
        mine.build(X.shape)
        theirs.build(X.shape)
        theirs.set_weights([numpy.asarray(keras.ops.convert_to_numpy(keras.ops.cast(weight, "float32"))) for weight in mine.weights])
        for _ in range(2):
            result, expected = mine(X), theirs(X)
            assert result.dtype == expected.dtype
            torch.testing.assert_close(result.float(), expected.float(), rtol=5e-2, atol=3e-2)
        assert [state.dtype for state in mine.states] == [state.dtype for state in theirs.states]
    layer = ours.layers.RNN(ours.layers.CellLayer(PeepholeLSTM(), 4, recurrent_initializer="identity", dtype=dtype), dtype=dtype)
    assert keras.backend.standardize_dtype(layer(X).dtype) == layer.compute_dtype


@pytest.mark.parametrize("policy", ["float64", "mixed_bfloat16"])
def test_the_policy_of_the_whole_program(policy):
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        results = []
        for module in (ours, keras):
            keras.utils.set_random_seed(2)
            layer = keras.layers.Bidirectional(module.layers.GRU(4, return_sequences=True, return_state=True))
            results.append(layer(X))
            assert layer.forward_layer.compute_dtype == keras.backend.standardize_dtype(results[-1][0].dtype)
        torch.testing.assert_close(*results, rtol=3e-2, atol=2e-2)
    finally:
        keras.config.set_dtype_policy(before)


def test_floatx():
    before = keras.config.floatx()
    try:
        keras.config.set_floatx("float64")
        assert ours.layers.LSTM(3, dtype="float64")(X.astype("float64")).dtype == torch.float64
        assert ours.layers.RNN(PeepholeLSTM(), units=3, dtype="float64")(X).dtype == torch.float64
    finally:
        keras.config.set_floatx(before)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_what_keras_refuses_is_refused_in_the_same_words(name):
    mine, theirs = (getattr(module.layers, name)(4) for module in (ours, keras))
    mine(X), theirs(X)
    for call in (
        lambda layer: layer.quantize("int8"),
        lambda layer: layer(X[0]),
        lambda layer: type(layer)(0),
        lambda layer: type(layer)(4, activation="unknown"),
        lambda layer: type(layer)(4, unknown=1),
        lambda layer: layer.set_weights([numpy.zeros(3)]),
    ):
        told = []
        for layer in (mine, theirs):
            with pytest.raises((NotImplementedError, ValueError)) as error:
                call(layer)
            told.append(str(error.value).replace(mine.name, "NAME").replace(theirs.name, "NAME"))
        assert told[0] == told[1]


@pytest.mark.parametrize("function", [keras.ops.gelu, keras.activations.gelu, keras.ops.leaky_relu, keras.activations.leaky_relu, keras.ops.celu, keras.ops.squareplus])
def test_an_activation_is_the_function_given_with_its_own_defaults(function):
    results = []
    for module in (ours, keras):
        keras.utils.set_random_seed(2)
        results.append(module.layers.SimpleRNN(4, activation=function, return_sequences=True)(2 * X))
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6)
