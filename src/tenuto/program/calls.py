"""The torch calls of a step as its author wrote them: those that no program can hold are refused by name, before anything else goes wrong."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from tenuto.errors import TenutoError, TraceError
from tenuto.program import aten
from tenuto.program.check import users_place
from tenuto.program.step import NotAValue
from tenuto.program.vocabulary import IN_PLACE, OTHERWISE, OVER_CHANNELS, REDUCTIONS, REFUSED

if TYPE_CHECKING:
    from tenuto.program.trace import Markers

_SIGNS = {
    "add": "+", "radd": "+", "sub": "-", "rsub": "-", "mul": "*", "rmul": "*", "truediv": "/", "rtruediv": "/", "pow": "**", "rpow": "**", "matmul": "@",
    "rmatmul": "@", "getitem": "v[...]", "setitem": "v[...] = ", "bool": "if, while, and, or, not", "float": "float(v)", "int": "int(v)", "iter": "for ... in v",
    "contains": "in v", "repr": "print(v)", "format": "print(v)", "str": "print(v)", "array": "a numpy function", "index": "range(v)", "complex": "complex(v)",
    "iadd": "+=", "isub": "-=", "imul": "*=", "itruediv": "/=", "ipow": "**=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=",
}  # fmt: skip


class Calls(TorchFunctionMode):
    """Sees each torch call of a step. Reductions over the channels, which depend on the width, become primitives; what no program can hold is refused."""

    def __init__(self, markers: Markers) -> None:
        super().__init__()
        self.markers = markers
        self.latest = ""  # the call that the step is in, as its author writes it

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        replaced = aten.primitive(func, args, options)
        if replaced is not None:
            with self:  # a normalisation is made of means, which are primitives too
                return replaced()
        place = users_place(sys._getframe(1), through=False)
        if place is None:  # a call of our own
            return func(*args, **options)
        full = resolve_name(func) or getattr(func, "__name__", str(func))
        name = full.removesuffix(".__get__").rpartition(".")[2]
        self.latest = _written(name, full)
        for arg in args:
            if isinstance(arg, NotAValue):
                arg._misused()
        refuse(name, self.latest, args, options, place.told)
        try:
            return func(*args, **options)
        except TenutoError:
            raise
        except Exception as error:
            raise self._failed(name, args, error).at(place.told) from error

    def _failed(self, name: str, args: Any, error: Exception) -> TraceError:
        """The error for a call that torch itself refuses: mostly, values that do not fit together."""
        values = [arg for arg in args if isinstance(arg, Tensor)]
        if name in REDUCTIONS or any(value.dim() == 1 and len(value) == self.markers.rows for value in values):
            received = " and ".join(map(self.markers.shown, values))
            return TraceError(f"{self.latest} is given values that do not fit together.", received=received, fix=OVER_CHANNELS)
        if len(values) > 1 and len({value.shape for value in values}) > 1:
            return TraceError(
                f"{self.latest} is given values that do not fit together.", expected="[B, H], or one channel [B, 1]",
                received=" and ".join(self.markers.shown(value) for value in values),
                fix="declare a tensor of your own in parameters (one trained weight per channel, self.p.NAME) or in streams (given with each call)",
            )  # fmt: skip
        return TraceError(f"{self.latest} fails: {_first_line(error)}.", received=" and ".join(map(self.markers.shown, values)) or None, fix=OTHERWISE)


def refuse(name: str, written: str, args: Any, options: Mapping[str, Any], place: str) -> None:
    """Raises TraceError for a call that no program can hold."""
    in_place = (name.endswith("_") and not name.endswith("__")) or (name.startswith("__i") and name[3:] not in ("nt__", "ter__", "ndex__", "nvert__"))
    writes = in_place or options.get("out") is not None or options.get("inplace") is True
    row = IN_PLACE if writes else REFUSED.get(name)
    if row is not None:
        raise TraceError(f"the step {row.what} ({written}).", fix=row.instead).at(place)


def refusal(name: str, written: str) -> TraceError:
    """The error for one of torch's operations that the grammar has no words for; `written` is the author's call, if it is known."""
    plain = name.split(".")[1] if "." in name else name
    said = f"{written}, which no program can hold" if written else f"{plain} (in its derivative), which no program can hold"
    reduces = plain in REDUCTIONS or written.rpartition(".")[2] in REDUCTIONS
    row = REFUSED.get(plain)
    return TraceError(f"the step uses {said}.", fix=row.instead if row else OVER_CHANNELS if reduces else OTHERWISE)


def _written(name: str, full: str) -> str:
    """torch's name for a call, as it stands in a step."""
    sign = _SIGNS.get(name.strip("_")) if name.startswith("__") else None
    return sign or ("v." + name if full.startswith("torch.Tensor.") else full if full.startswith("torch.") else f"torch.{name}")


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].removesuffix(".")
