"""The multipliers of each kind: their sum is the difference, and near the meeting point they lose no digits."""

import math

import mpmath
import pytest
import torch

from tenuto.program.grammar import KINDS
from tenuto.program.multipliers import SEVERAL, UNARY, Tensors, multipliers, of_largest

EXACT = {
    "tanh": mpmath.tanh, "sigmoid": lambda v: 1 / (1 + mpmath.exp(-v)), "exp": mpmath.exp, "expm1": mpmath.expm1, "log": mpmath.log, "log1p": mpmath.log1p,
    "sin": mpmath.sin, "cos": mpmath.cos, "atan": mpmath.atan, "erf": mpmath.erf, "sqrt": mpmath.sqrt, "rsqrt": lambda v: 1 / mpmath.sqrt(v),
    "reciprocal": lambda v: 1 / v,
}  # fmt: skip
POSITIVE = ("log", "log1p", "sqrt", "rsqrt", "reciprocal")
DISTANCES = [0.0, 1e-300, 1e-17, 1e-12, 1e-8, 1e-4, 1e-3, 0.01, 0.05, 0.0624, 0.0626, 0.1249, 0.1251, 0.2499, 0.2501, 0.5, 1.0, 3.0, 20.0]


def slope_of(kind, a, a0):
    f = Tensors(a.dtype)
    (part,) = multipliers(f, kind, [a], [a0], KINDS[kind].meaning(a), KINDS[kind].meaning(a0))
    return part


def exactly(kind, a, a0):
    with mpmath.workdps(400):
        a, a0 = mpmath.mpf(a), mpmath.mpf(a0)
        if a == a0:
            return float(mpmath.diff(EXACT[kind], a))
        return float((EXACT[kind](a) - EXACT[kind](a0)) / (a - a0))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kind", EXACT)
def test_slopes_are_right_at_every_distance(kind, dtype):
    """Against four hundred digits: an error of 1e-14 of the function's scale over the distance that it is taken over, at the most."""
    points = (0.01, 0.3, 1.0, 2.5, 6.0) if kind in POSITIVE else (-6.0, -1.3, -0.2, 0.0, 0.01, 0.7, 2.5, 6.0)
    ulp = torch.finfo(dtype).eps
    for point in points:
        for distance in DISTANCES:
            a0 = torch.tensor(point, dtype=dtype)
            a = a0 + torch.tensor(distance, dtype=dtype)
            expected = exactly(kind, a.item(), a0.item())
            scale = max(abs(expected), abs(exactly(kind, point, point)), *(abs(float(EXACT[kind](mpmath.mpf(v)))) for v in (a.item(), a0.item())))
            assert abs(slope_of(kind, a, a0).item() - expected) <= 100 * ulp * scale, (kind, point, distance)


def test_every_kind_has_a_rule():
    linear = {"sum", "mean", "expand", "spread", "amax"}
    assert set(KINDS) == set(UNARY) | set(SEVERAL) | linear


def drawn(kind, seed, rows=4000):
    """Arguments of a kind in two runs, some of which meet; numbers among them on which functions jump."""
    torch.manual_seed(seed)
    args, args0 = [], []
    for place in range(KINDS[kind].arity):
        a, a0 = torch.randn(2, rows, dtype=torch.float64) * torch.tensor([1.0, 3.0]).repeat(rows // 2)
        a, a0 = torch.where(torch.rand(rows) < 0.1, a.round(), a), torch.where(torch.rand(rows) < 0.1, a0.round(), a0)
        a0 = torch.where(torch.rand(rows) < 0.2, a, a0)
        if kind in (*POSITIVE, "pow") and place == 0:
            a, a0 = a.abs() + 0.3, a0.abs() + 0.3
        if kind == "pow" and place == 1:
            a, a0 = a.clamp(-3, 3), a0.clamp(-3, 3)
        if kind == "div" and place == 1:
            a, a0 = a + 0.3 * torch.sign(a) + 0.2 * (a == 0), a0 + 0.3 * torch.sign(a0) + 0.2 * (a0 == 0)
        if KINDS[kind].takes == "bool" or (kind == "where" and place == 0):
            a, a0 = a > 0, a0 > 0
        args.append(a)
        args0.append(a0)
    return args, args0


@pytest.mark.parametrize("kind", [*UNARY, *SEVERAL])
@pytest.mark.parametrize("seed", range(3))
def test_the_parts_add_up(kind, seed):
    args, args0 = drawn(kind, seed)
    meaning, real = KINDS[kind].meaning, lambda v: v.double()
    y, y0 = meaning(*args), meaning(*args0)
    parts = multipliers(Tensors(torch.float64), kind, args, args0, y, y0)
    total = sum(m * (real(a) - real(a0)) for m, a, a0 in zip(parts, args, args0) if m is not None)
    torch.testing.assert_close(total, real(y) - real(y0), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kind", ["mul", "div", "pow", "maximum", "minimum"])
def test_two_players_share_as_shapley_says(kind):
    """Each argument's part is the mean over both orders in which the two can change."""
    (a, b), (a0, b0) = drawn(kind, 7)
    f = KINDS[kind].meaning
    parts = multipliers(Tensors(torch.float64), kind, [a, b], [a0, b0], f(a, b), f(a0, b0))
    if kind == "div":  # a product with the reciprocal
        b, b0, f = 1 / b, 1 / b0, torch.mul
    expected = 0.5 * ((f(a, b) - f(a0, b)) + (f(a, b0) - f(a0, b0)))
    torch.testing.assert_close(parts[0] * (a - a0), expected, rtol=1e-9, atol=1e-9)


def test_what_was_not_chosen_may_be_infinite():
    """As in softplus: v where v > 20, else log(1 + exp(v)), which overflows."""
    c, c0 = torch.tensor([True, True, False]), torch.tensor([True, False, False])
    p, p0 = torch.tensor([2.0, 3.0, math.nan]), torch.tensor([1.0, math.inf, math.inf])
    q, q0 = torch.tensor([math.inf, math.nan, 5.0]), torch.tensor([math.inf, 1.0, 4.0])
    y, y0 = torch.where(c, p, q), torch.where(c0, p0, q0)
    parts = multipliers(Tensors(torch.float32), "where", [c, p, q], [c0, p0, q0], y, y0)
    kept = [torch.where(m == 0, 0, m * (v.float() - v0.float())) for m, v, v0 in zip(parts, (c, p, q), (c0, p0, q0))]
    torch.testing.assert_close(sum(kept), y - y0)


def test_the_largest_of_many():
    torch.manual_seed(1)
    v, v0 = torch.randn(2, 500, 7, dtype=torch.float64)
    v0 = torch.where(torch.rand(500, 1) < 0.2, v, v0)
    v, v0 = v.round(decimals=1), v0.round(decimals=1)  # so that several are the largest
    y, y0 = v.amax(-1, keepdim=True), v0.amax(-1, keepdim=True)
    part = of_largest(Tensors(torch.float64), v, v0, y, y0)
    torch.testing.assert_close((part * (v - v0)).sum(-1, keepdim=True), y - y0)
    assert (part >= 0).all() and (part <= 1 + 1e-12).all()
    same = (v == v0).all(-1)
    torch.testing.assert_close(part[same].sum(-1), torch.ones(int(same.sum()), dtype=torch.float64))
