"""`tenuto::loop`: the one operation that torch's graphs (exported programs, compiled and traced code) hold in a layer's place.

Whoever reads a saved program has imported tenuto and torch and nothing else of ours, so torch is told of the operation as soon as both are
there, whichever came first (`tell_torch`); what it does is `tenuto.engines.operation`, which its first call imports. Imports nothing of ours.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

# `key`: a form and the engine asked for (`engines.autograd.key_of`); then the form's inputs in order. Gives the output and the final states.
SCHEMA = "loop(str key, Tensor[] inputs) -> Tensor[]"
_libraries: list[Any] = []  # torch forgets an operation whose library nobody holds


def tell_torch() -> None:
    """Defines the operation, now if torch is imported, else at the end of torch's import."""
    if "torch" in sys.modules:
        _define()
    else:
        sys.meta_path.insert(0, _Waiting())


def _late(name: str) -> Callable[..., Any]:
    """A function of `tenuto.engines.operation`, which is imported when this is called."""

    def call(*arguments: Any) -> Any:
        return getattr(import_module("tenuto.engines.operation"), name)(*arguments)

    return call


def _define() -> None:
    if _libraries:
        return
    library = import_module("torch.library")
    ours = library.Library("tenuto", "DEF")
    _libraries.append(ours)
    ours.define(SCHEMA)
    ours.impl("loop", _late("run"), "CompositeExplicitAutograd")
    ours.impl("loop", _late("run_with_gradients"), "Autograd", with_keyset=True)
    library.register_fake("tenuto::loop", _late("empty"), lib=ours)
    library.register_vmap("tenuto::loop", _late("run_each"), lib=ours)


class _Waiting(MetaPathFinder):
    """Finds nothing itself: it is told that torch is being imported, and has `_define` called when that is done."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "torch" or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Telling(spec.loader)
        return spec


class _Telling(Loader):
    """Loads a module as its own loader does, then defines the operation. The module keeps its own loader."""

    def __init__(self, own: Loader) -> None:
        self._own = own

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._own
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        self._own.exec_module(module)
        _define()
