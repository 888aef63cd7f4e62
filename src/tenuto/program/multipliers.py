"""How a difference goes through each kind of node: multipliers between a run and a reference run, whose values have the ending 0.

For y = f(a, b) the multipliers m_a, m_b give m_a (a - a0) + m_b (b - b0) = y - y0, whatever the distance; where the runs meet they are f's
derivatives (DeepLIFT: Shrikumar, Greenside, Kundaje 2017; products, max, min, choices: by Shapley's rule for two players).
The rules are written with the words of the grammar, so that they hold for a program (`Terms`) and for tensors (`Tensors`) alike.

A smooth f's quotient (y - y0) / (a - a0) loses digits where a and a0 are close. There it has another form, the same function without a difference
of neighbours, from identities such as tanh a - tanh b = tanh(a - b)(1 - tanh a tanh b), in which one of two series is cut off:

    tanh(z)/z and, of -z², tan(z)/z    fourth convergent of the continued fraction, |z| <= 1/8: error < z^10 / (945² 11) (1 + z²) < 1.0e-16
    atanh(u)/u and, of -u², atan(u)/u  eight terms, |u| <= 1/8: error < u^16 / (17 (1 - u²)) < 2.2e-16
    erf's mean slope                   four terms of its Taylor series about the middle, |a - a0| <= 1/16: error < 1900 h^8 / 9! < 4.9e-15, h = 1/32

Farther apart the quotient is taken as it is: its error is at most 2 ulp of y over the distance, at least 1/16. (`pow` is made of the first two.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from tenuto.program.grammar import KINDS
from tenuto.program.graph import Builder

Multiplier = Any  # a Term, a tensor, a number; None: no part of the difference comes from this argument


class Words(Protocol):
    """The grammar's kinds as functions; values have Python's signs for the arithmetic."""

    def __call__(self, kind: str, *args: Any) -> Any: ...

    def real(self, condition: Any) -> Any:
        """A condition as one or zero."""

    def over(self, value: Any, like: Any) -> Any:
        """A value that a row has once, as wide as another."""


# --- the two series ------------------------------------------------------------------------------------------------------

_NEAR = 1 / 64  # the square of 1/8


def _tanh_parts(s: Any) -> tuple[Any, Any]:
    """Numerator and denominator of tanh(z) / z, s = z²; of tan(z) / z, s = -z²."""
    return 945.0 + s * (105.0 + s), 945.0 + s * (420.0 + s * 15.0)


def _atanh(s: Any) -> Any:
    """atanh(u) / u, s = u²; atan(u) / u, s = -u²."""
    total = s * (1 / 15) + 1 / 13
    for odd in (11, 9, 7, 5, 3, 1):
        total = total * s + 1 / odd
    return total


def _blend(f: Words, near: Any, numerator: Any, denominator: Any, rise: Any, run: Any) -> Any:
    """numerator / denominator where `near`, else rise / run: one division, and none by zero where it counts."""
    return f("where", near, numerator, rise) / f("where", near, denominator, run)


# --- functions of one value: (f, a, a0, y, y0) to (y - y0) / (a - a0) -----------------------------------------------------------


def _tanh(f: Words, a: Any, a0: Any, y: Any, y0: Any) -> Any:
    run = a - a0
    s = run * run
    top, bottom = _tanh_parts(s)
    return _blend(f, f("lt", s, _NEAR), (1.0 - y * y0) * top, bottom, y - y0, run)


def _through_half(f: Words, factor: Any, a: Any, a0: Any, y: Any, y0: Any, sign: float = 0.25) -> Any:
    """Functions with y - y0 = factor * 2 tanh((a - a0) / 2); `sign` negative: tan."""
    run = a - a0
    square = run * run
    top, bottom = _tanh_parts(square * sign)
    return _blend(f, f("lt", square, 4 * _NEAR), factor * top, bottom, y - y0, run)


def _sigmoid(f: Words, a: Any, a0: Any, y: Any, y0: Any) -> Any:
    return _through_half(f, 0.5 * (y * (1.0 - y0) + y0 * (1.0 - y)), a, a0, y, y0)


def _exp(f: Words, a: Any, a0: Any, y: Any, y0: Any) -> Any:
    return _through_half(f, 0.5 * (y + y0), a, a0, y, y0)


def _expm1(f: Words, a: Any, a0: Any, y: Any, y0: Any) -> Any:
    return _through_half(f, 0.5 * (y + y0) + 1.0, a, a0, y, y0)


def _sin(f: Words, a: Any, a0: Any, y: Any, y0: Any) -> Any:
    return _through_half(f, 0.5 * (f("cos", a) + f("cos", a0)), a, a0, y, y0, -0.25)


def _cos(f: Words, a: Any, a0: Any, y: Any, y0: Any) -> Any:
    return _through_half(f, -0.5 * (f("sin", a) + f("sin", a0)), a, a0, y, y0, -0.25)


def _of_ratio(f: Words, total: Any, run: Any, rise: Any) -> Any:
    """log(a / a0) / (a - a0), total = a + a0: it is 2 atanh((a - a0) / total)."""
    u = run / total
    s = u * u
    return _blend(f, f("lt", s, _NEAR), 2.0 * _atanh(s), total, rise, run)


def _log(f: Words, a: Any, a0: Any, y: Any, y0: Any) -> Any:
    return _of_ratio(f, a + a0, a - a0, y - y0)


def _log1p(f: Words, a: Any, a0: Any, y: Any, y0: Any) -> Any:
    return _of_ratio(f, a + a0 + 2.0, a - a0, y - y0)


def _atan(f: Words, a: Any, a0: Any, y: Any, y0: Any) -> Any:
    run, across = a - a0, 1.0 + a * a0
    u = run / across
    return _blend(f, f("lt", 8.0 * f("abs", run), across), _atanh(-(u * u)), across, y - y0, run)


def _erf(f: Words, a: Any, a0: Any, y: Any, y0: Any) -> Any:
    run = a - a0
    middle = f("minimum", f("maximum", 0.5 * (a + a0), -30.0), 30.0)  # farther out the slope is zero, and its polynomial no number
    m, h = middle * middle, 0.25 * (run * run)
    hermite = (4.0 * m - 2.0, m * (16.0 * m - 48.0) + 12.0, m * (m * (64.0 * m - 480.0) + 720.0) - 120.0)
    series = 1.0 + h * (hermite[0] * (1 / 6) + h * (hermite[1] * (1 / 120) + h * (hermite[2] * (1 / 5040))))
    slope = (2 / math.sqrt(math.pi)) * f("exp", -m) * series
    near = f("lt", run * run, 1 / 256)
    return f("where", near, slope, (y - y0) / f("where", near, 1.0, run))


def _sqrt(f: Words, a: Any, a0: Any, y: Any, y0: Any) -> Any:
    total = y + y0
    nothing = f("eq", total, 0.0)  # both runs are at zero, where the slope is infinite and nothing differs
    return f("where", nothing, 0.0, 1.0 / f("where", nothing, 1.0, total))


def _rsqrt(f: Words, a: Any, a0: Any, y: Any, y0: Any) -> Any:
    both = y * y0
    return -(both * (both / (y + y0)))


def _reciprocal(f: Words, a: Any, a0: Any, y: Any, y0: Any) -> Any:
    return -(y * y0)


def _jump(f: Words, run: Any, rise: Any, slope: Any = 0.0) -> Any:
    """rise / run, of functions whose differences are exact: they are made of straight pieces and jumps."""
    meet = f("eq", run, 0.0)
    return f("where", meet, slope, rise / f("where", meet, 1.0, run))


def _abs(f: Words, a: Any, a0: Any, y: Any, y0: Any) -> Any:
    return _jump(f, a - a0, y - y0, f("sign", a))


def _relu(f: Words, a: Any, a0: Any, y: Any, y0: Any) -> Any:
    return _jump(f, a - a0, y - y0, f.real(f("gt", a, 0.0)))


def _stepped(f: Words, a: Any, a0: Any, y: Any, y0: Any) -> Any:
    return _jump(f, a - a0, y - y0)


UNARY: dict[str, Callable[..., Multiplier]] = {
    "neg": lambda f, a, a0, y, y0: -1.0,
    "abs": _abs, "sign": _stepped, "floor": _stepped, "relu": _relu,
    "reciprocal": _reciprocal, "sqrt": _sqrt, "rsqrt": _rsqrt, "exp": _exp, "expm1": _expm1, "log": _log, "log1p": _log1p,
    "sin": _sin, "cos": _cos, "atan": _atan, "erf": _erf, "sigmoid": _sigmoid, "tanh": _tanh,
    "not": lambda f, a, a0, y, y0: -1.0,
}  # fmt: skip


# --- functions of several values: (f, args, args0, y, y0) to a multiplier for each ----------------------------------------------------


def _middle(v: Any, v0: Any) -> Any:
    return v if v is v0 else 0.5 * (v + v0)


def _times(f: Words, args: Any, args0: Any, y: Any, y0: Any) -> tuple[Multiplier, ...]:
    return _middle(args[1], args0[1]), _middle(args[0], args0[0])


def _over(f: Words, args: Any, args0: Any, y: Any, y0: Any) -> tuple[Multiplier, ...]:
    inverse = f("reciprocal", args[1])
    inverse0 = inverse if args[1] is args0[1] else f("reciprocal", args0[1])
    return _middle(inverse, inverse0), -(_middle(args[0], args0[0]) * inverse) * inverse0


def _larger(f: Words, a: Any, a0: Any, other: Any) -> Any:
    """(max(a, c) - max(a0, c)) / (a - a0); where a = a0 = c one half, as in torch."""
    slope = 0.5 * (f.real(f("gt", a, other)) + f.real(f("ge", a, other)))
    return _jump(f, a - a0, f("maximum", a, other) - f("maximum", a0, other), slope)


def _maximum(f: Words, args: Any, args0: Any, y: Any, y0: Any) -> tuple[Multiplier, ...]:
    (a, b), (a0, b0) = args, args0

    def part(v: Any, v0: Any, w: Any, w0: Any) -> Any:
        return _larger(f, v, v0, w) if w is w0 else 0.5 * (_larger(f, v, v0, w) + _larger(f, v, v0, w0))

    return part(a, a0, b, b0) if a is not a0 else None, part(b, b0, a, a0) if b is not b0 else None


def _minimum(f: Words, args: Any, args0: Any, y: Any, y0: Any) -> tuple[Multiplier, ...]:
    return tuple(None if part is None else 1.0 - part for part in _maximum(f, args, args0, y, y0))  # min(a, b) = a + b - max(a, b)


def _compared(f: Words, args: Any, args0: Any, y: Any, y0: Any) -> tuple[Multiplier, ...]:
    """A condition as a jump of a - b from zero to one, or back."""
    rise, run = f.real(y) - f.real(y0), (args[0] - args[1]) - (args0[0] - args0[1])
    same = f("eq", rise, 0.0)
    part = f("where", same, 0.0, rise / f("where", same, 1.0, run))
    return part, -part


def _and(f: Words, args: Any, args0: Any, y: Any, y0: Any) -> tuple[Multiplier, ...]:
    return tuple(_middle(f.real(args[k]), f.real(args0[k])) for k in (1, 0))


def _or(f: Words, args: Any, args0: Any, y: Any, y0: Any) -> tuple[Multiplier, ...]:
    return tuple(1.0 - part for part in _and(f, args, args0, y, y0))


def _where(f: Words, args: Any, args0: Any, y: Any, y0: Any) -> tuple[Multiplier, ...]:
    """c p + (1 - c) q. What is not chosen may be infinite or no number: where the choice differs, it then has the whole difference."""
    (c, p, q), (c0, p0, q0) = args, args0
    if c is c0:
        return None, f.real(c), 1.0 - f.real(c)
    now, before = f.real(c), f.real(c0)
    turned, chosen = now - before, 0.5 * (now + before)
    gap = 0.5 * ((p - q) + (p0 - q0))
    finite, differs = f("lt", f("abs", gap), math.inf), f("ne", turned, 0.0)
    known = f("or", finite, f("not", differs))
    of_choice = f("where", differs, f("where", finite, gap, (y - y0) * turned), 0.0)
    return of_choice, f("where", known, chosen, 0.0), f("where", known, 1.0 - chosen, 0.0)


def _base(f: Words, a: Any, a0: Any, p: Any, y: Any, y0: Any) -> Any:
    """(a^p - a0^p) / (a - a0) from (a/a0)^p = exp(p log(a/a0)); y and y0 are the powers."""
    run, total = a - a0, a + a0
    ratio = run / total
    s = ratio * ratio
    steep = p * (2.0 * _atanh(s))  # p log(a/a0) (a + a0) / (a - a0)
    half = 0.5 * steep * ratio
    top, bottom = _tanh_parts(half * half)
    near = f("and", f("lt", s, _NEAR), f("lt", half * half, _NEAR))
    quotient = _jump(f, run, y - y0, p * f("pow", a, p - 1.0))
    return f("where", near, 0.5 * (y + y0) * steep * top / (f("where", near, bottom * total, 1.0)), quotient)


def _exponent(f: Words, p: Any, p0: Any, a: Any, y: Any, y0: Any) -> Any:
    """(a^p - a^p0) / (p - p0)."""
    run = p - p0
    scale = f("log", f("where", f("gt", a, 0.0), a, 1.0))
    half = 0.5 * run * scale
    top, bottom = _tanh_parts(half * half)
    near = f("and", f("lt", half * half, _NEAR), f("gt", a, 0.0))
    return f("where", near, 0.5 * (y + y0) * scale * top / bottom, _jump(f, run, y - y0))


def _pow(f: Words, args: Any, args0: Any, y: Any, y0: Any) -> tuple[Multiplier, ...]:
    (a, p), (a0, p0) = args, args0
    if p is p0:
        return _base(f, a, a0, p, y, y0), None
    if a is a0:
        return None, _exponent(f, p, p0, a, y, y0)
    crossed, crossed0 = f("pow", a0, p), f("pow", a, p0)
    return (
        0.5 * (_base(f, a, a0, p, y, crossed) + _base(f, a, a0, p0, crossed0, y0)),
        0.5 * (_exponent(f, p, p0, a, y, crossed0) + _exponent(f, p, p0, a0, crossed, y0)),
    )


SEVERAL: dict[str, Callable[..., tuple[Multiplier, ...]]] = {
    "add": lambda f, args, args0, y, y0: (1.0, 1.0),
    "sub": lambda f, args, args0, y, y0: (1.0, -1.0),
    "mul": _times, "div": _over, "pow": _pow, "maximum": _maximum, "minimum": _minimum, "where": _where, "and": _and, "or": _or,
    **dict.fromkeys(("lt", "le", "gt", "ge", "eq", "ne"), _compared),
}  # fmt: skip


def multipliers(f: Words, kind: str, args: Any, args0: Any, y: Any, y0: Any) -> tuple[Multiplier, ...]:
    """The multipliers of an elementwise kind's arguments, each as wide as the result or once a row. An argument `is` its reference where none differs."""
    if kind in UNARY:
        return (UNARY[kind](f, args[0], args0[0], y, y0),)
    return SEVERAL[kind](f, args, args0, y, y0)


def of_largest(f: Words, v: Any, v0: Any, y: Any, y0: Any) -> Multiplier:
    """For the maximum over the channels: the difference goes to the channel that is the largest in the run whose maximum is higher.

    That channel differs by as much or more, so the multiplier is at most one. Channels that share the place share it evenly.
    """
    higher = f("ge", f.over(y, v), f.over(y0, v))
    picked = f("where", higher, f.real(f("eq", v, f.over(y, v))), f.real(f("eq", v0, f.over(y0, v))))
    run = f("sum", f("where", f("gt", picked, 0.0), v - v0, 0.0))
    meet = f("eq", run, 0.0)
    share = f("where", meet, 1.0 / f("sum", picked), (y - y0) / f("where", meet, 1.0, run))
    return picked * f.over(share, v)


# --- programs and tensors ------------------------------------------------------------------------------------------------------------


class Term:
    """A value of a program that is being built, with Python's signs."""

    __slots__ = ("words", "number")

    def __init__(self, words: Terms, number: int) -> None:
        self.words, self.number = words, number

    def __add__(self, other: Any) -> Term:
        return self.words("add", self, other)

    def __sub__(self, other: Any) -> Term:
        return self.words("sub", self, other)

    def __rsub__(self, other: Any) -> Term:
        return self.words("sub", other, self)

    def __mul__(self, other: Any) -> Term:
        return self.words("mul", self, other)

    def __truediv__(self, other: Any) -> Term:
        return self.words("div", self, other)

    def __rtruediv__(self, other: Any) -> Term:
        return self.words("div", other, self)

    def __neg__(self) -> Term:
        return self.words("neg", self)

    __radd__, __rmul__ = __add__, __mul__


class Terms:
    """The words as nodes of a program."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self._terms: dict[int, Term] = {}

    def term(self, number: int) -> Term:
        """The value of this number: one object for each."""
        return self._terms.setdefault(number, Term(self, number))

    def number(self, value: Any) -> int:
        """The number of a value or of one of Python's numbers."""
        return value.number if isinstance(value, Term) else self.builder.constant(float(value))

    def __call__(self, kind: str, *args: Any) -> Term:
        numbers = tuple(map(self.number, args))
        widths = [self.builder.nodes[number].width for number in numbers]
        width = 1 if KINDS[kind].reduces else next((width for width in widths if width != 1), 1)
        return self.term(self.builder.apply(kind, numbers, width))

    def real(self, condition: Any) -> Any:
        return self.term(self.builder.real(condition.number))

    def over(self, value: Any, like: Any) -> Any:
        return value  # a program's values of one channel go with wider ones


class Tensors:
    """The words as torch's operations. `axis`: what reductions go over."""

    def __init__(self, dtype: torch.dtype, axis: Any = -1) -> None:
        self.dtype, self.axis = dtype, axis

    def __call__(self, kind: str, *args: Any) -> Any:
        if kind == "sum":
            return args[0].sum(self.axis, keepdim=True)
        if KINDS[kind].takes == "bool":
            args = tuple(arg if arg.dtype == torch.bool else arg != 0 for arg in args)
        if kind == "where" and not any(isinstance(arg, Tensor) for arg in args[1:]):
            args = args[0], torch.tensor(args[1], dtype=self.dtype, device=args[0].device), args[2]
        return KINDS[kind].meaning(*args)

    def real(self, condition: Any) -> Any:
        return condition.to(self.dtype)

    def over(self, value: Any, like: Any) -> Any:
        return value
