"""Tensors that are shared out among processes (FSDP): put together, one process's part, and shared out again."""

from __future__ import annotations

from torch import Tensor


def whole(tensor: Tensor) -> Tensor:
    """A tensor put together if it is shared out among the processes (FSDP); every process must call this."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def own_part(tensor: Tensor) -> Tensor:
    """This process's part of a tensor if it is shared out, else the whole tensor."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def shared_out_like(tensor: Tensor, example: Tensor) -> Tensor:
    """A whole tensor shared out among the processes in the same way as `example`; the tensor itself if `example` is not shared out."""
    if not hasattr(example, "full_tensor"):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor.to(example.device), example.device_mesh, example.placements)  # type: ignore[attr-defined]
