"""Diagnose: what becomes of gradients and memory in a model's recurrent layers. `tenuto.diagnose(model, data)` is the call.

In: a fitted estimator and data, or a torch module with recurrent layers and a batch. Out: a `Diagnosis`: numbers, a page, advice. `following.py` hears the layers on the way
forward and back; `pulled.py` runs the derivative of their steps (gradients, influence), `pushed.py` the tangent (exponents, products of Jacobians), `weights.py` looks at gates and
matrices; `outside.py` says what is not seen; `advice.py` says what follows, with the thresholds. Imports what `explain` imports, and of `explain` what runs a model and hears its layers; nothing on a model changes.
"""

import sys
from types import ModuleType
from typing import Any

from tenuto.diagnose.advice import Advice
from tenuto.diagnose.call import diagnose
from tenuto.diagnose.diagnosis import Clipping, Diagnosis, LayerDiagnosis
from tenuto.diagnose.weights import Matrix, Saturation

__all__ = ["Advice", "Clipping", "Diagnosis", "LayerDiagnosis", "Matrix", "Saturation", "diagnose"]


class _Callable(ModuleType):
    """This module, which is also the function `diagnose`: `tenuto.diagnose` is the module once it is imported, and the call that README shows."""

    def __call__(self, *given: Any, **named: Any) -> Diagnosis:
        return diagnose(*given, **named)


sys.modules[__name__].__class__ = _Callable
