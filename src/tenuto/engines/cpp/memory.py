"""Which tensors the loops may read and write by address: the one gate to raw memory.

A loop is given addresses, so what stands behind one must be numbers of the right kind in main memory. Tensors that come from outside pass
`readable`; work buffers are made by `empty` and `zeros`, on the CPU whatever torch's default device is; nothing else of ours asks
a tensor for its address (`address`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tenuto.engines.problem import NOT_DIFFERENTIABLE
from tenuto.errors import EngineError, describe

address = Tensor.data_ptr  # of a tensor that was let in, or made, here


def _kind(tensor: Tensor) -> int:
    """All that torch's dispatcher knows of a tensor beside dtype and shape, as a number: device, layout, wrappers, bits that wait."""
    return torch._C._dispatch_keys(tensor).raw_repr()


def in_main_memory(tensor: Tensor) -> bool:
    """Whether a tensor's numbers stand in main memory as they are: no wrapper, no other device or layout, no bit that waits to be applied."""
    return _kind(tensor) in _PLAIN


def _plain() -> frozenset[int]:
    with torch.inference_mode(False):
        ordinary = torch.empty(0, device="cpu")
    with torch.inference_mode():
        return frozenset({_kind(ordinary), _kind(torch.empty(0, device="cpu"))})


with torch.utils._python_dispatch._disable_current_modes():  # tenuto may be imported among fake tensors
    _PLAIN = _plain()
_DTYPES = {"lengths": torch.int64, "batch_sizes": torch.int64, "resets": torch.bool}
_ANY: Mapping[str, tuple[int, ...]] = {}
_HOOKS = "where torch.autograd.graph.saved_tensors_hooks is at work: unpack what was packed, in its own shape and dtype"
assert tuple(_DTYPES) == NOT_DIFFERENTIABLE


def readable(tensors: dict[str, Tensor], dtype: torch.dtype, shapes: Mapping[str, tuple[int, ...]] = _ANY) -> dict[str, Tensor]:
    """These tensors, each with its numbers in main memory; but for lengths, batch sizes and resets all of this dtype. They may have gaps.

    Args:
        shapes: of those that are looked at.
    Raises:
        EngineError: one has none there (a fake tensor, a wrapper, another device or layout), or other numbers, or another shape.
    """
    if dtype is not torch.float32 and dtype is not torch.float64:
        raise EngineError("kernels are for float32 and float64.", received=str(dtype), fix=_HOOKS)
    for name, shape in shapes.items():
        if tensors[name].shape != shape:
            raise EngineError(
                f"{name} came to the backward pass in another shape.", expected=str(list(shape)), received=describe(tensors[name]), fix=_HOOKS
            )
    for tensor in tensors.values():
        if tensor.dtype is not dtype or _kind(tensor) not in _PLAIN:
            break
    else:
        return tensors
    integers = dict.fromkeys((name.removeprefix("scale.") for name in tensors if name.startswith("scale.")), torch.int8)
    known = {**_DTYPES, **integers} if integers else _DTYPES
    return {
        name: tensor if _kind(tensor) in _PLAIN and tensor.dtype is known.get(name, dtype) else _settled(name, tensor, known.get(name, dtype))
        for name, tensor in tensors.items()
    }


def _settled(name: str, tensor: Tensor, wanted: torch.dtype) -> Tensor:
    if type(tensor) is Tensor and tensor.device.type == "cpu" and (tensor.is_neg() or tensor._is_zerotensor()):
        tensor = tensor.clone(memory_format=torch.contiguous_format)  # a minus sign that waits to be applied; zeros without memory
    if _kind(tensor) not in _PLAIN:
        raise EngineError(
            f"{name} has no numbers in main memory that a compiled loop could read.",
            expected="an ordinary tensor on the CPU", received=f"{type(tensor).__name__} {describe(tensor)}, {tensor.layout}",
            fix="engine='reference' is made of torch's own operations, which such tensors know",
        )  # fmt: skip
    if tensor.dtype is not wanted:
        raise EngineError(
            f"{name} has other numbers than the loop was compiled for.", expected=str(wanted), received=describe(tensor), fix=_HOOKS
        )
    return tensor


def empty(*shape: int, dtype: torch.dtype) -> Tensor:
    """Memory that a loop writes before it reads."""
    return torch.empty(shape, dtype=dtype, device="cpu")


def zeros(*shape: int, dtype: torch.dtype) -> Tensor:
    """Memory that begins as zeros."""
    return torch.zeros(shape, dtype=dtype, device="cpu")
