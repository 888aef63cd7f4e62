"""torch's operations on shapes and places in ONNX: the other half of the table in `operations.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tenuto.errors import ArgumentError
from tenuto.export.onnx.operations import Call, Name, Size, entered
from tenuto.export.onnx.scribe import INT

_END = 2**63 - 1


@entered("view.default", "reshape.default", "_unsafe_view.default")
def _view(call: Call, value: Name, shape: Sequence[Any]) -> str:
    return call.scribe.op("Reshape", value, call.shape(shape))


@entered("permute.default")
def _permute(call: Call, value: Name, axes: Sequence[int]) -> str:
    return call.scribe.op("Transpose", value, perm=[axis % len(axes) for axis in axes])


@entered("transpose.int")
def _transpose(call: Call, value: Name, first: int, second: int) -> str:
    order = list(range(call.ranks[value]))
    order[first], order[second] = order[second], order[first]
    return call.scribe.op("Transpose", value, perm=order)


@entered("t.default", "numpy_T.default")
def _turned(call: Call, value: Name) -> str:
    return call.scribe.op("Transpose", value, perm=list(range(call.ranks[value]))[::-1])


@entered("unsqueeze.default")
def _unsqueeze(call: Call, value: Name, axis: int) -> str:
    return call.scribe.op("Unsqueeze", value, call.scribe.whole(axis))


@entered("squeeze.dim", "squeeze.dims")
def _squeeze(call: Call, value: Name, axes: Any) -> str:
    given = [axes] if isinstance(axes, int) else list(axes)
    if call.result.dim() == call.ranks[value]:
        return value
    return call.scribe.op("Squeeze", value, call.scribe.whole(*given))


@entered("expand.default")
def _expand(call: Call, value: Name, shape: Sequence[Any], **_: Any) -> str:
    return call.scribe.op("Expand", value, call.shape([1 if isinstance(size, int) and size == -1 else size for size in shape]))


@entered("expand_as.default")
def _expand_as(call: Call, value: Name, other: Name) -> str:
    return call.scribe.op("Expand", value, call.scribe.op("Shape", other))


@entered("repeat.default")
def _repeat(call: Call, value: Name, times: Sequence[Any]) -> str:
    for _ in range(len(times) - call.ranks[value]):
        value = Name(call.scribe.op("Unsqueeze", value, call.scribe.whole(0)))
    return call.scribe.op("Tile", value, call.shape(times))


@entered("repeat_interleave.self_int")
def _repeat_interleave(call: Call, value: Name, times: int, axis: int | None = None, **_: Any) -> str:
    if axis is None or not isinstance(times, int):
        raise ArgumentError("the model calls torch.repeat_interleave without a dim, or with sizes that are free.", fix="repeat_interleave(x, 2, dim=0)")
    scribe, place = call.scribe, axis % call.ranks[value]
    wide = scribe.op("Unsqueeze", value, scribe.whole(place + 1))
    tiled = scribe.op("Tile", wide, scribe.whole(*(times if at == place + 1 else 1 for at in range(call.ranks[value] + 1))))
    sizes = [scribe.size(value, at) for at in range(call.ranks[value])]
    sizes[place] = scribe.op("Mul", sizes[place], scribe.whole(times))
    return scribe.op("Reshape", tiled, scribe.op("Concat", *sizes, axis=0))


@entered("slice.Tensor")
def _slice(call: Call, value: Name, axis: int = 0, start: Any = None, end: Any = None, step: int = 1) -> str:
    if start in (None, 0) and isinstance(end, int | None) and (end is None or end >= _END) and step == 1:
        return value
    begins, ends = (call.shape([usual if given is None else given]) for given, usual in ((start, 0), (end, _END)))
    return call.scribe.op("Slice", value, begins, ends, call.scribe.whole(axis), call.scribe.whole(step))


@entered("slice_scatter.default")
def _slice_scatter(call: Call, value: Name, part: Name, axis: int = 0, start: Any = None, end: Any = None, step: int = 1) -> str:
    if step != 1:
        raise ArgumentError("the model writes into every other place of a tensor.", fix="torch.cat or torch.where in place of x[::2] = y")
    pieces = [part]
    if start not in (None, 0):
        pieces.insert(0, Name(_slice(call, value, axis, 0, start)))
    if not (end is None or (isinstance(end, int) and end >= _END)):
        pieces.append(Name(_slice(call, value, axis, end, None)))
    return call.scribe.op("Concat", *pieces, axis=axis) if len(pieces) > 1 else part


@entered("flip.default")
def _flip(call: Call, value: Name, axes: Sequence[int]) -> str:
    whole = call.scribe.whole
    ends = [-_END] * len(axes)  # before the first place
    return call.scribe.op("Slice", value, whole(*[-1] * len(axes)), whole(*ends), whole(*axes), whole(*[-1] * len(axes)))


@entered("select.int")
def _select(call: Call, value: Name, axis: int, place: Any) -> str:
    return call.scribe.op("Gather", value, call.tensor(place, torch.int64), axis=axis)


@entered("index_select.default")
def _index_select(call: Call, value: Name, axis: int, places: Name) -> str:
    return call.scribe.op("Gather", value, places, axis=axis)


@entered("gather.default")
def _gather(call: Call, value: Name, axis: int, places: Name, **_: Any) -> str:
    return call.scribe.op("GatherElements", value, places, axis=axis)


@entered("index.Tensor")
def _index(call: Call, value: Name, places: Sequence[Any]) -> str:
    scribe, given = call.scribe, [(axis, place) for axis, place in enumerate(places) if place is not None]
    if any(call.dtypes[place] == torch.bool for _, place in given):
        raise ArgumentError("the model picks elements by a mask, so how many there are depends on their values.", fix="torch.where(mask, x, 0) in place of x[mask]")
    if len(given) == 1:
        return scribe.op("Gather", value, given[0][1], axis=given[0][0])
    if [axis for axis, _ in given] != list(range(len(given))):
        raise ArgumentError("the model indexes with several tensors and a colon before or between them.", fix="move the indexed axes to the front")
    ranks = max(call.ranks[place] for _, place in given)
    alike = []
    for _, place in given:
        for _ in range(ranks - call.ranks[place]):
            place = Name(scribe.op("Unsqueeze", place, scribe.whole(0)))
        alike.append(place)
    whole = alike[0]
    for other in alike[1:]:
        whole = Name(scribe.op("Add", whole, other))
    shape = scribe.op("Shape", whole)
    columns = [scribe.op("Unsqueeze", scribe.op("Expand", place, shape), scribe.whole(-1)) for place in alike]
    return scribe.op("GatherND", value, scribe.op("Concat", *columns, axis=-1))


@entered("cat.default")
def _cat(call: Call, values: Sequence[Name], axis: int = 0) -> str:
    return call.scribe.op("Concat", *(call.cast(value, call.result.dtype) for value in values), axis=axis)


@entered("stack.default")
def _stack(call: Call, values: Sequence[Name], axis: int = 0) -> str:
    at = axis % (call.ranks[values[0]] + 1)
    return call.scribe.op("Concat", *(call.scribe.op("Unsqueeze", value, call.scribe.whole(at)) for value in values), axis=at)


@entered("chunk.default", "split.Tensor", "split_with_sizes.default", "split.sizes")
def _split(call: Call, value: Name, _: Any, axis: int = 0) -> list[str]:
    sizes = [part.shape[axis] for part in call.result]
    if not all(isinstance(size, int) for size in sizes):
        raise ArgumentError("the model splits an axis whose size is free.", fix="split the axis of the channels")
    return call.scribe.ops("Split", [value, call.scribe.whole(*sizes)], len(sizes), axis=axis) if len(sizes) > 1 else [value]


@entered("unbind.int")
def _unbind(call: Call, value: Name, axis: int = 0) -> list[str]:
    return [_select(call, value, axis, place) for place in range(len(call.result))]


@entered("zeros_like.default", "ones_like.default", "full_like.default", "empty_like.default")
def _full_like(call: Call, value: Name, number: Any = None, **_: Any) -> str:
    return call.scribe.op("Expand", call.tensor(0 if number is None else number, call.result.dtype), call.scribe.op("Shape", value))


@entered("ones_like.default")
def _ones_like(call: Call, value: Name, **_: Any) -> str:
    return _full_like(call, value, 1)


@entered("full.default", "scalar_tensor.default")
def _full(call: Call, shape: Any, number: Any = None, **_: Any) -> str:
    if number is None:
        return call.tensor(shape, call.result.dtype)
    return call.scribe.op("Expand", call.tensor(number, call.result.dtype), call.shape(shape)) if shape else call.tensor(number, call.result.dtype)


@entered("zeros.default", "empty.memory_format")
def _zeros(call: Call, shape: Sequence[Any], **_: Any) -> str:
    return _full(call, shape, 0)


@entered("ones.default")
def _ones(call: Call, shape: Sequence[Any], **_: Any) -> str:
    return _full(call, shape, 1)


@entered("new_zeros.default", "new_empty.default")
def _new_zeros(call: Call, value: Any, shape: Sequence[Any], **_: Any) -> str:
    return _full(call, shape, 0)


@entered("new_ones.default")
def _new_ones(call: Call, value: Any, shape: Sequence[Any], **_: Any) -> str:
    return _full(call, shape, 1)


@entered("new_full.default")
def _new_full(call: Call, value: Any, shape: Sequence[Any], number: Any, **_: Any) -> str:
    return _full(call, shape, number)


@entered("arange.default")
def _arange(call: Call, end: Any, **_: Any) -> str:
    return _range(call, 0, end)


@entered("arange.start", "arange.start_step")
def _range(call: Call, start: Any, end: Any, step: Any = 1, **_: Any) -> str:
    dtype = call.result.dtype
    return call.scribe.op("Range", *(call.tensor(value, dtype) for value in (start, end, step)))


@entered("constant_pad_nd.default")
def _pad(call: Call, value: Name, pads: Sequence[Any], number: Any = 0) -> str:
    rank = call.ranks[value]
    begins, ends = [0] * rank, [0] * rank
    for place in range(len(pads) // 2):
        begins[rank - 1 - place], ends[rank - 1 - place] = pads[2 * place], pads[2 * place + 1]
    return call.scribe.op("Pad", value, call.shape([*begins, *ends]), call.tensor(number, call.result.dtype))


def of_sizes(scribe: Any, kind: str, first: Any, second: Any) -> Any:
    """Arithmetic on sizes."""
    if not isinstance(first, Size) and not isinstance(second, Size):
        return {"add": int.__add__, "sub": int.__sub__, "mul": int.__mul__, "floordiv": int.__floordiv__}[kind](first, second)
    named = [value if isinstance(value, Size) else scribe.constant([value], INT) for value in (first, second)]
    return Size(scribe.op({"add": "Add", "sub": "Sub", "mul": "Mul", "floordiv": "Div"}[kind], *named))
