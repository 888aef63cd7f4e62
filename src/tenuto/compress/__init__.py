"""Compress: the same model in less memory, and what is lost by it. `tenuto.compress(model, weights="int8")` is the call.

In: a fitted estimator, or a torch module with recurrent layers. Out: a copy that is smaller; of an estimator, with its `Compression` in `evaluation_`: bytes and quality before and after.
`pruning.py` takes units away, with what belongs to them: `following.py` finds that out for any network, `narrowing.py` cuts it and proves that nothing else changed, `units.py` does so for a
fitted estimator and lets it learn on. `quantise.py` says which weights are kept in which form (the forms are in `layers/stored`), `quality.py` what is lost, `speed.py` how fast it is, `limits.py` whether that is as was asked.
Imports `errors`, `choices`, `measures`, `layers`, `tasks`, and may import `explain` and `distill`. It knows no task.
"""

import sys
from types import ModuleType
from typing import Any

from tenuto.compress.call import compress
from tenuto.compress.compression import Compression
from tenuto.compress.module import with_fewer_units
from tenuto.compress.quantise import WEIGHTS
from tenuto.compress.search import search

__all__ = ["WEIGHTS", "Compression", "compress", "search", "with_fewer_units"]


class _Callable(ModuleType):
    """This module, which is also the function `compress`: `tenuto.compress` is the module once it is imported, and the call that README shows."""

    def __call__(self, *given: Any, **named: Any) -> Any:
        return compress(*given, **named)


sys.modules[__name__].__class__ = _Callable
