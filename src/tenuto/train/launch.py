"""Where training runs: the few calls that differ between one process and several, and what processes send to each other.

The names and signatures are those of `accelerate.Accelerator`, so that an Accelerator can be passed as it is; by default training runs in this process.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import secrets
import time
import weakref
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor

from tenuto.errors import ArgumentError
from tenuto.process import in_child
from tenuto.scalars import drawn_from, is_generator
from tenuto.train.nested import put_together, take_apart


class Launch(Protocol):
    """The calls that the training loop makes to the processes that it runs in; an `accelerate.Accelerator` has them."""

    is_main_process: bool
    process_index: int
    num_processes: int
    device: torch.device

    def prepare(self, *objects: Any) -> Any:
        """Modules and optimisers as they must be used here; a tuple where there is more than one."""

    def unwrap_model(self, model: torch.nn.Module) -> torch.nn.Module:
        """The module inside the one that `prepare` returned."""

    def no_sync(self, model: torch.nn.Module) -> contextlib.AbstractContextManager[Any]:
        """Inside the block, gradients stay in this process."""

    def backward(self, loss: Tensor) -> None:
        """Compute gradients, averaged over the processes."""

    def clip_grad_norm_(self, parameters: Iterable[Tensor], max_norm: float) -> Tensor | None:
        """Scale gradients down to `max_norm`. Returns their norm before clipping, over all processes."""

    def reduce(self, tensor: Tensor, reduction: str = "sum") -> Tensor:
        """The sum of a tensor over the processes."""

    def gather(self, tensor: Tensor) -> Tensor:
        """The tensors of all processes, one after another along the first axis."""

    def wait_for_everyone(self) -> None:
        """Return when every process has called this."""


class OneProcess:
    """Training in this process alone; nothing is wrapped."""

    is_main_process, process_index, num_processes = True, 0, 1
    device = torch.device("cpu")

    def prepare(self, *objects: Any) -> Any:
        return objects if len(objects) != 1 else objects[0]

    def unwrap_model(self, model: torch.nn.Module) -> torch.nn.Module:
        return model

    def no_sync(self, model: torch.nn.Module) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext()

    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def clip_grad_norm_(self, parameters: Iterable[Tensor], max_norm: float) -> Tensor:
        return torch.nn.utils.clip_grad_norm_(parameters, max_norm)

    def reduce(self, tensor: Tensor, reduction: str = "sum") -> Tensor:
        return tensor

    def gather(self, tensor: Tensor) -> Tensor:
        return tensor

    def wait_for_everyone(self) -> None:
        pass


def current_launch(device: str = "cpu", *, unused_weights: bool = False) -> Launch:
    """The processes that this program was started in: an `accelerate.Accelerator` under torchrun, `accelerate launch` or Ray Train, else `OneProcess`.

    These launchers set WORLD_SIZE in the environment to more than 1. If ACCELERATE_USE_FSDP=true is set too, as `accelerate launch --use_fsdp`
    does, the result is a `Sharded`, on CPUs too; accelerate's other settings for FSDP are not read.

    Args:
        device: "cpu", or "cuda": each process then has a GPU of its own.
        unused_weights: whether a batch may leave weights without a gradient; DDP must be told.
    Raises:
        ArgumentError: there are several processes, but accelerate is not installed or the environment does not say which of them this is; or
            WORLD_SIZE is not a number.
    """
    if process_count() < 2:
        return OneProcess()
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
    if missing:
        raise ArgumentError(
            f"the environment says WORLD_SIZE={os.environ['WORLD_SIZE']}, but not which of these processes this is.",
            expected="RANK, LOCAL_RANK, MASTER_ADDR and MASTER_PORT, as torchrun sets them",
            received=f"no {', '.join(missing)}",
            fix="start with torchrun or `accelerate launch`, or unset WORLD_SIZE to train in one process",
        )
    try:
        from accelerate import Accelerator, DistributedDataParallelKwargs
    except ImportError as error:
        raise ArgumentError(
            "this is one of several processes, but accelerate is not installed.", fix="pip install 'tenuto[train]'"
        ) from error
    cpu = torch.device(device).type == "cpu"
    if not torch.distributed.is_initialized():
        importlib.import_module("torch.distributed.nn.functional")  # DDP imports it, and its functions' defaults hold for ever the connection that is there at that time
        atexit.register(_end_processes)
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("1", "true", "yes"):
        from tenuto.train.sharded import Sharded

        return Sharded(device)
    launch = Accelerator(cpu=cpu, kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=unused_weights)])
    _accelerators.add(launch)
    return launch  # type: ignore[return-value]


_accelerators: weakref.WeakSet[Any] = weakref.WeakSet()


def _end_processes() -> None:
    """At the end of a program whose processes were connected here: waits for the threads that serve their calls, and takes the connection down.

    gloo's threads let go of a call's tensors a moment after its result is there. Where Python ends in that moment, the process is aborted ("terminate called without an active exception",
    issue 190489 of pytorch) after a run that went well, and torchrun stops the other processes, which may still be writing their results.
    """
    for launch in tuple(_accelerators):
        launch.free_memory()  # it holds the networks, and these the connection
    gc.collect()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # waits for its threads, if nothing else holds the connection, as caches of FSDP do
    time.sleep(0.1)  # time enough for a thread that only lets go


@in_child
def _leave_processes_alone() -> None:
    """A child has the parent's connection, but not its threads: it would wait for them for ever."""
    atexit.unregister(_end_processes)


def process_count() -> int:
    """How many processes this program was started in, as WORLD_SIZE in the environment says.

    Raises:
        ArgumentError: WORLD_SIZE is not a number.
    """
    said = os.environ.get("WORLD_SIZE") or "1"
    if not said.isdigit():
        raise ArgumentError(f"the environment says WORLD_SIZE={said}.", expected="the number of processes", fix="unset WORLD_SIZE")
    return int(said)


def seed_of(launch: Launch, given: Any) -> int:
    """The seed of a run, the same in all its processes: `given`; if that is a generator of numpy's, a seed that the main process draws from it, and if
    it is None, any seed that the main process draws.

    Raises:
        ArgumentError: it is none of these, or out of range.
    """
    if given is not None and not is_generator(given):
        return drawn_from(given, "random_state")
    drawn = secrets.randbits(31) if given is None else drawn_from(given)
    return int(total(launch, [drawn if launch.is_main_process else 0])[0])


def share_of(launch: Launch, rows: np.ndarray) -> tuple[np.ndarray, int]:
    """This process's rows of a batch that all processes drew alike, and how many of these rows count.

    With n processes each takes every n-th row, so that all have similar lengths. If a batch has fewer rows than there are processes, a process that
    would have none takes the first row, and it does not count: every process must compute something, or the others would wait for it.

    Example:
        >>> share_of(OneProcess(), np.array([4, 8, 1]))
        (array([4, 8, 1]), 3)
    """
    mine = rows[launch.process_index :: launch.num_processes]
    return (mine, len(mine)) if len(mine) else (rows[:1], 0)


def total(launch: Launch, values: Sequence[float]) -> list[float]:
    """Each number summed over the processes; the same list in all of them."""
    if launch.num_processes == 1:
        return list(values)
    return launch.reduce(torch.tensor(values, dtype=torch.float64, device=launch.device), "sum").tolist()


def of_all_processes(launch: Launch, value: Any) -> list[Any]:
    """The value of each process (nested tensors and plain data), in the order of the processes, on the CPU; every process must call this."""
    if launch.num_processes == 1:
        return [value]
    data, tensors = take_apart(value)
    text = save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}, {"data": json.dumps(data)})
    mine = torch.frombuffer(bytearray(text), dtype=torch.uint8).to(launch.device)
    sizes = [int(size) for size in launch.gather(torch.tensor([len(mine)], device=launch.device))]
    padded = torch.nn.functional.pad(mine, (0, max(sizes) - len(mine)))
    rows = launch.gather(padded[None]).cpu()  # [processes, bytes]
    return [_read(bytes(row[:size].numpy())) for row, size in zip(rows, sizes, strict=True)]


def is_lost_process(error: BaseException) -> bool:
    """Whether this is how a collective call fails when another process of the run has gone."""
    words = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "Connection refused", "NCCL", "gloo")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def _read(text: bytes) -> Any:
    length = int.from_bytes(text[:8], "little")
    header = json.loads(text[8 : 8 + length])
    return put_together(json.loads(header["__metadata__"]["data"]), load(text))
