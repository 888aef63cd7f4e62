"""What carries something from step to step beside recurrent layers, and so is in no number of a diagnosis: said in words."""

from __future__ import annotations

from torch import nn

from tenuto.layers import Transformer
from tenuto.layers.memory import ControlledMemory, MemoryEncoder
from tenuto.layers.stacked import Attending


def outside_of(network: nn.Module) -> tuple[str, ...]:
    """A sentence for each part of a network that a diagnosis does not see.

    Example:
        >>> from tenuto import cells
        >>> from tenuto.layers import NTM
        >>> outside_of(NTM(cells.GRU(), 2, 4, rows=4, width=2))[0][:42]
        'the NTM: all numbers are of its controller'
    """
    found = []
    for path, part in network.named_modules():
        name = f"{path} ({type(part).__name__})" if path else f"the {type(part).__name__}"
        if isinstance(part, ControlledMemory):
            found.append(f"{name}: all numbers are of its controller, with what was read of the memory held as an input. What is written and read again later reaches further back than they say.")
        elif isinstance(part, MemoryEncoder):
            found.append(f"{name}: what its memory keeps from step to step is in no number here.")
        elif isinstance(part, (Transformer, Attending)):
            found.append(f"{name}: attention reads steps before directly; that way is in no number here.")
    return tuple(found)
