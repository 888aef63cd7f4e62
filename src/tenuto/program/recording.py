"""Recording a function of tensors as a list of torch operations.

The function runs once, on small tensors of its own; each operation that reaches torch's dispatcher is noted with the operations that
made its arguments. (torch's own tracer, make_fx, does the same for any program, on fake tensors and through Dynamo, which takes
1.6 seconds to import and 0.2 to 0.5 for a cell; this takes 0.02.)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from tenuto.errors import TraceError
from tenuto.place import Place
from tenuto.program.calls import Calls
from tenuto.program.check import branches, users_place
from tenuto.program.vocabulary import IN_PLACE


def _compiler_is_being_imported() -> bool:
    """Whether torch imports its compiler just now, as some versions do in the middle of a decomposition (2.7): its import runs operations, which are not the step's."""
    return getattr(getattr(sys.modules.get("torch._dynamo"), "__spec__", None), "_initializing", False)


@dataclass(eq=False)
class Operation:
    """One recorded operation: torch's name for it, its arguments (operations, numbers, lists), and what came out."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    shape: torch.Size | None = None  # None: it gave something other than one tensor
    dtype: torch.dtype = torch.float64
    value: float | None = None  # of a lone number that came from outside
    place: Place | None = None  # the user's line
    written: str = ""  # torch's function that the user called


@dataclass
class Recording:
    """What a function did: its operations in order, the first of which stand for its arguments; and its results, None for one that is zero."""

    operations: list[Operation]
    results: list[Operation | None]


class _Recorder(TorchDispatchMode):
    """Notes every operation. `pure`: writes in place, which torch's own formulas have, become new values; otherwise they are refused."""

    def __init__(self, table: Mapping[Any, Callable[..., Any]], calls: Calls | None, pure: bool) -> None:
        super().__init__()
        self.table, self.calls, self.pure = table, calls, pure
        self.operations: list[Operation] = []
        self.made: dict[int, Operation] = {}
        self.alive: list[Tensor] = []  # so that no tensor takes the id of another

    def note(self, tensor: Tensor, operation: Operation) -> None:
        self.made[id(tensor)] = operation
        self.alive.append(tensor)

    def operation_of(self, tensor: Tensor) -> Operation:
        """What made a tensor; one from outside is a constant, if it is a lone number."""
        if id(tensor) not in self.made:
            if tensor.numel() != 1:
                raise TraceError(
                    f"the step uses a tensor of its own with {tensor.numel()} values.",
                    fix="declare it in parameters (per channel, trained) or streams",
                )
            constant = Operation("constant", shape=tensor.shape, dtype=tensor.dtype, value=float(tensor))
            self.operations.append(constant)
            self.note(tensor, constant)
        return self.made[id(tensor)]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # otherwise torch imports its compiler because of a mode that it never sees (torch 2.13)

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        options = dict(kwargs or {})
        if _compiler_is_being_imported():
            return func(*args, **options)
        with self:
            result = self.table.get(func, func.decompose)(*args, **options)
        if result is not NotImplemented:
            return result
        if str(func) in ("aten._local_scalar_dense.default", "aten.is_nonzero.default", "aten.equal.default"):
            raise branches()
        known = self._described(args), {name: self._described(value) for name, value in options.items()}
        result = func(*args, **options)
        written = func._schema.is_mutable
        name = str(func)
        place = None if self.pure else users_place(sys._getframe(1))
        if written:
            if not self.pure:
                raise TraceError(f"the step {IN_PLACE.what}.", fix=IN_PLACE.instead)
            name = name.replace("_.", ".", 1)
        one = isinstance(result, Tensor)
        made = Operation(name, *known, shape=result.shape if one else None, dtype=result.dtype if one else torch.float64, place=place)
        made.written = self.calls.latest if self.calls is not None and place is not None else ""
        self.operations.append(made)
        if written:
            self._rename(args[0], made)
        for tensor in [result] if one else [value for value in result if isinstance(value, Tensor)] if isinstance(result, (tuple, list)) else []:
            self.note(tensor, made)
        return result

    def _described(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self.operation_of(value)
        return type(value)(map(self._described, value)) if isinstance(value, (tuple, list)) else value

    def _rename(self, tensor: Tensor, made: Operation) -> None:
        """After a write: the tensors that lie in the same memory have the new value, too."""
        for other in self.alive:
            if other.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr():
                if (other.shape, other.stride(), other.storage_offset()) != (tensor.shape, tensor.stride(), tensor.storage_offset()):
                    raise TraceError(f"the derivative writes in place into a part of a value ({made.name}), which no program can hold.")
                self.made[id(other)] = made


@contextmanager
def apart() -> Iterator[None]:
    """Keeps what is active around a first call (a transform, fake tensors, another default device, no_grad) away from a trace.

    torch's default dtype stays as it is: it belongs to all threads, and a program holds no dtype.
    """
    with _disable_current_modes(), temporarily_clear_interpreter_stack(), torch.device("cpu"), torch.inference_mode(False), torch.enable_grad():
        yield


def record(
    function: Callable[..., Sequence[Tensor | None]], values: Sequence[Tensor], table: Mapping[Any, Callable[..., Any]], calls: Calls | None = None, *, pure: bool = False
) -> Recording:
    """The torch operations of `function(*values)`; `table` says of which simpler operations an operation is made.

    Args:
        calls: sees the torch calls of the function, and knows their names.
        pure: what torch's own formulas write in place is recorded as new values. Otherwise writing in place is an error.
    """
    recorder = _Recorder(table, calls, pure)
    for value in values:
        argument = Operation("argument", shape=value.shape, dtype=value.dtype)
        recorder.operations.append(argument)
        recorder.note(value, argument)
    with recorder:
        results = function(*values)
    return Recording(recorder.operations, [None if result is None else recorder.operation_of(result) for result in results])
