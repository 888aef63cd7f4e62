"""A cell's step and its derivative as one graph, so that a value has one number in both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tenuto.program import Program, Traced
from tenuto.program.graph import Builder, Key, Node


class Union:
    """Both programs of a cell in one list of nodes.

    `forward` and `backward` give the number of each result by key. What reaches a new state from the step after it is the input
    ("d_carry", name); where the state is the output, ("d_output", "output") is added to it. `merged` maps a gate's name to the
    sum of its input projection and its recurrent product, where nothing else reads the two: one column can hold the sum.
    """

    def __init__(self, traced: Traced) -> None:
        self.traced, self._builder = traced, Builder()
        self.nodes: list[Node] = self._builder.nodes
        self.forward = self._take(traced.forward)
        self.backward = self._take(traced.backward)
        self._inputs = {node.name: number for number, node in enumerate(self.nodes) if node.name is not None}
        self.merged = self._merge()

    def _take(self, program: Program) -> dict[Key, int]:
        numbers: list[int] = []
        for node in program.nodes:
            if node.name and node.name[0] == "d_state":
                numbers.append(self._cotangent(node.name[1], node))
            else:
                numbers.append(self._builder.put(replace(node, args=tuple(numbers[a] for a in node.args))))
        return {key: numbers[number] for key, number in program.outputs}

    def _cotangent(self, name: str, node: Node) -> int:
        carried = self._builder.input(("d_carry", name), node.width)
        if name != self.traced.output_state:
            return carried
        output = self._builder.input(("d_output", "output"), node.width)
        return self._builder.apply("add", (carried, output), node.width)

    def input(self, role: str, name: str) -> int | None:
        """The number of an input; None if no program has it."""
        return self._inputs.get((role, name))

    def live(self, roots: Iterable[int], known: Iterable[int] = ()) -> set[int]:
        """The values that are needed to compute `roots`, when `known` are given."""
        found, todo, stop = set[int](), list(roots), set(known)
        while todo:
            number = todo.pop()
            if number not in found:
                found.add(number)
                todo += () if number in stop else self.nodes[number].args
        return found

    def _merge(self) -> dict[str, int]:
        outputs = {*self.forward.values(), *self.backward.values()}
        users: dict[int, set[int]] = {}
        for number in self.live(outputs):
            for arg in self.nodes[number].args:
                users.setdefault(arg, set()).add(number)
        merged = {}
        for name in self.traced.cell.widths("gates"):
            gate, product = self.input("gate", name), self.input("product", name)
            if gate is None or product is None or {gate, product} & outputs or users.get(gate) != users.get(product):
                continue
            if len(users.get(gate, ())) == 1:
                (number,) = users[gate]
                if self.nodes[number].kind == "add" and set(self.nodes[number].args) == {gate, product}:
                    merged[name] = number
        return merged
