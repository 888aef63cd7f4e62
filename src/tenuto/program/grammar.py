"""The words of the language: every kind of node, its arity, what it takes and gives, and what it means in torch.

Each target (C++, Triton, ONNX, C) has its own column for these kinds, in its own printer; a test checks that none is missing.
A kind is elementwise unless it is a reduction over the channels; `spread` and `expand` are the adjoints of `mean` and `sum`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Kind:
    """One word: how many arguments, what they are, what comes out, its infix sign if it has one, its meaning in torch."""

    arity: int
    meaning: Callable[..., Tensor]
    sign: str = ""
    takes: str = "real"  # "real", "bool", or "any" (the condition of where)
    gives: str = "real"
    reduces: bool = False  # [B, H] to [B, 1]
    commutes: bool = False


def _number(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function for numbers among its arguments too: some of torch's take those only as tensors."""

    def call(*args: Tensor | float) -> Tensor:
        like = next(arg for arg in args if isinstance(arg, Tensor))
        return function(*(arg if isinstance(arg, Tensor) else like.new_tensor(arg) for arg in args))

    return call


def _spread(v: Tensor, width: int) -> Tensor:
    return (v / width).expand(v.shape[0], width)


def _where(condition: Tensor, yes: Tensor | float, no: Tensor | float) -> Tensor:
    return torch.where(condition, yes, no)


KINDS: dict[str, Kind] = {
    "add": Kind(2, torch.add, "+", commutes=True),
    "sub": Kind(2, _number(torch.sub), "-"),
    "mul": Kind(2, torch.mul, "*", commutes=True),
    "div": Kind(2, _number(torch.div), "/"),
    "pow": Kind(2, torch.pow, "**"),
    "maximum": Kind(2, _number(torch.maximum), commutes=True),
    "minimum": Kind(2, _number(torch.minimum), commutes=True),
    "neg": Kind(1, torch.neg, "-"),
    "abs": Kind(1, torch.abs),
    "sign": Kind(1, torch.sign),
    "floor": Kind(1, torch.floor),
    "reciprocal": Kind(1, torch.reciprocal),
    "sqrt": Kind(1, torch.sqrt),
    "rsqrt": Kind(1, torch.rsqrt),
    "exp": Kind(1, torch.exp),
    "expm1": Kind(1, torch.expm1),
    "log": Kind(1, torch.log),
    "log1p": Kind(1, torch.log1p),
    "sin": Kind(1, torch.sin),
    "cos": Kind(1, torch.cos),
    "atan": Kind(1, torch.atan),
    "erf": Kind(1, torch.erf),
    "sigmoid": Kind(1, torch.sigmoid),
    "tanh": Kind(1, torch.tanh),
    "relu": Kind(1, torch.relu),
    "lt": Kind(2, torch.lt, "<", gives="bool"),
    "le": Kind(2, torch.le, "<=", gives="bool"),
    "gt": Kind(2, torch.gt, ">", gives="bool"),
    "ge": Kind(2, torch.ge, ">=", gives="bool"),
    "eq": Kind(2, torch.eq, "==", gives="bool", commutes=True),
    "ne": Kind(2, torch.ne, "!=", gives="bool", commutes=True),
    "and": Kind(2, torch.logical_and, "and", takes="bool", gives="bool", commutes=True),
    "or": Kind(2, torch.logical_or, "or", takes="bool", gives="bool", commutes=True),
    "not": Kind(1, torch.logical_not, "not ", takes="bool", gives="bool"),
    "where": Kind(3, _where, takes="any"),
    "sum": Kind(1, lambda v: v.sum(-1, keepdim=True), reduces=True),
    "mean": Kind(1, lambda v: v.mean(-1, keepdim=True), reduces=True),
    "amax": Kind(1, lambda v: v.amax(-1, keepdim=True), reduces=True),
    "spread": Kind(1, _spread),  # [B, 1] to [B, H], divided by H
    "expand": Kind(1, lambda v, width: v.expand(v.shape[0], width)),  # [B, 1] to [B, H]
}
