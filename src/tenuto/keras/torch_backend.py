"""Keras on torch: what has to be true before anything else here is imported."""

from __future__ import annotations

import importlib.util
import os
import sys

from tenuto.errors import TenutoError


def use_torch_backend() -> None:
    """Imports Keras 3 with its torch backend, whatever `KERAS_BACKEND` or its configuration file said before.

    Raises:
        TenutoError: Keras is not installed, is Keras 2, or was imported before with another backend (it cannot change then).
    """
    if "keras" not in sys.modules:
        if importlib.util.find_spec("keras") is None:
            raise TenutoError("tenuto.keras needs Keras 3, which is not installed.", fix='pip install "tenuto[keras]"')
        os.environ["KERAS_BACKEND"] = "torch"
    import keras

    if int(keras.__version__.split(".")[0]) < 3:
        raise TenutoError(
            "tenuto.keras needs Keras 3.", received=f"Keras {keras.__version__}", fix='pip install --upgrade "keras>=3.10"'
        )
    if keras.backend.backend() != "torch":
        raise TenutoError(
            f"Keras was imported with the {keras.backend.backend()} backend before tenuto.keras, and cannot change it any more.",
            expected="the torch backend",
            received=f"keras.backend.backend() == {keras.backend.backend()!r}",
            fix="import tenuto.keras before anything that imports keras, or set KERAS_BACKEND=torch for the whole program",
        )
