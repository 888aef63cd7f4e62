"""How weights start: the field's initialisers, by gate name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.choices import unknown_name
from tenuto.errors import ArgumentError
from tenuto.scalars import number, whole

N = TypeVar("N", bound=nn.Module)
_INPUT = ("glorot", "uniform", "normal")
_RECURRENT = ("orthogonal", "identity", "glorot", "uniform", "normal")


@dataclass(frozen=True)
class Init:
    """How the weights of a recurrent layer start.

    Args:
        weight_ih: "glorot" (Glorot & Bengio 2010, eq. 16, per gate), "uniform" (torch.nn's, ± 1 / sqrt(H)), "normal" (sd 0.01).
        weight_hh: "orthogonal" per gate and block (Saxe, McClelland, Ganguli 2014; real unitary matrices are the orthogonal ones), "identity" (for relu: Le, Jaitly, Hinton
            2015), "glorot", "uniform", "normal".
        forget_bias: what the bias of a gate called f starts at, in a cell with a state c (Gers et al. 2000; Jozefowicz et al. 2015: 1).
        longest: the longest dependency in steps, T: chrono initialisation, forget bias log(uniform(1, T - 1)) and the
            opposite in a gate called i; a GRU's z gets the forget bias (Tallec & Ollivier 2018, eq. 16). None: not chrono.
    """

    weight_ih: str = "glorot"
    weight_hh: str = "orthogonal"
    forget_bias: float = 1.0
    longest: int | None = None

    def __post_init__(self) -> None:
        for name, known in (("weight_ih", _INPUT), ("weight_hh", _RECURRENT)):
            if getattr(self, name) not in known:
                raise unknown_name(f"Init: {name} is {getattr(self, name)!r}.", getattr(self, name), known)
        bias, longest = number(self.forget_bias), whole(self.longest)
        if bias is None:
            raise ArgumentError(f"Init: forget_bias is {self.forget_bias}.", expected="a finite number, for example 0 or 1")
        if self.longest is not None and (longest is None or longest < 3):
            raise ArgumentError(f"Init: longest is {self.longest}.", expected="a number of steps, at least 3")
        object.__setattr__(self, "forget_bias", bias)
        object.__setattr__(self, "longest", longest)

    def start_input(self, weight: Tensor, gates: int) -> None:
        """Fills weight_ih [G * H, I]."""
        for block in weight.chunk(gates):
            _fill(self.weight_ih, block, block.shape[0])

    def start_product(self, weight: Tensor, heads: int, hidden_size: int) -> None:
        """Fills the recurrent matrix of one gate or product, [out, in / heads], block by block."""
        for block in weight.chunk(heads):
            _fill(self.weight_hh, block, hidden_size)

    def start_bias(self, bias: Tensor, cell: Cell) -> None:
        """Fills bias [G * H]: zeros, except for the gates that forget."""
        gates = tuple(cell.widths("gates"))
        bias.zero_()
        blocks = dict(zip(gates, bias.chunk(len(gates)), strict=True))
        if self.longest is None:
            if "f" in blocks and "c" in cell.widths("state"):
                blocks["f"].fill_(self.forget_bias)
            return
        spread = torch.empty_like(bias[: bias.shape[0] // len(gates)]).uniform_(1, self.longest - 1).log_()
        for name in ("f", "z"):
            if name in blocks:
                blocks[name].copy_(spread)
        if "i" in blocks and "f" in blocks:
            blocks["i"].copy_(-spread)


def begun(module: N, init: Init) -> N:
    """The module, with the weights of those of its recurrent layers drawn anew that do not start as `init` says."""
    parts: list[Any] = [part for part in module.modules() if isinstance(getattr(part, "init", None), Init)]
    for part in parts:
        if part.init != init:
            part.init = init
            part.reset_parameters()
    return module


def _fill(how: str, block: Tensor, hidden_size: int) -> None:
    if block.numel() == 0:
        return
    if block.dtype in (torch.float16, torch.bfloat16):  # torch has no 16-bit QR: drawn in float32, then rounded
        wide = block.float()
        _fill(how, wide, hidden_size)
        block.copy_(wide)
        return
    if how == "glorot":
        torch.nn.init.xavier_uniform_(block)
    elif how == "orthogonal":
        torch.nn.init.orthogonal_(block)
    elif how == "identity":
        torch.nn.init.eye_(block)
    elif how == "uniform":
        torch.nn.init.uniform_(block, -(hidden_size**-0.5), hidden_size**-0.5)
    else:
        torch.nn.init.normal_(block, std=0.01)
