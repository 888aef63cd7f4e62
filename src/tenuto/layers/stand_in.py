"""Layers that count as one of torch.nn's: `isinstance(layer, torch.nn.LSTM)` is true of `tenuto.LSTM`.

Programs ask that: torchrl's LSTMModule, functions that initialise weights by type. Inheriting from `torch.nn.LSTM` is not possible,
because Dynamo refuses each instance of it (`torch._dynamo.config.allow_rnn`), and a model could no longer be compiled whole or exported.
So a layer has a `__class__` of its own making, which is what Python's `isinstance` asks second, after the type: a twin of the layer's
class that is derived from torch's class too. While a compiler traces, `__class__` is the plain type.
"""

from __future__ import annotations

from copyreg import __newobj__  # type: ignore[attr-defined]
from typing import Any

import torch


class _Twin(type):
    """The type of twins. They exist for `isinstance` alone: what is made or derived from a twin comes from the layer's class."""

    _real: type

    def __new__(meta, name: str, bases: tuple[type, ...], namespace: dict[str, Any], real: type | None = None) -> Any:
        if real is None:  # parametrizations and FSDP derive a class from the `__class__` of a layer
            return type(name, tuple(base._real if isinstance(base, _Twin) else base for base in bases), namespace)
        return super().__new__(meta, name, bases, {**namespace, "_real": real})

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], real: type | None = None) -> None:
        super().__init__(name, bases, namespace)

    def __call__(cls, *args: Any, **options: Any) -> Any:
        return cls._real(*args, **options)

    def __setattr__(cls, name: str, value: Any) -> None:  # a parametrization enters its property here
        setattr(cls._real, name, value)

    def __delattr__(cls, name: str) -> None:
        delattr(cls._real, name)

    @property
    def __bases__(cls) -> tuple[type, ...]:  # type: ignore[override]  # removing a parametrization goes back to the first
        return (*cls._real.__bases__, cls._real.counts_as)  # type: ignore[attr-defined]


def _twin(real: type, counts_as: type) -> type:
    """The twin of a layer's class, made once."""
    if "_twin" not in real.__dict__:
        named = {name: getattr(real, name) for name in ("__module__", "__qualname__", "__doc__")}
        real._twin = _Twin(real.__name__, (real, counts_as), named, real)  # type: ignore[attr-defined]
    return real.__dict__["_twin"]  # type: ignore[no-any-return]


def _seen(layer: StandIn) -> type:
    real = type(layer)
    tracing = torch.compiler.is_compiling() or torch._guards.TracingContext.try_get() is not None
    return real if tracing else _twin(real, real.counts_as)


def _become(layer: StandIn, changed: type) -> None:
    object.__dict__["__class__"].__set__(layer, changed._real if isinstance(changed, _Twin) else changed)


class StandIn:
    """A layer that counts as an instance of the class `counts_as`."""

    counts_as: type

    __class__ = property(_seen, _become)  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: Any) -> Any:
        """As any object, but pickle compares the class with `__class__` where the first is `__newobj__`."""
        reduced: Any = object.__reduce_ex__(self, max(protocol, 2))
        return _blank, *reduced[1:]


def _blank(real: type, *arguments: Any) -> Any:
    return __newobj__(real, *arguments)
