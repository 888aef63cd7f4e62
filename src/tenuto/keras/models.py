"""`keras.models`; `use_tenuto`, which puts a model made by Keras itself on tenuto's engines; `load_model` and others that do so at once."""

from __future__ import annotations

import copyreg
from typing import Any

import keras
from keras.models import *  # noqa: F403
from keras.models import Model
from keras.src.api_export import register_internal_serializable
from keras.src.models import Functional

from tenuto.keras import recurrent
from tenuto.keras.cell_layer import CellLayer
from tenuto.keras.training import PlainTraining


class Sequential(PlainTraining, keras.Sequential):
    """`keras.Sequential`; plain stacks of layers train in fewer calls (see `tenuto.keras.training`). In files it is Keras's own."""


register_internal_serializable("keras.src.models.Sequential", Sequential)
_OURS = {kind.__mro__[2]: kind for kind in (recurrent.SimpleRNN, recurrent.LSTM, recurrent.GRU, recurrent.RNN)}


def use_tenuto(model: Any) -> Any:
    """Puts the recurrent layers of a Keras model on tenuto's engines, in place: weights, optimizer and everything else stay.

    Args:
        model: a Keras model or layer. Layers of the user's own classes stay as they are.
    Returns:
        The same object.
    Example:
        >>> model = use_tenuto(keras.Sequential([keras.Input((20, 10)), keras.layers.LSTM(8)]))
        >>> type(model.layers[0]).__module__
        'tenuto.keras.recurrent'
    """
    for layer in model._flatten_layers():
        if type(layer) in _OURS:
            layer.__class__ = _OURS[type(layer)]  # the attributes are the same: ours changes only the loop
    return model


def load_model(filepath: Any, custom_objects: dict[str, Any] | None = None, compile: bool = True, safe_mode: bool = True) -> Any:
    """`keras.models.load_model`, then `use_tenuto`: recurrent layers saved by Keras come back as tenuto's.

    Args:
        filepath: a `.keras` file (or a legacy `.h5`), saved by Keras or by tenuto.
        custom_objects: classes by name, as in Keras.
        compile: also restore how the model was compiled.
        safe_mode: refuse code in the file.
    Returns:
        The model.
    """
    return use_tenuto(keras.models.load_model(filepath, custom_objects=custom_objects, compile=compile, safe_mode=safe_mode))


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """`keras.models.model_from_json`, then `use_tenuto`."""
    return use_tenuto(keras.models.model_from_json(json_string, custom_objects=custom_objects))


def from_pickle(read: Any, arguments: tuple[Any, ...]) -> Any:
    """What a pickled model with layers of ours calls: importing this module makes them known where the pickle is read."""
    return read(*arguments)


def _pickled(model: Any) -> Any:
    own = any(isinstance(layer, recurrent.TenutoLoop | CellLayer) for layer in model._flatten_layers())
    return (from_pickle, model.__reduce__()) if own else model.__reduce__()


# Keras pickles a model as a file in memory, and the classes of these models are Keras's own: nothing in such a pickle would import ours.
for _kind in (Model, Sequential, keras.Sequential, Functional):
    copyreg.pickle(_kind, _pickled)
