"""A thousand tokens, one at a time: the same as exact arithmetic gives; in float32 each step is as near to it as Keras's own."""

import importlib.util

import numpy
import pytest
import torch

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras is not installed", allow_module_level=True)
import tenuto.keras as ours  # isort: skip
import keras  # isort: skip

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
TOKENS, H, COUNT = 20, 16, 1024


def exact_step(name, weights, x, state):
    """One step in numpy's float64, from Keras's equations: the new states, the output first."""
    kernel, recurrent_kernel, bias = weights
    sigmoid = lambda v: 1 / (1 + numpy.exp(-v))  # noqa: E731
    h = state[0]
    if name == "SimpleRNN":
        return [numpy.tanh(x @ kernel + bias + h @ recurrent_kernel)]
    if name == "LSTM":
        i, f, g, o = numpy.split(x @ kernel + bias + h @ recurrent_kernel, 4, axis=1)
        c = sigmoid(f) * state[1] + sigmoid(i) * numpy.tanh(g)
        return [sigmoid(o) * numpy.tanh(c), c]
    (xz, xr, xh), (hz, hr, hh) = (numpy.split(v, 3, axis=1) for v in (x @ kernel + bias[0], h @ recurrent_kernel + bias[1]))
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    return [z * h + (1 - z) * numpy.tanh(xh + r * hh)]


def sampled(step, count, greedy):
    """Tokens drawn with one seed, each given to the next step; `step(token)` gives logits."""
    generator, token, tokens = numpy.random.default_rng(0), 1, []
    for _ in range(count):
        logits = step(token)
        share = numpy.exp(logits - logits.max())
        token = int(logits.argmax()) if greedy else int(numpy.searchsorted(numpy.cumsum(share / share.sum()), generator.random()))
        tokens.append(token)
    return tokens


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_sampled_tokens_are_those_of_exact_arithmetic(name, monkeypatch):
    monkeypatch.setenv("TENUTO_ENGINE", "reference")
    generator = numpy.random.default_rng(1)
    embedding, head = generator.normal(size=(TOKENS, H)), generator.normal(size=(H, TOKENS)) * 2
    keras.utils.set_random_seed(1)
    layer = getattr(ours.layers, name)(H, stateful=True, dtype="float64")
    layer.build((1, 1, H))
    weights = layer.get_weights()
    state = [numpy.zeros((1, H))] * len(layer.state_size)

    def exact(token):
        state[:] = exact_step(name, weights, embedding[None, token], state)
        return (state[0] @ head)[0]

    def mine(token):
        return (layer(torch.from_numpy(embedding[None, None, token])).numpy() @ head)[0]

    with torch.no_grad():
        for greedy in (True, False):
            state[:] = [numpy.zeros((1, H))] * len(state)
            layer.reset_state()
            count = COUNT // 8 if greedy else COUNT
            expected = sampled(exact, count, greedy)
            assert sampled(mine, count, greedy) == expected
            assert greedy or len(set(expected)) > 10


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_a_step_in_float32_is_as_near_to_exact_as_keras_own(name):
    """Why two float32 layers part in a long sample: their steps round differently, by as much, and what is drawn next depends on it."""
    layers = []
    for module in (ours, keras):
        keras.utils.set_random_seed(1)
        layers.append(getattr(module.layers, name)(H, return_state=True))
        layers[-1].build((1, 1, H))
    weights = [weight.astype("float64") for weight in layers[0].get_weights()]
    generator = numpy.random.default_rng(2)
    farthest = [0.0, 0.0]
    for _ in range(40):
        x, *state = (generator.normal(size=(1, H)).astype("float32") for _ in range(1 + len(layers[0].state_size)))
        right = exact_step(name, weights, x.astype("float64"), [s.astype("float64") for s in state])[0]
        for k, layer in enumerate(layers):
            with torch.no_grad():
                output, *_ = layer(torch.from_numpy(x[:, None]), initial_state=[torch.from_numpy(s) for s in state])
            farthest[k] = max(farthest[k], float(numpy.abs(output.numpy() - right).max()))
    assert farthest[0] < 5e-7 and farthest[1] < 5e-7, farthest
