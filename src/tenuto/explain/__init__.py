"""Explain: what a model looked at, in space and time, with the error of each explanation. `tenuto.explain(model, data, ...)` is the call.

In: a fitted estimator and data, or a torch module with recurrent layers and a batch. Out: an `Explanation`: values, a page, files. `subject.py` says how a
model is run on changed input, `target.py` what is explained, `background.py` what stands where something is left out; then one file for each method. Exact contributions
(`contributions.py`) need five files more: derived programs of cells, and rules for torch's operations. `trust/` measures whether an explanation can be believed, `held/` what the network holds.
Imports `errors`, `files`, `program`, `engines`, `layers`, `networks`, `pages`, `tasks`. It uses the doors of an estimator and the parts `front`, `encoder` and `head`, and knows no task;
it changes nothing on a model, for no moment: a call runs copies that share the weights.
"""

import sys
from types import ModuleType
from typing import Any

from tenuto.explain.call import explain
from tenuto.explain.contributed import Contributions
from tenuto.explain.counterfactual import Counterfactual
from tenuto.explain.explanation import Explanation, Item, load
from tenuto.explain.gradients import ExpectedGradients, Gradient, IntegratedGradients, SmoothGrad
from tenuto.explain.held import Held, states
from tenuto.explain.lime import Lime
from tenuto.explain.methods import METHODS
from tenuto.explain.occlusion import Occlusion
from tenuto.explain.shapley import Shapley
from tenuto.explain.trust.check import Check
from tenuto.explain.trust.measures import Trust

__all__ = [
    "METHODS",
    "Check",
    "Contributions",
    "Counterfactual",
    "ExpectedGradients",
    "Explanation",
    "Gradient",
    "Held",
    "IntegratedGradients",
    "Item",
    "Lime",
    "Occlusion",
    "Shapley",
    "SmoothGrad",
    "Trust",
    "explain",
    "load",
    "states",
]


class _Callable(ModuleType):
    """This module, which is also the function `explain`: `tenuto.explain` is the module once it is imported, and the call that README shows."""

    def __call__(self, *given: Any, **named: Any) -> Explanation:
        return explain(*given, **named)


sys.modules[__name__].__class__ = _Callable
