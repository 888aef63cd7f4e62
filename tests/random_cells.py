"""Random legal cells: expressions over everything that a step may use, from a seed.

An expression is a nested tuple; `evaluate` runs it in a step, and `written` shows it as the maths that a user would write.
Values stay moderate (products and sums go through a bounded function now and then), so that results compare well.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import torch

from tenuto.activations import layer_norm, mean, rms_norm, softmax
from tenuto.cell import Cell, State

# Each keeps moderate values moderate. Those of `SHARP` jump somewhere, which is no problem in float64, where both engines are on the same side of the jump.
SMOOTH = {
    "tanh": torch.tanh, "sigmoid": torch.sigmoid, "sin": torch.sin, "cos": torch.cos, "atan": torch.atan, "erf": torch.erf,
    "softplus": torch.nn.functional.softplus, "gelu": torch.nn.functional.gelu, "silu": torch.nn.functional.silu, "neg": torch.neg,
    "exp(-v²)": lambda v: torch.exp(-v * v), "log1p(v²)": lambda v: torch.log1p(v * v), "1/(1+v²)": lambda v: 1 / (1 + v * v),
    "√(1+v²)": lambda v: torch.sqrt(1 + v * v), "rsqrt(1+v²)": lambda v: torch.rsqrt(1 + v * v), "v.detach()": torch.Tensor.detach,
    "expm1(tanh)": lambda v: torch.expm1(torch.tanh(v)), "mish": torch.nn.functional.mish, "tan(v/4)": lambda v: torch.tan(v.clamp(-3, 3) / 4),
    "elu": torch.nn.functional.elu, "logsigmoid": torch.nn.functional.logsigmoid, "asinh": torch.asinh, "v**2": lambda v: torch.tanh(v) ** 2,
}  # fmt: skip
SHARP = {
    "abs": torch.abs, "relu": torch.relu, "sign": torch.sign, "floor": torch.floor, "clamp": lambda v: torch.clamp(v, -0.7, 0.6),
    "nan_to_num": torch.nan_to_num, "hardtanh": torch.nn.functional.hardtanh, "ceil": torch.ceil, "round": torch.round,
    "leaky": torch.nn.functional.leaky_relu, "softshrink": torch.nn.functional.softshrink, "isfinite": lambda v: v * torch.isfinite(v),
}  # fmt: skip
PAIRS = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "tanh(a)/(2+b²)": lambda a, b: torch.tanh(a) / (2 + b * b),
    "logaddexp": torch.logaddexp, "hypot": lambda a, b: torch.hypot(a, 1 + b * b), "mean of two": lambda a, b: (a + b) / 2,
}  # fmt: skip
SHARP_PAIRS = {"maximum": torch.maximum, "minimum": torch.minimum, "copysign": lambda a, b: torch.copysign(a, b + 0.37)}  # + 0.37: the sign of a zero is not defined
CONDITIONS = {"<": torch.lt, "<=": torch.le, ">": torch.gt, ">=": torch.ge}
ACROSS = {"layer_norm": layer_norm, "rms_norm": rms_norm, "softmax": softmax}
REDUCTIONS = {
    "mean": mean, "mean(dim)": lambda v: v.mean(-1, keepdim=True), "sum": lambda v: torch.tanh(v.sum(-1, keepdim=True)),
    "logsumexp": lambda v: torch.logsumexp(v, -1, keepdim=True), "norm": lambda v: torch.tanh((v * v + 1).norm(dim=-1, keepdim=True)),
}  # fmt: skip
SHARP_REDUCTIONS = {
    "amax": lambda v: v.amax(-1, keepdim=True), "amin": lambda v: v.amin(-1, keepdim=True),
    "share above": lambda v: (v > 0.1).sum(-1, keepdim=True) / torch.ones_like(v).sum(-1, keepdim=True),
    "any": lambda v: (v > 1.0).any(-1, keepdim=True).to(v.dtype),
}  # fmt: skip


class Draw:
    """Draws a cell's declarations and the expressions of its step. `smooth`: nothing jumps, so float32 compares too."""

    def __init__(self, seed: int, smooth: bool) -> None:
        self.random, self.smooth = random.Random(seed), smooth
        pick = self.random
        widths: list[Any] = [":1", ":3", "", ""]
        self.gates = ["a", "b", "c"][: pick.randint(1, 3)]
        self.states = {name: pick.choice(widths) for name in ["h", "k"][: pick.randint(1, 2)]}
        self.products = {name: pick.choice(widths) for name in ["m", "n"][: pick.randint(0, 2)]}
        self.parameters = {name: pick.choice(widths) for name in ["p", "q"][: pick.randint(0, 2)]}
        self.streams = {name: pick.choice(widths) for name in ["t"][: pick.randint(0, 1)]}
        self.used: set[str] = set()
        outputs = {name: self.value(width, pick.randint(1, 4)) for name, width in self.states.items()}
        self.expressions: dict[str, Any] = {name: ("call", "tanh", e) if pick.random() < 0.5 else e for name, e in outputs.items()}
        self.output = self.after_step(pick.choice(["h", None, None]))

    def after_step(self, kind: str | None) -> Any:
        """The cell's output: its first state, or maths on its new states."""
        return None if kind is None else ("call", "sin", ("state", self.random.choice(list(self.states))))

    def value(self, width: str, depth: int) -> Any:
        """An expression as wide as `width` says."""
        pick = self.random
        if depth <= 0 or pick.random() < 0.1:
            return self.leaf(width)
        kinds = ["call"] * 3 + ["pair"] * 4 + ["where", "lerp", "across", "product", "product", "expand", "bool"]
        kind = pick.choice(kinds)
        deeper = depth - 1
        if kind == "call":
            return "call", pick.choice([*SMOOTH, *([] if self.smooth else SHARP)]), self.value(width, deeper)
        if kind == "pair":
            other = pick.choice([width, width, ":1"])
            pair = [self.value(width, deeper), self.value(other, deeper)]
            pick.shuffle(pair)
            return "pair", pick.choice([*PAIRS, *([] if self.smooth else SHARP_PAIRS)]), *pair
        if kind == "where" and not self.smooth:
            other = pick.choice([width, ":1"])
            return "where", self.condition(other, deeper), self.value(width, deeper), pick.choice([0.0, 0.5, self.value(width, deeper)])
        if kind == "bool" and not self.smooth:
            return "pair", "mul", self.value(width, deeper), self.condition(width, deeper)
        if kind == "lerp":
            return "lerp", self.value(width, deeper), self.value(width, deeper), pick.choice([0.3, ("call", "sigmoid", self.value(width, deeper))])
        if kind == "across":
            if width == ":1":
                names = [*REDUCTIONS, *([] if self.smooth else SHARP_REDUCTIONS)]
                return "reduce", pick.choice(names), self.value(pick.choice(["", ":3", ":1"]), deeper)
            name, over = pick.choice(list(ACROSS)), self.value(width, deeper)
            # Equal channels less their mean are zero or rounding, which a layer norm makes 316 times as large: in float32 there is nothing to compare.
            return "across", "rms_norm" if name == "layer_norm" and self.smooth and self.even(over) else name, over
        if kind == "product":
            free = [n for n, w in [*self.products.items(), *((n, "") for n in self.gates)] if w == width and n not in self.used]
            if free:
                name = pick.choice(free)
                self.used.add(name)
                return "product", name, self.value(pick.choice(["", "", *self.states.values()]), deeper)
        if kind == "expand" and width:
            return "pair", "add", ("full", 0.25, width), self.value(":1", deeper)
        return self.leaf(width)

    def even(self, expression: Any) -> bool:
        """Whether all channels of an expression are equal, whatever the inputs are."""
        if not isinstance(expression, tuple) or expression[0] in ("full", "reduce"):
            return True
        kind, name = expression[:2]
        declared = {"gate": {}, "state": self.states, "parameter": self.parameters, "stream": self.streams, "product": self.products}
        return declared[kind].get(name, "") == ":1" if kind in declared else all(map(self.even, expression[1:] if kind == "lerp" else expression[2:]))

    def leaf(self, width: str) -> Any:
        """An input of this width, a number, or a constant of this width."""
        found: list[Any] = [("gate", name) for name in self.gates if width == ""] * 2
        for role, names in (("state", self.states), ("parameter", self.parameters), ("stream", self.streams)):
            found += [(role, name) for name, w in names.items() if w == width]
        found.append(("full", self.random.choice([0.5, -1.0, 1.0, 0.0]), width))
        return self.random.choice(found)

    def condition(self, width: str, depth: int) -> Any:
        """A condition on values of this width."""
        pick = self.random
        one = "compare", pick.choice(list(CONDITIONS)), self.value(width, depth - 1), pick.choice([0.05, self.value(width, depth - 1)])
        if depth > 1 and pick.random() < 0.3:
            return pick.choice(["and", "or", "xor"]), one, self.condition(width, depth - 1)
        return ("not", one) if pick.random() < 0.2 else one


def evaluate(expression: Any, at: Mapping[str, Any]) -> Any:
    """An expression's value in a step: `at` has x, U, s, p, streams, and `like` (a value with the right number of rows)."""
    if not isinstance(expression, tuple):
        return expression
    kind, *rest = expression
    if kind == "full":
        value, width = rest
        like = at["like"]
        return torch.full_like(like, value) if not width else torch.full((like.shape[0], int(width[1:])), value, dtype=like.dtype)
    if kind in ("gate", "state", "parameter"):
        return getattr(at[kind], rest[0])
    if kind == "stream":
        return at[kind][rest[0]]
    if kind == "product":
        return getattr(at["U"], rest[0]) @ evaluate(rest[1], at)
    known: dict[str, Any] = {**SMOOTH, **SHARP, **PAIRS, **SHARP_PAIRS, **ACROSS, **REDUCTIONS, **SHARP_REDUCTIONS, **CONDITIONS}
    if kind in ("call", "pair", "across", "reduce", "compare"):
        return known[rest[0]](*(evaluate(e, at) for e in rest[1:]))
    named = {
        "where": torch.where, "lerp": torch.lerp, "and": torch.logical_and, "or": torch.logical_or, "not": torch.logical_not,
        "xor": lambda a, b: a ^ b,
    }  # fmt: skip
    return named[kind](*(evaluate(e, at) for e in rest))


def written(expression: Any) -> str:
    """An expression as text, to read it when a draw fails."""
    if not isinstance(expression, tuple):
        return str(expression)
    kind, *rest = expression
    roles = {"gate": "x.", "state": "s.", "parameter": "self.p.", "stream": ""}
    if kind in roles:
        return roles[kind] + rest[0]
    if kind == "full":
        return f"{rest[0]}[B, {rest[1][1:] or 'H'}]"
    if kind == "product":
        return f"U.{rest[0]} @ ({written(rest[1])})"
    name = rest.pop(0) if kind in ("call", "pair", "across", "reduce", "compare") else kind
    return f"{name}({', '.join(map(written, rest))})"


def random_cell(seed: int, smooth: bool = False) -> Cell:
    """The legal cell of a seed."""
    draw = Draw(seed, smooth)

    def step(self: Any, x: Any, U: Any, s: Any, **streams: Any) -> Any:
        at = {"gate": x, "U": U, "state": s, "parameter": getattr(self, "p", None), "stream": streams, "like": getattr(x, draw.gates[0])}
        return State(**{name: evaluate(e, at) for name, e in draw.expressions.items()})

    def output(self: Any, s: Any) -> Any:
        return s[0] if draw.output is None else evaluate(draw.output, {"state": s})

    declared = lambda names: " ".join(name + width for name, width in names.items())  # noqa: E731
    body = {
        "gates": " ".join(draw.gates), "state": declared(draw.states), "products": declared(draw.products), "parameters": declared(draw.parameters),
        "streams": declared(draw.streams), "step": step, "output": output,
        "__doc__": "\n".join(f"{name}' = {written(e)}" for name, e in [*draw.expressions.items(), ("y", draw.output)]),
    }  # fmt: skip
    return type(f"Random{seed}", (Cell,), body)()
