"""Every kind of the grammar in ONNX: one table. `spread` and `expand` need the width that they go to; each entry gets it as its last argument."""

from __future__ import annotations

from collections.abc import Callable

from tenuto.export.onnx.scribe import Scribe

Expression = Callable[..., str]


def _same(kind: str) -> Expression:
    return lambda scribe, *args: scribe.op(kind, *args[:-1])


def _expm1(scribe: Scribe, v: str, width: int) -> str:
    """tanh(v / 2) (exp(v) + 1), which keeps its digits near zero."""
    return scribe.op("Mul", scribe.op("Tanh", scribe.op("Mul", v, scribe.constant(0.5))), scribe.op("Add", scribe.op("Exp", v), scribe.constant(1.0)))


def _log1p(scribe: Scribe, v: str, width: int) -> str:
    """2 atanh(v / (2 + v)) near zero, where log(1 + v) would lose its digits."""
    near = scribe.op("Mul", scribe.op("Atanh", scribe.op("Div", v, scribe.op("Add", v, scribe.constant(2.0)))), scribe.constant(2.0))
    return scribe.op("Where", scribe.op("Less", scribe.op("Abs", v), scribe.constant(0.5)), near, scribe.op("Log", scribe.op("Add", v, scribe.constant(1.0))))


def _expand(scribe: Scribe, v: str, width: int) -> str:
    return scribe.op("Expand", v, scribe.whole(1, width))


# The name of a kind, and what writes it: a function of the scribe, the arguments, and the width of the result.
EXPRESSIONS: dict[str, Expression] = {
    **{kind: _same(name) for kind, name in {
        "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow", "maximum": "Max", "minimum": "Min", "neg": "Neg", "abs": "Abs", "sign": "Sign",
        "floor": "Floor", "reciprocal": "Reciprocal", "sqrt": "Sqrt", "exp": "Exp", "log": "Log", "sin": "Sin", "cos": "Cos", "atan": "Atan", "erf": "Erf",
        "sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu", "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual", "eq": "Equal",
        "and": "And", "or": "Or", "not": "Not", "where": "Where",
    }.items()},
    "ne": lambda scribe, v, w, width: scribe.op("Not", scribe.op("Equal", v, w)),
    "rsqrt": lambda scribe, v, width: scribe.op("Reciprocal", scribe.op("Sqrt", v)),
    "expm1": _expm1,
    "log1p": _log1p,
    "sum": lambda scribe, v, width: scribe.reduced("ReduceSum", v, [-1], True),
    "mean": lambda scribe, v, width: scribe.reduced("ReduceMean", v, [-1], True),
    "amax": lambda scribe, v, width: scribe.reduced("ReduceMax", v, [-1], True),
    "spread": lambda scribe, v, width: _expand(scribe, scribe.op("Div", v, scribe.constant(float(width))), width),
    "expand": _expand,
}  # fmt: skip
