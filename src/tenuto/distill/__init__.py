"""Distill: a simpler model that answers as another does, and what is lost by it. `tenuto.distill(teacher, data, cell="gru", hidden_size=16)` is the call.

In: a fitted estimator and data, labelled or not. Out: a fitted estimator of the same task, which is an ordinary one, with its `Fidelity`: how often the two agree, and what each costs.
`student.py` says which options and first weights the new model has, `teacher.py` what it learns by, `fidelity.py` what is lost. For models that read tokens, `automaton.py` has a finite
automaton in the place of a network, and `extraction.py` finds one by asking the network.
Imports `errors`, `scores`, `pages`, `train`, `tasks`. It uses what `tasks/taught.py` asks of an estimator, and knows no task.
"""

import sys
from types import ModuleType
from typing import Any

from tenuto.distill.automaton import Automaton
from tenuto.distill.call import distill
from tenuto.distill.extraction import Extraction, automaton
from tenuto.distill.fidelity import Fidelity, fidelity

__all__ = ["Automaton", "Extraction", "Fidelity", "automaton", "distill", "fidelity"]


class _Callable(ModuleType):
    """This module, which is also the function `distill`: `tenuto.distill` is the module once it is imported, and the call that README shows."""

    def __call__(self, *given: Any, **named: Any) -> Any:
        return distill(*given, **named)


sys.modules[__name__].__class__ = _Callable
