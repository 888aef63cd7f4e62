"""Keras 3 with tenuto's recurrent layers: `tenuto.keras` is `keras`, on torch, with SimpleRNN, LSTM, GRU and RNN replaced.

In: a Keras program. Out: the same program, its recurrent loops run by tenuto's engines. Change `keras` to `tenuto.keras` in its imports.
`layers`, `models` and `saving` are ours over Keras's; every other module (`optimizers`, `losses`, `callbacks` ...) is Keras's own.
Importing this chooses Keras's torch backend. Imports `tenuto.adapters.keras` and what stands above it.
"""

import sys as _sys
from types import ModuleType as _ModuleType

from tenuto.keras.torch_backend import use_torch_backend

use_torch_backend()

import keras as _keras  # noqa: E402
from keras import *  # noqa: E402, F403

import tenuto.keras.layers as layers  # noqa: E402
import tenuto.keras.models as models  # noqa: E402
import tenuto.keras.saving as saving  # noqa: E402
from tenuto.keras.models import Model, Sequential  # noqa: E402

# So that `from tenuto.keras.optimizers import Adam` finds Keras's module.
for _name, _value in vars(_keras).items():
    if isinstance(_value, _ModuleType) and not _name.startswith("_") and _name not in ("src", "layers", "models", "saving"):
        _sys.modules.setdefault(f"{__name__}.{_name}", _value)

__version__ = _keras.__version__
