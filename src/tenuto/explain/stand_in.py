"""Copies of a module in which one part does something else. Everything else is shared, weights too, and the module itself is not touched: no hook, no attribute."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


def with_part(module: nn.Module, path: str, forward: Callable[..., Any]) -> nn.Module:
    """A copy of the module whose part at `path` ("" for the module itself) has this forward.

    Hooks that the user has put on that part do not run again in the copy, since what is put in its place is what came out of it.
    """
    name, _, rest = path.partition(".")
    if name:
        return with_parts(module, {name: with_part(module._modules[name], rest, forward)})  # type: ignore[arg-type]  # a path of named_modules
    twin = copy.copy(module)
    for hooks in _HOOKS:
        twin.__dict__[hooks] = OrderedDict()
    twin.__dict__["forward"] = forward
    return twin


def with_parts(module: nn.Module, parts: Mapping[str, nn.Module]) -> nn.Module:
    """A copy of the module with other children under these names."""
    twin = copy.copy(module)
    twin.__dict__["_modules"] = {**module._modules, **parts}
    return twin
