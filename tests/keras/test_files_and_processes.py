"""Models in files, JSON and pickles: read in a process that imports Keras alone, by workers, and from earlier versions."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras is not installed", allow_module_level=True)
import tenuto.keras as ours  # isort: skip
import keras  # isort: skip

from tenuto.cells import IndRNN, PeepholeLSTM
from tenuto.keras import layers, models

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
ROOT = Path(__file__).resolve().parents[2]
X = numpy.ones((2, 6, 3), "float32")


def several_models():
    """Models by name, each from [B, 6, 3]; "cells" has cells of tenuto's."""
    yield (
        "plain",
        keras.Sequential(
            [
                keras.Input((6, 3)),
                layers.LSTM(4, return_sequences=True, dropout=0.1, activation="relu"),
                layers.GRU(3, return_sequences=True, reset_after=False),
                layers.SimpleRNN(3),
            ]
        ),
    )
    yield (
        "wrapped",
        keras.Sequential(
            [
                keras.Input((6, 3)),
                keras.layers.Bidirectional(
                    layers.LSTM(4, return_sequences=True), backward_layer=layers.GRU(4, return_sequences=True, go_backwards=True)
                ),
                layers.RNN([keras.layers.LSTMCell(4), keras.layers.GRUCell(4)], return_sequences=True),
                layers.RNN(keras.layers.SimpleRNNCell(3)),
            ]
        ),
    )
    inputs = keras.Input((6, 3))
    _, h, c = layers.LSTM(4, return_state=True)(inputs)
    yield "functional", keras.Model(inputs, layers.LSTM(4, return_sequences=True)(inputs, initial_state=[h, c]))
    yield (
        "cells",
        keras.Sequential(
            [
                keras.Input((6, 3)),
                layers.RNN(PeepholeLSTM(), units=4, return_sequences=True),
                layers.RNN([layers.CellLayer(IndRNN(), 4), keras.layers.GRUCell(3)]),
            ]
        ),
    )


READER = """
import pickle, sys
from pathlib import Path
import keras, numpy

def right(model, name):
    return bool(numpy.allclose(model.predict(numpy.ones((2, 6, 3), "float32"), verbose=0), numpy.load(f"{name}.npy"), atol=1e-5))

def from_json(name):
    model = keras.models.model_from_json(Path(f"{name}.json").read_text())
    model.load_weights(f"{name}.weights.h5")
    return model

for name in ("plain", "wrapped", "functional"):
    print(name, right(keras.models.load_model(f"{name}.keras"), name), right(keras.models.load_model(f"{name}.h5"), name), right(from_json(name), name))
print("imported", "tenuto" in sys.modules)
try:
    keras.models.load_model("cells.keras")
except TypeError as error:
    print("names the module", "tenuto.keras.cell_layer" in str(error))
for name in ("plain", "wrapped", "functional", "cells"):
    model = pickle.loads(Path(f"{name}.pickle").read_bytes())
    print("pickle", name, right(model, name), "tenuto" in type(model.layers[-1]).__module__)
print("cells", right(keras.models.load_model("cells.keras"), "cells"), right(from_json("cells"), "cells"))
"""


def test_a_process_that_imports_keras_alone_reads_them(tmp_path):
    import pickle

    for name, model in several_models():
        model.save(tmp_path / f"{name}.keras")
        model.save(tmp_path / f"{name}.h5")
        model.save_weights(tmp_path / f"{name}.weights.h5")
        (tmp_path / f"{name}.json").write_text(model.to_json())
        (tmp_path / f"{name}.pickle").write_bytes(pickle.dumps(model))
        numpy.save(tmp_path / f"{name}.npy", model.predict(X, verbose=0))
    environment = {"PATH": "", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT / "src"), "KERAS_BACKEND": "torch", "TENUTO_ENGINE": "reference"}
    result = subprocess.run([sys.executable, "-c", READER], capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert result.stdout.splitlines() == [
        "plain True True True",
        "wrapped True True True",
        "functional True True True",
        "imported False",
        "names the module True",
        "pickle plain True True",
        "pickle wrapped True True",
        "pickle functional True True",
        "pickle cells True True",
        "cells True True",
    ], result.stderr[-2000:]


@pytest.mark.parametrize("name", ["plain", "cells"])
def test_files_of_earlier_versions_are_read(name):
    model = keras.models.load_model(Path(__file__).with_name("before") / f"{name}.keras", compile=False)
    assert all(isinstance(layer, layers.LSTM | layers.GRU | layers.SimpleRNN | layers.RNN | keras.layers.Dense) for layer in model.layers)
    expected = numpy.load(Path(__file__).with_name("before") / f"{name}.npz")["arr_0"]
    numpy.testing.assert_allclose(model.predict(X, verbose=0), expected, rtol=1e-5, atol=1e-6)


def test_where_tenuto_keras_is_imported_every_way_gives_layers_of_ours(tmp_path):
    for name, model in several_models():
        model.save(tmp_path / "model.keras")
        expected = model.predict(X, verbose=0)
        for again in (
            keras.models.load_model(tmp_path / "model.keras"),
            keras.models.model_from_json(model.to_json()),
            keras.models.clone_model(model),
            type(model).from_config(model.get_config()),
        ):
            again.set_weights(model.get_weights())
            numpy.testing.assert_array_equal(again.predict(X, verbose=0), expected, err_msg=name)
            found = [type(layer) for layer in again._flatten_layers() if hasattr(layer, "cell")]
            assert found and all("tenuto" in kind.__module__ for kind in found), found


def test_keras_own_files_become_ours_in_tenutos_functions_alone(tmp_path):
    theirs = keras.Sequential([keras.Input((6, 3)), keras.layers.LSTM(4)])
    theirs.save(tmp_path / "theirs.keras")
    for mine in (
        models.load_model(tmp_path / "theirs.keras"),
        ours.saving.load_model(tmp_path / "theirs.keras"),
        models.model_from_json(theirs.to_json()),
    ):
        assert type(mine.layers[0]) is layers.LSTM
    for again in (keras.models.load_model(tmp_path / "theirs.keras"), keras.models.clone_model(theirs)):
        assert type(again.layers[0]) is keras.layers.LSTM
    assert type(keras.layers.Bidirectional(keras.layers.GRU(3)).forward_layer) is keras.layers.GRU


def test_a_users_own_subclass_is_saved_under_its_own_name(tmp_path):
    @keras.saving.register_keras_serializable(package="users")
    class Twice(layers.LSTM):
        def call(self, sequences, initial_state=None, mask=None, training=False):
            return 2 * super().call(sequences, initial_state, mask, training)

    model = keras.Sequential([keras.Input((6, 3)), Twice(4)])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.layers[0]) is Twice
    numpy.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
