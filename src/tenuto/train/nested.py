"""Nested values (tuples, named tuples, lists, dictionaries) of tensors: detached, and taken apart for a file."""

from __future__ import annotations

from typing import Any

import torch


def detached(value: Any) -> Any:
    """The same nest with every tensor cut off from its history. Anything that is no tensor stays.

    Example:
        >>> detached({"h": (torch.ones(2, requires_grad=True), None)})
        {'h': (tensor([1., 1.]), None)}
    """
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, dict):
        return {key: detached(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(detached(item) for item in value))
    if isinstance(value, (tuple, list)):
        return type(value)(detached(item) for item in value)
    return value
