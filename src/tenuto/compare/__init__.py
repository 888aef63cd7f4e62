"""Compare: encoders trained alike, several times each, and which differences are real. `tenuto.compare(model, x, y, encoders=[...])` is the call.

In: an estimator that is not fitted, data, names of encoders. Out: a `Comparison`: quality with intervals, time, memory, size; a page; a folder from which a comparison that was stopped
goes on. `paired.py` is the statistics, `runs/compare_folder.py` the folder. Imports what tasks import, and tasks.
"""

import sys
from types import ModuleType
from typing import Any

from tenuto.compare.call import compare
from tenuto.compare.comparison import Comparison, Difference, Summary

__all__ = ["Comparison", "Difference", "Summary", "compare"]


class _Callable(ModuleType):
    """This module, which is also the function `compare`: `tenuto.compare` is the module once it is imported, and the call that README shows."""

    def __call__(self, *given: Any, **named: Any) -> Comparison:
        return compare(*given, **named)


sys.modules[__name__].__class__ = _Callable
