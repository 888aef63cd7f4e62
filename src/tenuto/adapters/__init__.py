"""Other libraries' models in tenuto's terms: their weights by gate name, their masks, their dropout; and whole layers, from modules and files (`read_layers`).

In: tensors, modules or files as the other library lays them out. Out: layers; or cells, weights and lengths as `tenuto.layers.functional.recurrent` takes them.
Imports `errors`, `activations`, `cell`, `cells`, `layers`, `export`; never the other library itself at import (for Keras, `tenuto.keras` does that), so each adapter is
plain torch.
"""

from typing import Any

__all__ = ["read_layers"]


def __getattr__(name: str) -> Any:
    if name == "read_layers":  # late: an adapter of Keras needs none of this
        from tenuto.adapters.read import read_layers

        return read_layers
    raise AttributeError(f"module 'tenuto.adapters' has no attribute {name!r}")
