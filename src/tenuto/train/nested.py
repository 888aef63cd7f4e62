"""Nested values (tuples, named tuples, lists, dictionaries) of tensors and plain data: detached, and taken apart for a file."""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from tenuto import layers
from tenuto.cell import state_type
from tenuto.data.plain import array_of, plain_array


def detached(value: Any) -> Any:
    """The same nested value with every tensor detached from its history. Anything that is not a tensor stays as it is.

    Example:
        >>> detached({"h": (torch.ones(2, requires_grad=True), None)})
        {'h': (tensor([1., 1.]), None)}
    """
    return mapped(value, torch.Tensor.detach)


def take_apart(value: Any) -> tuple[Any, dict[str, torch.Tensor]]:
    """A nested value as plain data that JSON can hold, and its tensors by name; `put_together` is the inverse.

    Raises:
        TypeError: something in it is neither plain data nor a tensor nor one of the four containers.
    Example:
        >>> data, tensors = take_apart({"a": [torch.zeros(2), 1.5]})
        >>> put_together(data, tensors)
        {'a': [tensor([0., 0.]), 1.5]}
    """
    tensors: dict[str, torch.Tensor] = {}
    return _data_of(value, "", tensors), tensors


def put_together(data: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """The nested value that `take_apart` was given. A named tuple comes back with the names of its fields; the state of a cell, and of an encoder of `tenuto.layers`, as what it was."""
    if not isinstance(data, dict):
        return data
    kind: str
    content: Any
    kind, content = next(iter(data.items()), ("nothing", None))
    if "fields" in data:
        fields = tuple(data["fields"])
        known: Any = state_type(fields) if kind == "State" else getattr(layers, kind, None)
        maker: Any = known if getattr(known, "_fields", None) == fields else namedtuple(kind, fields)  # type: ignore[misc]
        return maker(*(put_together(item, tensors) for item in content))
    if kind == "tensor":
        return tensors[content]
    if kind == "float":
        return float(content)
    if kind == "dict":
        return {key: put_together(item, tensors) for key, item in content}
    items = [put_together(item, tensors) for item in content]
    return items if kind == "list" else tuple(items)


def plain_nested(value: Any) -> dict[str, Any]:
    """A nested value as plain data alone, which JSON can hold, to the last bit; `nested_of` is the inverse, with tensors on the CPU. Errors as `take_apart`."""
    data, tensors = take_apart(value)
    return {"value": data, "tensors": {name: _plain_tensor(tensor.detach().cpu()) for name, tensor in tensors.items()}}


def nested_of(kept: Mapping[str, Any]) -> Any:
    """The nested value that `plain_nested` was given."""
    return put_together(kept["value"], {name: _tensor_of(data) for name, data in kept["tensors"].items()})


def _plain_tensor(tensor: torch.Tensor) -> dict[str, Any]:
    """numpy has no bfloat16: its numbers are kept as float32, which holds them all, under their own name."""
    if tensor.dtype == torch.bfloat16:
        return {**plain_array(tensor.float().numpy()), "dtype": "bfloat16"}
    return plain_array(tensor.numpy())


def _tensor_of(data: Mapping[str, Any]) -> torch.Tensor:
    if data["dtype"] == "bfloat16":
        return torch.from_numpy(array_of({**data, "dtype": "float32"})).bfloat16()
    return torch.from_numpy(array_of(data))


def mapped(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """The same nested value with `change` applied to every tensor."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {key: mapped(item, change) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(item, change) for item in value))
    if isinstance(value, (tuple, list)):
        return type(value)(mapped(item, change) for item in value)
    return value


def _data_of(value: Any, place: str, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, torch.Tensor):
        tensors[place or "value"] = value
        return {"tensor": place or "value"}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {"dict": [[key, _data_of(item, f"{place}/{key}".strip("/"), tensors)] for key, item in value.items()]}
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"the {type(value).__name__} at {place or 'the top'} is neither plain data nor a tensor")
    fields = getattr(value, "_fields", None)
    names = range(len(value)) if fields is None else fields
    items = [_data_of(item, f"{place}/{name}".strip("/"), tensors) for name, item in zip(names, value)]
    if fields is not None:
        return {type(value).__name__: items, "fields": list(fields)}
    return {"list" if isinstance(value, list) else "tuple": items}
