"""Backgrounds: what stands where something is left out.

    None       what the task says stands for nothing: zeros for standardised channels (their means), the unknown word, the mean of all symbols. A torch module has no such thing
    "zero"     zeros
    "mean"     the mean of the item's own steps
    data       other items, as the model takes them; then a value is the mean over them. One that is too long is cut, one that is too short begins again
    [F]        one step, repeated
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenuto.choices import unknown_name
from tenuto.errors import ArgumentError
from tenuto.explain.subject import Posed, Subject, require_width

KINDS = ("zero", "mean")


class Background:
    """What stands where something is left out, for every item.

    Args:
        given: as above. subject: what is explained.
    Raises:
        ArgumentError: a kind that is not known. ShapeError: another number of features than the model reads.
    """

    def __init__(self, given: Any, subject: Subject) -> None:
        self._kind: str | None = None
        self._items: list[Tensor] = []
        self.said = "what the task reads as nothing"
        if given is None or isinstance(given, str) and given in KINDS:
            self._kind = given
            self.said = {"zero": "zeros", "mean": "the mean of the item's own steps"}.get(given or "", self.said)
            return
        if isinstance(given, str):
            raise unknown_name(f"background={given!r} is not known.", given, KINDS, fix="give other data of the same kind")
        vector = isinstance(given, (Tensor, np.ndarray)) and given.ndim == 1 and (given.is_floating_point() if isinstance(given, Tensor) else given.dtype.kind == "f")
        if vector:
            self._items = [torch.as_tensor(given)[None]]
            self.said = "one step, repeated"
            return
        for posed in subject.others(given):
            self._items += [posed.x[:length, row] for row, length in enumerate(posed.lengths)]
        self.said = f"{len(self._items)} items of a background" if len(self._items) > 1 else "one item as background"

    @property
    def several(self) -> bool:
        """Whether there is more than one reference, so that values are means over them."""
        return len(self._items) > 1

    @property
    def items(self) -> list[Tensor]:
        """The items of a background that is data, [T_i, F] each."""
        return self._items

    def known(self, posed: Posed) -> bool:
        """Whether something stands where something is left out."""
        return bool(self._items) or self._kind is not None or posed.nothing() is not None

    def of(self, posed: Posed, row: int) -> Tensor:
        """The references of a row: [R, T_i, F].

        Raises:
            ArgumentError: there is none, since only the user can know what stands for nothing in a torch module.
        """
        x = posed.x[: posed.lengths[row], row]
        if self._items:
            for item in self._items:
                require_width(item.shape[-1], x.shape[-1], "the background")
            places = torch.arange(len(x))
            return torch.stack([item.to(x)[places % len(item)] for item in self._items])
        if self._kind == "zero":
            return torch.zeros_like(x)[None]
        if self._kind == "mean":
            return x.mean(0).expand_as(x)[None]
        nothing = posed.nothing()
        if nothing is None:
            raise ArgumentError(
                "this method compares with a background, and a torch module does not say what stands for nothing.", expected="background=",
                fix='background= other inputs of the model, "mean", or "zero" where zero means that nothing is there',
            )  # fmt: skip
        return nothing[: posed.lengths[row], row][None]
