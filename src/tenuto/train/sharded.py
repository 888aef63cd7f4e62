"""Weights, gradients and moments shared out among processes: PyTorch's FSDP2 as a `Launch`, on GPUs and on CPUs (gloo)."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from tenuto.train.shared_out import own_part


class Sharded:
    """The processes that torchrun, `accelerate launch` or Ray Train started, each with its part of every weight.

    With n processes, each keeps one n-th of the weights, gradients and moments; the weights are put together for the time of a step. The
    module that `train` was given stays whole: it gets the weights for each validation, and the best ones at the end.

    accelerate's own FSDP works only on GPUs: on CPUs its `Accelerator` (1.15) falls back to DDP without saying so. That is why this class exists.

    Args:
        device: "cpu", or "cuda": each process then has a GPU of its own.
    Example:
        torchrun --nproc-per-node 2 program.py, where program.py calls `train(..., launch=Sharded())`.
    """

    def __init__(self, device: str = "cpu") -> None:
        from accelerate import PartialState

        self.processes = PartialState(cpu=torch.device(device).type == "cpu")
        self.device: torch.device = self.processes.device
        self.is_main_process: bool = self.processes.is_main_process
        self.process_index: int = self.processes.process_index
        self.num_processes: int = self.processes.num_processes
        self.excess = 1.0  # how many times the average over the processes is what FSDP2 makes of their gradients

    def prepare(self, *objects: Any) -> Any:
        """Copies of a module and of its new optimiser, with weights that are shared out."""
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        # FSDP2 warns of outputs that are views, since writing into one would be wrong. Recurrent layers return views, and nothing writes into them.
        warnings.filterwarnings("ignore", message="FSDP2-wrapped module", category=UserWarning)
        model, optimizer = copy.deepcopy(objects)
        model.to(self.device)
        before = dict(model.named_parameters())
        mesh = init_device_mesh(self.device.type, (self.num_processes,))
        _complete_streams()
        self.excess = _excess(next(iter(before.values())), mesh)
        fully_shard(model, mesh=mesh)
        after = dict(model.named_parameters())
        shared_out = {before[name]: after[name] for name in before}
        for group in optimizer.param_groups:
            group["params"] = [shared_out[weight] for weight in group["params"]]
        return model, optimizer

    def unwrap_model(self, model: nn.Module) -> nn.Module:
        return model

    @contextlib.contextmanager
    def no_sync(self, model: nn.Module) -> Iterator[None]:
        model.set_requires_gradient_sync(False)  # type: ignore[operator]  # a method of FSDPModule, which `fully_shard` made the model into
        try:
            yield
        finally:
            model.set_requires_gradient_sync(True)  # type: ignore[operator]

    def backward(self, loss: Tensor) -> None:
        (loss / self.excess).backward()

    def clip_grad_norm_(self, parameters: Iterable[Tensor], max_norm: float) -> Tensor:
        return torch.nn.utils.clip_grad_norm_(parameters, max_norm)

    def reduce(self, tensor: Tensor, reduction: str = "sum") -> Tensor:
        from accelerate.utils import reduce

        return reduce(tensor, reduction)

    def gather(self, tensor: Tensor) -> Tensor:
        from accelerate.utils import gather

        return gather(tensor)

    def wait_for_everyone(self) -> None:
        self.processes.wait_for_everyone()


def _complete_streams() -> None:
    """Give the streams of a CPU, which are there in name only, the two calls of FSDP2 that torch 2.6 forgot. In later ones they do nothing."""
    for name in {"record_event", "wait_event"} - set(dir(torch.cpu.Stream)):
        setattr(torch.cpu.Stream, name, lambda *given: None)


def _excess(like: Tensor, mesh: Any) -> float:
    """What FSDP2 makes of a gradient that is 1 in every process: 1, or their number where gloo, asked for an average, adds up (torch 2.6, 2.7).

    Args:
        like: a weight; how gradients are averaged depends on device and dtype.
    """
    from torch.distributed.fsdp import fully_shard

    probe = nn.utils.skip_init(nn.Linear, 1, mesh.size(), bias=False, device=like.device, dtype=like.dtype)  # draws no random numbers
    fully_shard(probe, mesh=mesh)
    probe(torch.ones(1, 1, device=like.device, dtype=like.dtype)).sum().backward()
    return own_part(probe.weight.grad).item()  # type: ignore[arg-type]  # backward made it
