"""Every option of Keras's recurrent layers, wrappers and cells, beside Keras's own: one grid, made from Keras's signatures.

An option that Keras has and this grid lacks fails the first test by name.
"""

import importlib.util
import inspect

import numpy
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras is not installed", allow_module_level=True)
import tenuto.keras as ours  # isort: skip
import keras  # isort: skip

pytestmark = [pytest.mark.usefixtures("reference_engine"), pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
# Keras on torch multiplies float64 matrices in float32 and rounds states to float32, so its float64 is no more exact.
CLOSE = {"rtol": 1e-4, "atol": 2e-5}
B, T, I, H = 3, 4, 3, 4
PHASES = (Phase.explicit, Phase.generate)  # a failing draw is small as it is; making it smaller takes minutes


@keras.saving.register_keras_serializable(package="tests")
def halved(v):
    """An activation of the user's own, which tenuto does not know."""
    return v * 0.5


BOTH = (False, True)
REGULARIZERS = (None, "l2", keras.regularizers.L1(0.1))
CONSTRAINTS = (None, "non_neg", keras.constraints.MaxNorm(0.5))
OF_A_LAYER = {
    "activity_regularizer": (None, "l2"),
    "trainable": (True, True, False),
    "dtype": (None, "float64", keras.DTypePolicy("float32"), torch.float64, numpy.float32),
    "autocast": (True, False),
    "name": (None, "own"),
}
OF_AN_RNN = {
    "return_sequences": BOTH,
    "return_state": BOTH,
    "go_backwards": BOTH,
    "stateful": BOTH,
    "unroll": BOTH,
    "zero_output_for_mask": BOTH,
}
OF_A_CELL = {
    "units": (H,),
    "activation": (
        "tanh",
        "relu",
        None,
        keras.ops.tanh,
        keras.ops.gelu,
        torch.tanh,
        keras.activations.softsign,
        halved,
        keras.layers.LeakyReLU(0.3),
    ),
    "use_bias": BOTH,
    "kernel_initializer": ("glorot_uniform", keras.initializers.HeNormal(seed=1)),
    "recurrent_initializer": ("orthogonal", keras.initializers.Identity(0.5)),
    "bias_initializer": ("zeros", keras.initializers.Constant(0.2)),
    "kernel_regularizer": REGULARIZERS,
    "recurrent_regularizer": REGULARIZERS,
    "bias_regularizer": REGULARIZERS,
    "kernel_constraint": CONSTRAINTS,
    "recurrent_constraint": CONSTRAINTS,
    "bias_constraint": CONSTRAINTS,
    "dropout": (0.0, 0.0, 0.4, 1.0),
    "recurrent_dropout": (0.0, 0.0, 0.4, 1.0),
    "seed": (3, None),
}
OF_GATES = {"recurrent_activation": ("sigmoid", "hard_sigmoid", keras.activations.sigmoid)}
CELLS = {
    "SimpleRNNCell": OF_A_CELL,
    "LSTMCell": OF_A_CELL | OF_GATES | {"unit_forget_bias": BOTH, "implementation": (1, 2)},
    "GRUCell": OF_A_CELL | OF_GATES | {"reset_after": BOTH, "implementation": (1, 2)},
}
LAYERS = {
    name: {option: values for option, values in CELLS[f"{name}Cell"].items() if option != "implementation"}
    | OF_AN_RNN
    | {"activity_regularizer": (None, "l2")}
    | ({} if name == "SimpleRNN" else {"use_cudnn": ("auto", False)})
    for name in ("SimpleRNN", "LSTM", "GRU")
}
for _name in LAYERS:
    del LAYERS[_name]["zero_output_for_mask"]  # comes with the options of every RNN
GRID = {
    **CELLS,
    **LAYERS,
    "RNN": OF_AN_RNN | {"cell": sorted(CELLS)},
    "StackedRNNCells": {"cells": sorted(CELLS)},
    "Bidirectional": {
        "layer": sorted(LAYERS),
        "merge_mode": ("concat", "sum", "mul", "ave", None),
        "weights": (None,),
        "backward_layer": BOTH,
    },
    "TimeDistributed": {"layer": sorted(LAYERS)},
}


def options_of(kind):
    """The options that a class of Keras names."""
    return [name for name, parameter in inspect.signature(kind).parameters.items() if parameter.kind is not parameter.VAR_KEYWORD]


@pytest.mark.parametrize("name", sorted(GRID))
def test_every_option_that_keras_has_is_in_the_grid_and_in_ours(name):
    theirs, mine = getattr(keras.layers, name), getattr(ours.layers, name)
    found = set(options_of(theirs)) - {"implementation"}  # layers take it too, without naming it
    assert found == set(GRID[name]) - {"implementation"}, f"options of keras.layers.{name} that the grid lacks, or that Keras lacks"
    assert options_of(mine)[: len(options_of(theirs))] == options_of(theirs)
    assert options_of(mine.call) == options_of(theirs.call)
    base = set(inspect.signature(keras.layers.Layer.__init__).parameters) - {"self", "kwargs"}
    assert base == set(OF_A_LAYER), "options of keras.layers.Layer"


def drawn(options, **fixed):
    """A strategy for a dictionary of options."""
    return st.fixed_dictionaries({name: st.sampled_from(fixed.get(name, values)) for name, values in options.items()})


MASKS = {
    "none": None,
    "padded at the end": [[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]],
    "any": [[0, 1, 0, 1], [1, 0, 1, 1], [1, 1, 0, 1]],
    "a row masked": [[1, 1, 1, 1], [0, 0, 0, 0], [0, 1, 1, 0]],
}


def weights_apart(layers):
    """The same weights in both layers, unlike those that they start with."""
    for one, other in zip(layers[0].get_weights(), layers[1].get_weights(), strict=True):
        numpy.testing.assert_array_equal(one, other)  # the initialisers are Keras's
    generator = numpy.random.default_rng(2)
    weights = [weight + generator.normal(0, 0.3, weight.shape).astype(weight.dtype) for weight in layers[1].get_weights()]
    for layer in layers:
        layer.set_weights(weights)


def training_step(layer, x, call):
    """All that a step of training shows: results, gradients by x and the weights, the weights afterwards."""
    x = x.clone().requires_grad_()
    results = keras.tree.flatten(layer(x, **call))
    loss = sum((result * torch.cos(torch.arange(result.numel(), dtype=result.dtype)).view_as(result)).sum() for result in results)
    loss = loss + sum(layer.losses)
    weights = layer.trainable_weights
    d_x, *gradients = torch.autograd.grad(loss, [x, *(weight.value for weight in weights)], allow_unused=True)
    if weights:
        keras.optimizers.SGD(0.1).apply([torch.zeros_like(w.value) if d is None else d for w, d in zip(weights, gradients)], weights)
    return results, d_x, gradients, [torch.as_tensor(weight) for weight in layer.get_weights()]


def without_names(config):
    """A configuration but for the names that Keras gave, and for who made it."""
    if isinstance(config, dict):
        return {key: without_names(value) for key, value in config.items() if key not in ("name", "module", "shared_object_id")}
    return [without_names(value) for value in config] if isinstance(config, list | tuple) else config


def assert_same(make, mask, call):
    """`make(module)` gives a layer; ours and Keras's show the same."""
    layers = []
    for module in (ours, keras):
        keras.utils.set_random_seed(4)
        layers.append(make(module))
        layers[-1].build((B, T, I))
    weights_apart(layers)
    mine, theirs = layers
    x = torch.from_numpy(numpy.random.default_rng(5).normal(size=(B, T, I)).astype(theirs.compute_dtype))
    if mask is not None:
        call = call | {"mask": torch.tensor(mask, dtype=torch.bool)}

    def shown(layer):
        keras.utils.set_random_seed(6)  # without a seed, dropout draws from torch's own generator
        if not getattr(layer, "stateful", False):
            return keras.tree.flatten(training_step(layer, x, call))
        with torch.no_grad():  # Keras overwrites the states that its own backward pass needs
            return keras.tree.flatten([layer(x, **call), layer(x, **call)])

    expected = if_able(shown, theirs)
    if expected is None:
        return
    torch.testing.assert_close(shown(mine), expected, **CLOSE)
    assert without_names(mine.get_config()) == without_names(theirs.get_config())
    if if_able(lambda layer: keras.layers.deserialize(keras.layers.serialize(layer)), theirs) is None:
        return  # a function of torch's
    again = keras.layers.deserialize(keras.layers.serialize(mine))
    assert type(again) is type(mine)
    assert without_names(again.get_config()) == without_names(mine.get_config())


def if_able(function, layer):
    """What Keras's layer gives, or None: it cannot run some options together (unroll, backwards and a mask), nor all on torch."""
    try:
        return function(layer)
    except Exception:
        return None


@given(
    name=st.sampled_from(sorted(LAYERS)),
    mask=st.sampled_from(sorted(MASKS)),
    given_state=st.sampled_from(["none", "each", "one row"]),
    training=st.booleans(),
    data=st.data(),
)
@settings(max_examples=60, phases=PHASES)
def test_layers(name, mask, given_state, training, data):
    options = data.draw(
        drawn(LAYERS[name] | OF_A_LAYER | {"zero_output_for_mask": BOTH} | ({} if name == "SimpleRNN" else {"implementation": (1, 2)}))
    )
    call = {"training": training}
    if given_state != "none":
        state = torch.randn(1 if given_state == "one row" else B, H, generator=torch.Generator().manual_seed(1))
        call["initial_state"] = [state, state][: 2 if name == "LSTM" else 1]
    assert_same(lambda module: getattr(module.layers, name)(**options), MASKS[mask], call)


@given(
    names=st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=2),
    stacked=st.sampled_from(["alone", "list", "StackedRNNCells"]),
    mask=st.sampled_from(sorted(MASKS)),
    training=st.booleans(),
    data=st.data(),
)
@settings(max_examples=40, phases=PHASES)
def test_cells_in_an_rnn(names, stacked, mask, training, data):
    names = names[:1] if stacked == "alone" else names
    dtype = data.draw(st.sampled_from(OF_A_LAYER["dtype"]))
    cells = [data.draw(drawn(CELLS[name] | {"dtype": (dtype,)})) for name in names]
    options = data.draw(drawn(OF_AN_RNN | OF_A_LAYER | {"dtype": (dtype,)}))

    def make(module):
        made = [getattr(keras.layers, name)(**options) for name, options in zip(names, cells)]
        cell = made[0] if stacked == "alone" else made if stacked == "list" else keras.layers.StackedRNNCells(made, dtype=dtype)
        return module.layers.RNN(cell, **options)

    assert_same(make, MASKS[mask], {"training": training})


@given(
    name=st.sampled_from(sorted(LAYERS)),
    wrapper=st.sampled_from(["Bidirectional", "Bidirectional", "TimeDistributed"]),
    mask=st.sampled_from(sorted(MASKS)),
    data=st.data(),
)
@settings(max_examples=30, phases=PHASES)
def test_wrappers(name, wrapper, mask, data):
    kept = {
        option: LAYERS[name][option]
        for option in ("units", "activation", "use_bias", "return_sequences", "return_state", "stateful", "dropout", "seed")
    }
    kept["activation"] = [value for value in OF_A_CELL["activation"] if value is not torch.tanh]  # Bidirectional makes its layers from configurations
    options = data.draw(drawn(kept))
    other = data.draw(drawn({"activation": OF_A_CELL["activation"], "use_bias": BOTH}))
    merge_mode = data.draw(st.sampled_from(GRID["Bidirectional"]["merge_mode"]))
    backward = data.draw(st.booleans())

    def make(module):
        layer = getattr(module.layers, name)
        if wrapper == "TimeDistributed":
            return keras.Sequential(
                [
                    keras.layers.Reshape((T, I, 1)),
                    keras.layers.TimeDistributed(layer(**options | {"return_state": False, "stateful": False})),
                ]
            )
        return keras.layers.Bidirectional(
            layer(**options), merge_mode=merge_mode, backward_layer=layer(**options | other, go_backwards=True) if backward else None
        )

    if wrapper == "TimeDistributed":
        layers = []
        for module in (ours, keras):
            keras.utils.set_random_seed(4)
            layers.append(make(module))
            layers[-1].build((B, T, I))
        weights_apart(layers)
        x = torch.from_numpy(numpy.random.default_rng(5).normal(size=(B, T, I)).astype("float32"))
        torch.testing.assert_close(*[keras.tree.flatten(training_step(layer, x, {})) for layer in layers], **CLOSE)
        return
    assert_same(make, MASKS[mask], {"training": True})
