"""Where training runs: the few calls that differ between one process and many.

The names and signatures are those of `accelerate.Accelerator`, so that one can be passed as it is; by default training is this process.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import torch


class Launch(Protocol):
    """What the loop asks of the place that it runs in."""

    is_main_process: bool

    def prepare(self, *objects: Any) -> Any:
        """Modules and optimisers as they are to be used here; a tuple for more than one."""

    def backward(self, loss: torch.Tensor) -> None:
        """Compute gradients."""

    def clip_grad_norm_(self, parameters: Iterable[torch.Tensor], max_norm: float) -> torch.Tensor | None:
        """Scale gradients down to `max_norm`; returns their norm before, over all processes."""


class OneProcess:
    """This process, one device: nothing is wrapped."""

    is_main_process = True

    def prepare(self, *objects: Any) -> Any:
        return objects if len(objects) != 1 else objects[0]

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()

    def clip_grad_norm_(self, parameters: Iterable[torch.Tensor], max_norm: float) -> torch.Tensor:
        return torch.nn.utils.clip_grad_norm_(parameters, max_norm)
