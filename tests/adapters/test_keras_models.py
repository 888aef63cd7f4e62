"""Whole Keras programs on tenuto's layers: fit, save, load, wrappers, masks from other layers, dtype policies, the backend."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras is not installed", allow_module_level=True)
import tenuto.keras as ours  # isort: skip
import keras  # isort: skip

from tenuto.cells import PeepholeLSTM
from tenuto.keras import layers, models
from tenuto.keras.optimizers.schedules import ExponentialDecay

# Keras's Variable has numpy's old __array__; Keras warns about its own `input_shape`.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`:UserWarning"),
]
ROOT = Path(__file__).resolve().parents[2]
CLOSE = {"rtol": 2e-5, "atol": 2e-6}


def sequences(count=20):
    """Random inputs [count, 6, 3] and one-hot labels [count, 2]."""
    generator = numpy.random.default_rng(0)
    return generator.normal(size=(count, 6, 3)).astype("float32"), numpy.eye(2, dtype="float32")[generator.integers(0, 2, count)]


def small_model(module, recurrent="LSTM", **options):
    """A model of two recurrent layers and a softmax."""
    kind = getattr(module.layers, recurrent)
    return keras.Sequential(
        [
            keras.Input((6, 3)),
            kind(5, return_sequences=True, activation="relu", kernel_regularizer="l2", kernel_constraint="max_norm", **options),
            kind(4, **options),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )


@pytest.mark.parametrize("recurrent", ["SimpleRNN", "LSTM", "GRU"])
def test_training_is_the_same_as_keras(recurrent):
    X, y = sequences()
    histories, weights = [], []
    for module in (ours, keras):
        keras.utils.set_random_seed(1)
        model = small_model(module, recurrent, dropout=0.2, recurrent_dropout=0.1, seed=3)
        model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
        histories.append(model.fit(X, y, epochs=3, batch_size=8, validation_split=0.2, verbose=0).history)
        weights.append(model.get_weights())
        if module is ours:
            assert all(layer.engine_report().chosen != "keras" for layer in model.layers[:2])
    assert histories[0].keys() == histories[1].keys()
    for name in histories[0]:
        numpy.testing.assert_allclose(histories[0][name], histories[1][name], rtol=1e-4, atol=1e-5)
    for mine, theirs in zip(*weights):
        numpy.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4)


def test_saved_and_loaded(tmp_path):
    X, _ = sequences()
    model = small_model(ours, "GRU", recurrent_dropout=0.2, reset_after=False)
    model.add(layers.Reshape((2, 1)))
    model.add(layers.RNN(PeepholeLSTM(activation="relu"), units=3))
    expected = model.predict(X, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = models.load_model(tmp_path / "model.keras")
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in model.layers]
    assert loaded.layers[-1].cell.cell == PeepholeLSTM(activation="relu")
    numpy.testing.assert_array_equal(loaded.predict(X, verbose=0), expected)
    again = models.clone_model(model)
    again.set_weights(model.get_weights())
    numpy.testing.assert_array_equal(again.predict(X, verbose=0), expected)
    model.save_weights(tmp_path / "model.weights.h5")
    again.load_weights(tmp_path / "model.weights.h5")


@pytest.mark.parametrize("recurrent", ["SimpleRNN", "LSTM", "GRU"])
def test_a_model_saved_by_keras_loads_with_our_layers(tmp_path, recurrent):
    X, _ = sequences()
    theirs = small_model(keras, recurrent)
    theirs.save(tmp_path / "model.keras")
    mine = models.load_model(tmp_path / "model.keras")
    assert type(mine.layers[0]) is getattr(layers, recurrent)
    wrapped = models.use_tenuto(keras.Sequential([keras.Input((6, 3)), keras.layers.Bidirectional(getattr(keras.layers, recurrent)(5))]))
    assert type(wrapped.layers[0].backward_layer) is getattr(layers, recurrent)
    numpy.testing.assert_allclose(mine.predict(X, verbose=0), theirs.predict(X, verbose=0), **CLOSE)
    assert mine.layers[0].engine_report().chosen != "keras"


@pytest.mark.parametrize("merge_mode", ["concat", "sum", None])
@pytest.mark.parametrize("masked", [False, True])
def test_bidirectional(merge_mode, masked):
    X = torch.from_numpy(sequences(4)[0])
    mask = torch.arange(6) < torch.tensor([6, 3, 1, 5])[:, None] if masked else None
    results = []
    for module in (ours, keras):
        keras.utils.set_random_seed(4)
        layer = keras.layers.Bidirectional(module.layers.LSTM(5, return_sequences=True, return_state=True), merge_mode=merge_mode)
        results.append(layer(X, mask=mask))
        if module is ours:
            for half in (layer.forward_layer, layer.backward_layer):
                assert half.engine_report().chosen != "keras"
                assert half.engine_report().steps == ("lengths" if masked else "all")
    torch.testing.assert_close(keras.tree.flatten(results[0]), keras.tree.flatten(results[1]), **CLOSE)


def test_masks_from_an_embedding_and_from_masking():
    tokens = torch.tensor([[1, 2, 3, 0, 0], [4, 0, 5, 1, 0]])
    for module_mask in (True, False):
        results = []
        for module in (ours, keras):
            keras.utils.set_random_seed(5)
            if module_mask:
                inputs = keras.Input((5,), dtype="int32")
                hidden = keras.layers.Embedding(6, 4, mask_zero=True)(inputs)
            else:
                inputs = keras.Input((5, 1))
                hidden = keras.layers.Masking(mask_value=0.0)(inputs)
            recurrent = module.layers.GRU(3, return_sequences=True)
            hidden = recurrent(hidden)
            model = keras.Model(inputs, module.layers.LSTM(3)(hidden))
            results.append(model(tokens if module_mask else tokens.unsqueeze(-1).float()))
        torch.testing.assert_close(results[0], results[1], **CLOSE)


def test_time_distributed_and_stacked():
    X = torch.randn(2, 4, 6, 3)
    results = []
    for module in (ours, keras):
        keras.utils.set_random_seed(6)
        results.append(keras.layers.TimeDistributed(module.layers.SimpleRNN(4, go_backwards=True))(X))
    torch.testing.assert_close(results[0], results[1], **CLOSE)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16", "mixed_float16"])
@pytest.mark.parametrize("recurrent", ["SimpleRNN", "LSTM", "GRU"])
def test_dtype_policies(policy, recurrent):
    options = {"return_sequences": True, "recurrent_initializer": "glorot_uniform"}  # torch has no orthogonal initialiser in 16 bits
    layer, x = getattr(layers, recurrent)(5, dtype=policy, **options), torch.randn(2, 7, 3)
    output = layer(x)
    assert keras.backend.standardize_dtype(output.dtype) == layer.compute_dtype
    output.float().sum().backward()
    assert layer.cell.kernel.value.grad.any()
    exact = getattr(layers, recurrent)(5, return_sequences=True)
    exact.build(x.shape)
    exact.set_weights([numpy.asarray(keras.ops.cast(weight, "float32").detach()) for weight in layer.weights])
    torch.testing.assert_close(output.float(), exact(x), rtol=2e-2, atol=1e-2)


def test_every_module_of_keras_is_there():
    assert ours.optimizers is keras.optimizers
    assert ExponentialDecay is keras.optimizers.schedules.ExponentialDecay
    assert layers.Dense is keras.layers.Dense
    assert ours.Sequential is models.Sequential and issubclass(ours.Sequential, keras.Sequential)
    assert ours.Model is models.Model is keras.Model
    assert ours.layers is layers
    for name in ("LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells", "Bidirectional", "TimeDistributed"):
        assert getattr(layers, name) is getattr(keras.layers, name)


def run_python(script, **environment):
    """Runs a script in another process, where every warning is an error."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True, text=True, check=False, env={"PATH": "", "HOME": str(ROOT), "PYTHONPATH": str(ROOT / "src"), **environment},
    )  # fmt: skip


def test_importing_it_chooses_torch_and_warns_of_nothing(tmp_path):
    result = run_python("import tenuto.keras as k; print(k.backend.backend())", KERAS_BACKEND="jax", KERAS_HOME=str(tmp_path))
    assert result.stdout.strip() == "torch", result.stderr


def test_keras_on_another_backend_is_refused(tmp_path):
    script = (
        "import sys, types\n"
        "keras = types.ModuleType('keras'); keras.__version__ = VERSION\n"
        "keras.backend = types.SimpleNamespace(backend=lambda: 'jax'); sys.modules['keras'] = keras\n"
        "from tenuto.errors import TenutoError\n"
        "try:\n    import tenuto.keras\nexcept TenutoError as error:\n    print(error)\n"
    )
    jax = run_python(script.replace("VERSION", "'3.10.0'"), KERAS_HOME=str(tmp_path)).stdout
    assert "Keras was imported with the jax backend before tenuto.keras" in jax
    assert "import tenuto.keras before anything that imports keras" in jax
    assert "tenuto.keras needs Keras 3" in run_python(script.replace("VERSION", "'2.15.0'"), KERAS_HOME=str(tmp_path)).stdout


def test_the_example_runs(tmp_path):
    result = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "keras_sequential.py")], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert "Epoch 10/10" in result.stdout
    assert "engine" in result.stdout


def test_keras_own_tests_pass_on_our_engines():
    script = Path(__file__).with_name("run_keras_tests.py")
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    if result.returncode == 2:
        pytest.skip(result.stdout.strip())
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-1000:]
