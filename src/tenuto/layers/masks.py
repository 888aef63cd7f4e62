"""Recurrent dropout and zoneout for any cell: which modifier the cell gets, and the masks drawn for one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tenuto.cell import Cell
from tenuto.cells import RecurrentDropout, Zoneout
from tenuto.choices import did_you_mean, unknown_name
from tenuto.errors import ArgumentError
from tenuto.layers.packed import Packed
from tenuto.scalars import number, whole

KINDS = ("variational", "step")


@dataclass(frozen=True)
class Regularisation:
    """What is dropped inside the time loop.

    Args:
        dropout: the rate at which channels of the first state are dropped on their way into the recurrent products.
        kind: "variational", one mask for the whole sequence, or "step", one for each step.
        zoneout: the rate at which states keep their old value, by state.
    """

    dropout: float
    kind: str
    zoneout: tuple[tuple[str, float], ...]

    @staticmethod
    def of(cell: Cell, dropout: float, kind: str, zoneout: float | Mapping[str, float]) -> Regularisation:
        """The options, checked; a single zoneout rate holds for every state.

        Raises:
            ArgumentError: a rate outside 0..1, an unknown kind or an unknown state.
        """
        states = tuple(cell.widths("state"))
        rates = dict(zoneout) if isinstance(zoneout, Mapping) else dict.fromkeys(states, zoneout)
        check_kind("recurrent_dropout_kind", kind)
        unknown = set(rates) - set(states)
        if unknown:
            wrong = sorted(unknown)[0]
            raise ArgumentError(f"zoneout names the state {wrong!r}.", expected=f"states of {cell!r}: {states}", fix=did_you_mean(wrong, states))
        dropout = check_rate("recurrent_dropout", dropout)
        settled = {name: check_rate(f"zoneout of {name}", rate) for name, rate in rates.items()}
        return Regularisation(dropout, kind, tuple((name, rate) for name, rate in settled.items() if rate > 0))

    def __str__(self) -> str:
        words = [f"recurrent_dropout={self.dropout}"] * (self.dropout > 0)
        words += [f"recurrent_dropout_kind={self.kind!r}"] * (self.dropout > 0 and self.kind != "variational")
        return ", ".join(words + [f"zoneout={dict(self.zoneout)}"] * bool(self.zoneout))

    def modified(self, cell: Cell, training: bool) -> Cell:
        """The cell that runs: dropout only in training; zoneout always, in evaluation as the expected value."""
        if self.dropout > 0 and training:
            cell = RecurrentDropout(cell=cell)
        if self.zoneout:
            cell = Zoneout(cell=cell, zoned=" ".join(name for name, _ in self.zoneout))
        return cell

    def draw(self, states: Sequence[str], sizes: Sequence[int], x: Tensor, batch_size: int, training: bool) -> dict[str, Tensor]:
        """The mask streams for one call on x [T, B, I], or packed [N, I], from torch's default generator (`torch.manual_seed`).

        Args:
            states, sizes: the cell's states and their widths in channels.
        """
        streams: dict[str, Tensor] = {}
        each_step, all_alike = x.shape[:-1], (1, batch_size)
        dtype = torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype
        if self.dropout > 0 and training:
            axes = all_alike if self.kind == "variational" else each_step
            kept = torch.full((*axes, sizes[0]), 1 - self.dropout, dtype=dtype, device=x.device)
            streams["dropout_mask"] = torch.bernoulli(kept) / max(1 - self.dropout, 1e-9)
        for name, rate in self.zoneout:
            shape = (*(each_step if training else all_alike), sizes[states.index(name)])
            rates = torch.full(shape, rate, dtype=dtype, device=x.device)
            streams[f"zoneout_{name}"] = torch.bernoulli(rates) if training else rates
        return streams


def check_rate(name: str, rate: Any) -> float:
    """The rate as a number of Python's; raises ArgumentError if it is not a number from 0 to 1."""
    settled = number(rate)
    if settled is None or not 0 <= settled <= 1:
        raise ArgumentError(f"{name} is {rate!r}.", expected="a rate from 0 to 1")
    return settled


def check_size(name: str, size: Any) -> int:
    """The size as a number of Python's; raises ArgumentError if it is not a positive whole number."""
    settled = whole(size)
    if settled is None or settled < 1:
        raise ArgumentError(f"Recurrent: {name} is {size!r}.", expected="a positive integer")
    return settled


def check_kind(name: str, kind: str) -> str:
    """The kind of a mask; raises ArgumentError if it is unknown."""
    if kind not in KINDS:
        raise unknown_name(f"{name} is {kind!r}.", kind, KINDS)
    return kind


def dropped(x: Tensor, rate: float, kind: str, packed: Packed | None = None) -> Tensor:
    """x [T, B, W] (or the rows [N, W] of `packed`) with entries dropped, and the rest scaled so that the expected value stays the same.

    Args:
        kind: "step" draws new entries at each step; "variational" drops the same ones at all steps of a sequence (Gal & Ghahramani 2016).
    """
    if not rate or kind == "step":
        return torch.nn.functional.dropout(x, rate) if rate else x
    if packed is not None:
        return x * torch.nn.functional.dropout(x.new_ones(packed.batch_size, x.shape[-1]), rate)[packed.sequences()]
    return x * torch.nn.functional.dropout(x.new_ones(1, *x.shape[1:]), rate)
