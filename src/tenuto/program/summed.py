"""Which gates and products a step only ever adds: of `(x.i + U.i @ s.h).sigmoid()`, the gate i and the product i. Together they are one product with x and h side by side."""

from __future__ import annotations

from collections import Counter

from tenuto.program.trace import Traced


def summed(traced: Traced) -> dict[str, str]:
    """The product that is added to each gate, by the gate's name; only where neither is used for anything else, and both are equally wide. Parameters and other values may be added, too.

    Example:
        >>> from tenuto import cells
        >>> from tenuto.program import trace
        >>> summed(trace(cells.LSTM())), summed(trace(cells.GRU()))
        ({'i': 'i', 'f': 'f', 'g': 'g', 'o': 'o'}, {'r': 'r', 'z': 'z'})
    """
    program = traced.forward
    used = Counter(arg for node in program.nodes for arg in node.args) + Counter(number for _, number in program.outputs)

    def inside(number: int) -> list[int]:
        """What is added up in a value: its summands, and theirs."""
        node = program.nodes[number]
        if node.kind != "add":
            return [number]
        return [one for arg in node.args for one in (inside(arg) if used[arg] == 1 else [arg])]

    sums = [inside(number) for number, node in enumerate(program.nodes) if node.kind == "add"]
    found = {}
    for parts in sorted(sums, key=len):  # the whole sum last
        keys = [(program.nodes[part].name, part) for part in parts if used[part] == 1]
        gates = [(name[1], part) for name, part in keys if name is not None and name[0] == "gate"]
        products = [(name[1], part) for name, part in keys if name is not None and name[0] == "product"]
        if len(gates) == len(products) == 1 and program.nodes[gates[0][1]].width == program.nodes[products[0][1]].width:
            found[gates[0][0]] = products[0][0]
        else:
            found = {gate: product for gate, product in found.items() if gate not in dict(gates) and product not in dict(products)}
    return found
