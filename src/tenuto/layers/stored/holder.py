"""A stored weight in a parameter's place: put there by `hold`, or by `hold_as` where a file says which weights are stored how.

The module keeps its class in all but this: reading the attribute gives the floats. That is a subclass made here, so that a module without stored weights pays nothing.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from torch import Tensor, nn

from tenuto.layers.stored.weight import FORMS, StoredWeight


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


class _FlatHolder(Holder):
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


@lru_cache(maxsize=None)
def _holder_of(kind: type[nn.Module]) -> type[nn.Module]:
    base: type = _EmbeddingHolder if issubclass(kind, nn.Embedding) else _FlatHolder if issubclass(kind, nn.RNNBase) else Holder
    own = {"kind": kind, "__module__": kind.__module__, "__doc__": kind.__doc__, "__qualname__": kind.__qualname__}
    made: type[nn.Module] = types.new_class(kind.__name__, (base, kind), exec_body=lambda names: names.update(own))
    return made


def _without_state(kind: type[nn.Module]) -> nn.Module:
    found = _holder_of(kind)
    return found.__new__(found)


def hold(module: nn.Module, name: str, stored: StoredWeight) -> None:
    """Put a stored weight in the place of a module's parameter."""
    del module._parameters[name]
    if not isinstance(module, Holder):
        module.__class__ = _holder_of(type(module))
    module._modules[name] = stored
    if isinstance(module, _FlatHolder):
        module._init_flat_weights()


def stored_in(module: nn.Module) -> dict[str, StoredWeight]:
    """The stored weights of a module, by the names that the parameters had; one that stands in several places, under the first."""
    return {name: part for name, part in module.named_modules() if isinstance(part, StoredWeight)}


def hold_as(module: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """Store a new module's weights as a file has them; `load_state_dict` then fills them. A weight that two places share stays shared. Returns the module.

    Args:
        tensors: of the file, by name.
    Raises:
        ValueError: the file has a form of something that is no weight of this module.
    """
    places: dict[int, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        places.setdefault(id(parameter), []).append(name)
    for name, form in list(_stored_names(tensors)):
        owner, _, last = name.rpartition(".")
        parameter = dict(module.named_parameters(remove_duplicate=False)).get(name)
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
