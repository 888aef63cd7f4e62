"""Recurrent layers of `.keras` files as ours."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras is not installed", allow_module_level=True)
import tenuto.keras  # noqa: F401  # isort: skip  # sets Keras up for torch
import keras  # isort: skip

from tenuto.adapters import read_layers
from tenuto.errors import ArgumentError


def saved(folder: Path, *layers: Any) -> tuple[Any, Path]:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6, 3)), *layers])
    for weight in model.weights:
        weight.assign(np.random.default_rng(len(weight.path)).normal(size=weight.shape) * 0.5)
    model.save(folder / "model.keras")
    return model, folder / "model.keras"


def test_every_kind_of_layer(tmp_path: Path) -> None:
    kit = keras.layers
    model, path = saved(
        tmp_path, kit.GRU(4, return_sequences=True, name="first"), kit.GRU(4, reset_after=False, return_sequences=True, recurrent_activation="hard_sigmoid"),
        kit.Bidirectional(kit.LSTM(3, return_sequences=True), name="both"), kit.LSTM(3, return_sequences=True, use_bias=False, activation="softsign"), kit.SimpleRNN(2, activation="relu", go_backwards=True),
    )  # fmt: skip
    layers = read_layers(path)
    assert list(layers) == [layer.name for layer in model.layers]
    x = torch.randn(2, 6, 3)
    given = x
    for layer in list(layers.values())[:-1]:
        given = layer(given).output
    last = list(layers.values())[-1](given).state.h[0]
    np.testing.assert_allclose(last.detach().numpy(), keras.ops.convert_to_numpy(model(x)), rtol=1e-5, atol=1e-6)


def test_what_no_layer_of_ours_has_is_named(tmp_path: Path) -> None:
    _, path = saved(tmp_path, keras.layers.LSTM(3, name="inner"), keras.layers.Dense(2))
    with pytest.raises(ArgumentError, match=r"the tensor layers/dense/vars/0 belongs to no recurrent layer(.|\n)*only=\['inner'\]"):
        read_layers(path)
    assert list(read_layers(path, only="inner")) == ["inner"]
    _, path = saved(tmp_path, keras.layers.GRU(3, activation="log_softmax", name="odd"))
    with pytest.raises(ArgumentError, match="odd has activation='log_softmax'"):
        read_layers(path)
    _, path = saved(tmp_path, keras.layers.GRU(3, go_backwards=True, return_sequences=True, name="back"))
    with pytest.raises(ArgumentError, match="back goes backwards"):
        read_layers(path)
