"""Export: a model that leaves Python, and is proven equal before it does. `tenuto.export(model, folder, to="onnx")` is the call.

In: a fitted estimator or a torch module. Out: a folder with a graph of whole sequences, one of a single step where there is one, export.json and a small runner.
Reading order: graph (a model as a function of tensors by name), subject, fitted and module (where it comes from), program (torch's exported program),
comparison, folder, targets; then one folder for each target, which import nothing of each other (but web is made of c).
Imports `errors`, `files`, `program`, `engines`, `layers`, `networks`, `tasks`, `explain`. It uses the doors of an estimator and the parts of its network, and knows no task.
"""

import sys
from types import ModuleType
from typing import Any

from tenuto.export.call import Export, export
from tenuto.export.comparison import Differs
from tenuto.export.targets import TARGETS

__all__ = ["TARGETS", "Differs", "Export", "export"]


class _Callable(ModuleType):
    """This module, which is also the function `export`: `tenuto.export` is the module once it is imported, and the call that README shows."""

    def __call__(self, *given: Any, **named: Any) -> Export:
        return export(*given, **named)


sys.modules[__name__].__class__ = _Callable
