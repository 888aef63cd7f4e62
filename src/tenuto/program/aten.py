"""torch's operations in and out of the grammar: recording a function with `make_fx`, and one row for each operation known here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor
from torch._decomp import core_aten_decompositions, get_decompositions
from torch.fx.experimental.proxy_tensor import make_fx
from torch.library import Library

from tenuto.cell import Width
from tenuto.errors import TraceError
from tenuto.program.graph import Builder

# --- the mean as an operation of its own, and its adjoint, so that no trace holds a division by today's width ------------

_library = Library("tenuto_program", "DEF")
_library.define("mean(Tensor v) -> Tensor")
_library.define("spread(Tensor v, int width) -> Tensor")
_library.impl("mean", lambda v: v.mean(-1, keepdim=True), "CompositeExplicitAutograd")
_library.impl("spread", lambda v, width: (v / width).expand(*v.shape[:-1], width).clone(), "CompositeExplicitAutograd")


@torch.library.register_fake("tenuto_program::mean")
def _(v: Tensor) -> Tensor:
    return v.new_empty(*v.shape[:-1], 1)


@torch.library.register_fake("tenuto_program::spread")
def _(v: Tensor, width: int) -> Tensor:
    return v.new_empty(*v.shape[:-1], width)


class _Mean(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(v: Tensor) -> Tensor:
        return torch.ops.tenuto_program.mean(v)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.width = inputs[0].shape[-1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return torch.ops.tenuto_program.spread(gradient, ctx.width)


def mean(v: Tensor) -> Tensor:
    """The mean over the channels, as one operation in the trace."""
    return _Mean.apply(v)


def primitive(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Callable[[], Tensor] | None:
    """What to do instead of a torch call that would bake in today's width: for means and normalisations over the channels."""
    if not args or not isinstance(args[0], Tensor) or args[0].dim() != 2:
        return None
    v, options = args[0], dict(kwargs)
    dims = options.get("dim", args[1] if len(args) > 1 else None)
    last = not isinstance(dims, Tensor) and dims in (-1, 1, [-1], (-1,), [1], (1,))
    if func in (torch.mean, Tensor.mean) and last and (options.get("keepdim") or args[2:] == (True,)):
        return partial(mean, v)
    if func in (torch.nn.functional.layer_norm, torch.layer_norm):
        weight = options.get("weight", args[2] if len(args) > 2 else None)
        bias = options.get("bias", args[3] if len(args) > 3 else None)
        return partial(_layer_norm, v, weight, bias, options.get("eps", args[4] if len(args) > 4 else 1e-5))
    if func in (torch.softmax, torch.nn.functional.softmax, Tensor.softmax) and last:
        return partial(_softmax, v)
    return None


def _layer_norm(v: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    from tenuto.cell import layer_norm

    scaled = layer_norm(v, eps) if weight is None else layer_norm(v, eps) * weight
    return scaled if bias is None else scaled + bias


def _softmax(v: Tensor) -> Tensor:
    from tenuto.cell import softmax

    return softmax(v)


# --- recording -----------------------------------------------------------------------------------------------------------

_BEYOND_CORE = """addcdiv addcmul celu clamp clamp_max clamp_min elu elu_backward gelu gelu_backward hardshrink hardsigmoid
hardsigmoid_backward hardswish hardswish_backward hardtanh hardtanh_backward leaky_relu leaky_relu_backward lerp log_sigmoid_backward
log_sigmoid_forward logaddexp mish mish_backward rsub selu sigmoid_backward silu silu_backward softplus softplus_backward
softshrink softsign square tanh_backward threshold threshold_backward"""


@lru_cache(maxsize=None)
def _decompositions() -> dict[Any, Any]:
    packets = [getattr(torch.ops.aten, name) for name in _BEYOND_CORE.split() if hasattr(torch.ops.aten, name)]
    return {**core_aten_decompositions(), **get_decompositions(packets)}


def record(function: Callable[..., tuple[Tensor, ...]], values: list[Tensor], *, pure: bool = False) -> torch.fx.GraphModule:
    """The torch operations of `function(*values)`. `pure` turns the in-place writes inside torch's own formulas into copies."""
    if pure:  # in two passes, since functionalize takes no autograd.Function
        function = torch.func.functionalize(make_fx(function)(*values))
    return make_fx(function, decomposition_table=_decompositions())(*values)


# --- translation ---------------------------------------------------------------------------------------------------------

_PLAIN = {
    f"aten.{name}": kind
    for names, kind in (
        ("add.Tensor add.Scalar", "add"), ("sub.Tensor sub.Scalar", "sub"), ("mul.Tensor mul.Scalar", "mul"),
        ("div.Tensor div.Scalar", "div"), ("pow.Tensor_Scalar pow.Tensor_Tensor pow.Scalar", "pow"),
        ("maximum.default", "maximum"), ("minimum.default", "minimum"), ("neg.default", "neg"), ("abs.default", "abs"),
        ("sign.default sgn.default", "sign"), ("floor.default", "floor"), ("reciprocal.default", "reciprocal"),
        ("sqrt.default", "sqrt"), ("rsqrt.default", "rsqrt"), ("exp.default", "exp"), ("expm1.default", "expm1"),
        ("log.default", "log"), ("log1p.default", "log1p"), ("sin.default", "sin"), ("cos.default", "cos"),
        ("atan.default", "atan"), ("erf.default", "erf"), ("sigmoid.default", "sigmoid"), ("tanh.default", "tanh"),
        ("relu.default", "relu"), ("lt.Scalar lt.Tensor", "lt"), ("le.Scalar le.Tensor", "le"), ("gt.Scalar gt.Tensor", "gt"),
        ("ge.Scalar ge.Tensor", "ge"), ("eq.Scalar eq.Tensor", "eq"), ("ne.Scalar ne.Tensor", "ne"),
        ("logical_and.default bitwise_and.Tensor", "and"), ("logical_or.default bitwise_or.Tensor", "or"),
        ("logical_not.default bitwise_not.default", "not"), ("where.self where.ScalarOther where.ScalarSelf", "where"),
    )
    for name in names.split()
}  # fmt: skip
_SAME = {
    f"aten.{name}"
    for name in "alias.default clone.default detach.default view.default _unsafe_view.default reshape.default contiguous.default"
    " lift_fresh_copy.default lift_fresh.default view_as.default squeeze.dims".split()
}
_INSTEAD = {
    "cat": "declare two states or gates instead of joining channels",
    "slice": "declare a state or gate for each part instead of cutting channels",
    "split": "declare a state or gate for each part instead of cutting channels",
    "select": "a step works on whole [B, H] values",
    "mm": "write U.name @ value for products; declare further matrices in products",
    "addmm": "write U.name @ value for products; declare further matrices in products",
    "rand": "randomness comes in through streams (recurrent dropout and zoneout are options of Recurrent)",
    "bernoulli": "randomness comes in through streams (recurrent dropout and zoneout are options of Recurrent)",
    "native_dropout": "recurrent dropout is an option of Recurrent",
    "arange": "a tensor of its own is declared in parameters (per channel, trained) or streams",
    "cumsum": "a step sees the channels as a set; reductions are sum, mean, amax over all of them",
}


def translate(
    graph: torch.fx.GraphModule,
    inputs: list[int],
    builder: Builder,
    label: Callable[[int], Width],
    sources: Mapping[str, str],
) -> list[int]:
    """Puts a recorded graph into the builder; the numbers of its outputs.

    Raises:
        TraceError: an operation that the grammar does not hold, or one that mixes the rows of the batch.
    """
    numbers: dict[torch.fx.Node, int] = {}
    given = iter(inputs)
    for node in graph.graph.nodes:
        if node.op == "placeholder":
            numbers[node] = next(given)
        elif node.op == "get_attr":
            tensor = getattr(graph, str(node.target))
            if tensor.numel() != 1:
                raise TraceError(
                    f"the step uses a tensor of its own with {tensor.numel()} values",
                    fix="declare it in parameters (per channel, trained) or streams",
                )
            numbers[node] = builder.constant(float(tensor))
        elif node.op == "output":
            flat = node.args[0]
            flat = flat if isinstance(flat, (tuple, list)) else (flat,)
            return [numbers[value] if isinstance(value, torch.fx.Node) else builder.constant(0.0) for value in flat]
        else:
            numbers[node] = _one(node, numbers, builder, label, sources.get(node.name, ""))
    raise AssertionError("a recorded graph ends in its output")


def _one(
    node: torch.fx.Node,
    numbers: Mapping[torch.fx.Node, int],
    builder: Builder,
    label: Callable[[int], Width],
    source: str,
) -> int:
    name, value = str(node.target), node.meta["val"]
    if getattr(getattr(node.target, "_schema", None), "is_mutable", False):
        raise TraceError(
            f"the step writes in place ({name})", fix="make a new tensor: v = v + 1, not v += 1 or v.add_(1)"
        ).at(source)
    shape = list(value.shape) if isinstance(value, Tensor) else []
    width: Width = label(shape[-1]) if shape else 1
    number: Callable[[Any], int] = lambda arg: numbers[arg] if isinstance(arg, torch.fx.Node) else builder.constant(float(arg))  # noqa: E731
    args = node.args
    if name in ("aten.full.default", "aten.full_like.default", "aten.scalar_tensor.default"):
        fill = args[0] if name == "aten.scalar_tensor.default" else args[1]
        return builder.constant(float(fill))  # type: ignore[arg-type]
    if name == "aten.empty_permuted.default":
        return builder.constant(0.0)  # a buffer that torch's formula returns and nobody reads
    if len(shape) == 2 or not shape:
        if name in _SAME or (name == "aten._to_copy.default" and value.dtype.is_floating_point and _is_float(args[0])):
            return number(args[0])
        if name == "aten._to_copy.default":
            return builder.apply("where", (number(args[0]), builder.constant(1.0), builder.constant(0.0)), width, source)
        if name == "aten.isnan.default":
            return builder.apply("ne", (number(args[0]), number(args[0])), width, source)
        if name in ("aten.add.Tensor", "aten.sub.Tensor") and node.kwargs.get("alpha", 1) != 1:
            scaled = builder.apply("mul", (number(args[1]), builder.constant(float(node.kwargs["alpha"]))), width, source)  # type: ignore[arg-type]
            return builder.apply(_PLAIN[name], (number(args[0]), scaled), width, source)
        if name in ("aten.clamp.default", "aten.clamp.Tensor"):
            return _clamp(builder, number, args, width, source)
        if name in _PLAIN:
            return builder.apply(_PLAIN[name], tuple(number(arg) for arg in args), width, source)
        if name in ("aten.expand.default", "tenuto_program.spread.default"):
            kind = "expand" if name.startswith("aten") else "spread"
            return builder.apply(kind, (number(args[0]),), width, source)
        if name == "tenuto_program.mean.default":
            return builder.apply("mean", (number(args[0]),), 1, source)
        if name in ("aten.sum.dim_IntList", "aten.amax.default") and _last_axis(args) and len(shape) == 2:
            return builder.apply("sum" if "sum" in name else "amax", (number(args[0]),), 1, source)
    plain = name.split(".")[1] if "." in name else name
    hint = next((text for word, text in _INSTEAD.items() if plain.startswith(word)), None)
    if plain in ("sum", "amax", "mean", "amin", "max", "var"):
        hint = "reductions go over the channels alone and keep the axis: v.sum(-1, keepdim=True), tenuto.cell.mean(v)"
    raise TraceError(
        f"the step uses {name}, which no program can hold",
        fix=hint or "write it with elementwise torch functions, U.name @ v, and reductions over the channels",
    ).at(source)


def _is_float(node: Any) -> bool:
    return isinstance(node, torch.fx.Node) and node.meta["val"].dtype.is_floating_point


def _last_axis(args: tuple[Any, ...]) -> bool:
    return len(args) > 2 and list(args[1]) in ([-1], [1]) and bool(args[2])


def _clamp(builder: Builder, number: Callable[[Any], int], args: tuple[Any, ...], width: Width, source: str) -> int:
    low, high = (list(args[1:]) + [None, None])[:2]
    value = number(args[0])
    if low is not None:
        value = builder.apply("maximum", (value, number(low)), width, source)
    return value if high is None else builder.apply("minimum", (value, number(high)), width, source)
