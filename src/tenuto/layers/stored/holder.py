"""A stored weight in a parameter's place: put there by `hold`, or by `hold_as` where a file says which weights are stored how.

The module keeps its class in all but this: reading the attribute gives the floats. That is a subclass made here, so that a module without stored weights pays nothing.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from torch import Tensor, nn

from tenuto.layers.stored.blocks import Blocks
from tenuto.layers.stored.int8 import Int8x8
from tenuto.layers.stored.weight import FORMS, StoredWeight

M = TypeVar("M", bound=nn.Module)


class Holder:
    """What is different in a module that holds stored weights; the first of its bases. `kind`: its class before."""

    kind: type[nn.Module]

    def __getattr__(self, name: str) -> Any:
        value = super().__getattr__(name)  # type: ignore[misc]
        return value.whole() if isinstance(value, StoredWeight) else value

    def __reduce_ex__(self, protocol: Any) -> Any:  # pickle finds no class that is made at run time
        return _without_state, (self.kind,), self.__getstate__()

    def __getstate__(self) -> dict[str, Any]:
        inherited = getattr(super(), "__getstate__", None)  # object has one since Python 3.11
        return dict(self.__dict__) if inherited is None else inherited()


class LoopHolder(Holder):
    """Of a recurrent layer. Where all its matrices are `Int8x8`, its time loop multiplies whole numbers, except in training. Where some are `Blocks`, it may skip those that are not there.

    Attributes:
        buffer: the number of the buffer that is read in a stored weight's place just now; None for the floats.
    """

    buffer: int | None = None
    training: bool
    _modules: dict[str, Any]
    _parameters: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        value = nn.Module.__getattr__(self, name)  # type: ignore[arg-type]  # a module, too
        if isinstance(value, StoredWeight):
            buffer = self.__dict__.get("buffer")
            return value.whole() if buffer is None else value.rows_of(value.buffers_of[buffer])
        return value

    @property
    def integers(self) -> bool:
        """Whether the time loop multiplies whole numbers."""
        first = self._modules.get("weight_ih_l0")
        return not self.training and isinstance(first, Int8x8) and all(type(part) is type(first) for part in self._modules.values() if isinstance(part, StoredWeight))

    @property
    def static(self) -> int:
        """To how many bits it rounds what it multiplies, with scales that are known before; 0: each row has its own."""
        return self._modules["weight_ih_l0"].bits if self.integers else 0  # type: ignore[no-any-return]

    def _direction(self, *given: Any) -> Any:
        made: Any = super()
        if not self.integers:
            found = made._direction(*given)
            blocks = self._blocks
            return found if blocks is None else found._replace(weights=found.weights | {"blocks": blocks.values.new_full((1,), blocks.values.shape[1])})
        numbers, scales, *ranges = self.in_parts(*given)
        weights = {name: value for name, value in scales.weights.items() if not is_matrix(name)}
        weights |= {name: value for name, value in numbers.weights.items() if is_matrix(name)}
        weights |= {f"scale.{name}": scales.weights[name] for name in list(weights) if is_matrix(name)}
        for one in ranges:  # rows that are multiplied with the same numbers have the same range
            weights |= {f"most{self.static}.{name}": value.amax(0, keepdim=True) for name, value in one.weights.items() if is_matrix(name)}
        return numbers._replace(weights=weights)

    def in_parts(self, *given: Any) -> list[Any]:
        """The direction once for each buffer of its stored weights: with that buffer in the place of each."""
        made: Any = super()
        stored = next(part for part in self._modules.values() if isinstance(part, StoredWeight))
        found = []
        try:
            for number in range(len(stored.buffers_of)):
                self.__dict__["buffer"] = number
                found.append(made._direction(*given))
            return found
        finally:
            self.__dict__["buffer"] = None

    def _for_one_step(self, *given: Any) -> Any:
        made: Any = super()
        return [] if self.integers or self._blocks is not None else made._for_one_step(*given)

    @property
    def _blocks(self) -> Blocks | None:
        """A weight of which only blocks are kept: its time loop may skip the others."""
        return next((part for part in self._modules.values() if isinstance(part, Blocks)), None)


def is_matrix(name: str) -> bool:
    """Whether this name of an engine's is that of a matrix."""
    return name == "weight_ih" or name.startswith("U.")


class _FlatHolder(LoopHolder):
    """Of torch.nn's RNNBase, which has a list of its weights beside: it would keep the floats."""

    def _init_flat_weights(self) -> None:
        self._flat_weights: list[Tensor] = []
        self._flat_weight_refs: list[Any] = []

    def _weights_have_changed(self) -> bool:
        return False


class _EmbeddingHolder(Holder):
    """Of an embedding: only the rows that are read are made."""

    _modules: dict[str, Any]
    padding_idx: int | None

    def forward(self, input: Tensor) -> Tensor:
        stored = self._modules["weight"]
        return stored.rows(input)  # type: ignore[no-any-return]


_made: dict[type[nn.Module], type[nn.Module]] = {}


def _holder_of(kind: type[nn.Module]) -> type[nn.Module]:
    if kind in _made:
        return _made[kind]
    loop = hasattr(kind, "_direction")  # a recurrent layer of ours
    base: type = _EmbeddingHolder if issubclass(kind, nn.Embedding) else _FlatHolder if issubclass(kind, nn.RNNBase) else LoopHolder if loop else Holder
    own = {"kind": kind, "__module__": kind.__module__, "__doc__": kind.__doc__, "__qualname__": kind.__qualname__}
    made = _made[kind] = types.new_class(kind.__name__, (base, kind), exec_body=lambda names: names.update(own))
    return made


def _without_state(kind: type[nn.Module]) -> nn.Module:
    found = _holder_of(kind)
    return found.__new__(found)


def hold(module: nn.Module, name: str, stored: StoredWeight) -> None:
    """Put a stored weight in the place of a module's parameter."""
    del module._parameters[name]
    if not isinstance(module, Holder):
        module.__class__ = _holder_of(type(module))
    module._modules[name] = stored.train(module.training)
    if isinstance(stored, Int8x8):  # its time loop has no derivative by weights, and a bias that asked for one would ask for a slower engine
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(False)
    if isinstance(module, _FlatHolder):
        module._init_flat_weights()


def stored_in(module: nn.Module) -> dict[str, StoredWeight]:
    """The stored weights of a module, by the names that the parameters had; one that stands in several places, under the first."""
    return {name: part for name, part in module.named_modules() if isinstance(part, StoredWeight)}


def in_files(module: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The module's tensors as files have them (`StoredWeight.in_file`)."""
    small = {f"{name}.{buffer}": stored.in_file(buffer) for name, stored in stored_in(module).items() for buffer in stored.buffers_of}
    return {name: small.get(name, tensor) for name, tensor in tensors.items()}


def as_floats(module: M) -> M:
    """A copy in which each stored weight is a parameter again, which does not learn; the module itself where none is stored. For whoever looks for weights at their names, as torch.export does."""
    if not stored_in(module):
        return module
    made, whole = copy.deepcopy(module), dict[StoredWeight, nn.Parameter]()
    for part in list(made.modules()):
        if isinstance(part, Holder):
            for name, stored in list(part._modules.items()):
                if isinstance(stored, StoredWeight):
                    del part._modules[name]
                    part._parameters[name] = whole.setdefault(stored, nn.Parameter(stored.whole().clone(), requires_grad=False))
            part.__class__ = part.kind  # type: ignore[assignment]  # the class that it had before
            if isinstance(part, nn.RNNBase):
                part._init_flat_weights()
    return made


def hold_as(module: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """Store a new module's weights as a file has them; `load_state_dict` then fills them. A weight that two places share stays shared. Returns the module.

    Args:
        tensors: of the file, by name.
    Raises:
        ValueError: the file has a form of something that is no weight of this module.
    """
    parameters = dict(module.named_parameters(remove_duplicate=False))
    places: dict[int, list[str]] = {}
    for name, one in parameters.items():
        places.setdefault(id(one), []).append(name)
    for name, form in list(_stored_names(tensors)):
        parameter = parameters.get(name)
        if parameter is None:
            raise ValueError(f"{name} is stored as {form}, but is no weight of this model")
        own = {buffer: tensors[f"{name}.{buffer}"] for buffer in FORMS[form].buffers_of if f"{name}.{buffer}" in tensors}
        stored = FORMS[form].empty(parameter.detach(), own)
        for place in places[id(parameter)]:
            owner, _, last = place.rpartition(".")
            hold(module.get_submodule(owner), last, stored)
    return module


def _stored_names(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, str]]:
    """The weights that are stored, each with the name of its form."""
    for name in tensors:
        weight, _, form = name.rpartition(".")
        if form in FORMS:
            yield weight, form
