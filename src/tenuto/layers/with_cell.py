"""What every layer with a cell shares: a pickle or a copy of it holds the cell's maths, and is refused where the cell's class has other maths by then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tenuto.cell import Cell
from tenuto.program import handle_of, trace, traced_of
from tenuto.program.identity import require

_MATHS = "maths"


class WithCell:
    """A layer that runs a cell; beside `torch.nn.Module`, before it among the bases.

    What is worked out from the cell (`_remade`) is in no pickle: `_remake` works it out anew.
    """

    cell: Cell
    _handle: str
    _remade: ClassVar[tuple[str, ...]] = ("_handle",)

    def _remake(self) -> None:
        """Sets what follows from the cell, in a new layer and in one that was pickled."""
        self._handle = handle_of(self.cell)

    @property
    def maths(self) -> Mapping[str, Any] | None:
        """The step and derivative that this layer runs, as plain data with a digest (`program.identity`)."""
        return traced_of(self._handle).maths if self._handle else None

    def __getstate__(self) -> dict[str, Any]:
        inherited = getattr(super(), "__getstate__", None)  # torch.nn.RNNBase has one; others since Python 3.11
        state = self.__dict__ if inherited is None else inherited()
        return {**{name: value for name, value in state.items() if name not in self._remade}, _MATHS: self.maths}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        own = dict(state)
        kept = own.pop(_MATHS, None)
        super().__setstate__(own)  # type: ignore[misc]
        if kept is not None:
            name = type(self.cell).__name__
            fix = f"take {name} as it was when the layer was pickled, or make a new layer and train it"
            require(kept, trace(self.cell).maths, name, f"the {type(self).__name__} layer was pickled", fix)
        self._remake()
