"""A graph as an ONNX model: torch's exported program, node by node; what does not depend on what goes in is computed now."""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import Node

from tenuto.engines import autograd
from tenuto.errors import ArgumentError
from tenuto.export.graph import Graph
from tenuto.export.onnx import shapes
from tenuto.export.onnx.loop import Given, loop
from tenuto.export.onnx.operations import OPERATIONS, Call, Name, Size
from tenuto.export.onnx.scribe import Scribe
from tenuto.export.program import program_of, quiet
from tenuto.program import aten

OPSETS = range(17, 23)
IR = {17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10}  # the oldest form of file that may hold an opset; never newer than 10
TYPES = {"float32": 1, "int64": 7, "bool": 9}
_CHECK = "aten._assert_tensor_metadata.default"  # torch's own, of a dtype: nothing reads it
_ARITHMETIC = {operator.add: "add", operator.sub: "sub", operator.mul: "mul", operator.floordiv: "floordiv"}


def printed(graph: Graph, opset: int) -> Any:
    """The ONNX model of a graph.

    Raises:
        ArgumentError: the model computes in float64, or does something that ONNX has no operator for here; names it, and the user's line.
    """
    from onnx import helper, numpy_helper

    wrong = next((port for port in (*graph.reads, *graph.gives) if port.dtype not in TYPES), None)
    if wrong is not None:
        raise ArgumentError(f"{wrong.name} is {wrong.dtype}.", expected="float32, and whole numbers in int64", fix="model.float()")
    scribe = Scribe(opset)
    results = _Printer(scribe, simplified(program_of(graph)), graph).run()
    for port, value in zip(graph.gives, results, strict=True):
        scribe.nodes.append(helper.make_node("Identity", [value], [port.name], name=f"gives_{port.name}"))
    used = {name for node in scribe.nodes for name in _read_by(node)}
    info = lambda port: helper.make_tensor_value_info(port.name, TYPES[port.dtype], list(port.axes))  # noqa: E731
    made = helper.make_graph(
        scribe.nodes, graph.name, [info(port) for port in graph.reads], [info(port) for port in graph.gives],
        [numpy_helper.from_array(value, name) for name, value in scribe.constants.items() if name in used],
    )  # fmt: skip
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR[opset], producer_name="tenuto")
    helper.set_model_props(model, {"tenuto": json.dumps(graph.to_data())})
    return model


def _read_by(node: Any) -> set[str]:
    """What a node and the bodies in it read."""
    inside = [name for attribute in node.attribute if attribute.HasField("g") for one in attribute.g.node for name in _read_by(one)]
    inside += [value.name for attribute in node.attribute if attribute.HasField("g") for value in attribute.g.output]
    return {*node.input, *inside}


def simplified(program: ExportedProgram) -> ExportedProgram:
    """The program in operations of the table, as far as torch knows how. (It writes the whole program anew, which takes most of an export's time: only where it must.)"""
    if all(node.op != "call_function" or _written(node) for node in program.graph.nodes):
        return program
    table = torch.export.default_decompositions()
    table.update(aten.decompositions())
    for operation in list(table.keys()):
        if _name_of(operation) in OPERATIONS:
            table.pop(operation)
    with quiet():
        return program.run_decompositions(table)


def _name_of(target: Any) -> str:
    return str(target).removeprefix("aten.").removeprefix("<OpOverload(op='")


def _written(node: Node) -> bool:
    """Whether a call is written as it is, or is of no consequence."""
    name = str(node.target)
    return node.target is operator.getitem or node.target in _ARITHMETIC or _name_of(node.target) in OPERATIONS or name in ("aten.sym_size.int", "tenuto.loop.default", _CHECK)


class _Printer:
    def __init__(self, scribe: Scribe, program: ExportedProgram, graph: Graph) -> None:
        self.scribe, self.program, self.graph = scribe, program, graph
        self.known: dict[Node, Tensor] = {}  # values that do not depend on what goes in
        self.names: dict[Node, Any] = {}  # names, sizes, or lists of names
        self._constant_names: dict[Node, Name] = {}

    def run(self) -> list[str]:
        """The names of the results."""
        signature, ports = self.program.graph_signature, iter(self.graph.reads)
        held: Mapping[str, Any] = {**signature.inputs_to_parameters, **signature.inputs_to_buffers, **signature.inputs_to_lifted_tensor_constants}
        nodes = list(self.program.graph.nodes)
        needed = _needed(nodes)
        for node in nodes:
            if node.op == "placeholder":
                if node.name in held:
                    self.known[node] = self._held(held[node.name])
                else:
                    self.names[node] = Name(next(ports).name)
            elif node.op == "call_function" and node in needed:
                self._call(node)
        (results,) = nodes[-1].args
        return [self._name(value) for value in results]

    def _held(self, name: str) -> Tensor:
        found = self.program.state_dict.get(name)
        return (self.program.constants[name] if found is None else found).detach()

    def _call(self, node: Node) -> None:
        args, options = node.args, {key: value for key, value in node.kwargs.items() if key not in ("device", "layout", "pin_memory", "memory_format", "dtype")}
        if node.target is operator.getitem:
            source, place = node.args
            if source in self.known:
                self.known[node] = self.known[source][place]  # type: ignore[index]
            else:
                self.names[node] = self.names[source][place]  # type: ignore[index]
        elif str(node.target) == "aten.sym_size.int":
            self.names[node] = Size(self.scribe.size(self._name(args[0]), args[1]))  # type: ignore[arg-type]
        elif node.target in _ARITHMETIC:
            self.names[node] = shapes.of_sizes(self.scribe, _ARITHMETIC[node.target], *(self._argument(arg) for arg in args))  # type: ignore[index]
        elif str(node.target) == "tenuto.loop.default":
            self._loop(node)
        elif all(arg in self.known for arg in node.all_input_nodes) and _fixed(node):
            self.known[node] = self._computed(node)
        else:
            self._operation(node, args, options)

    def _computed(self, node: Node) -> Any:
        values = lambda given: torch.fx.map_arg(given, lambda one: self.known[one])  # noqa: E731
        with torch.no_grad():
            return node.target(*values(node.args), **values(node.kwargs))  # type: ignore[operator]

    def _operation(self, node: Node, args: Any, options: Any) -> None:
        name = _name_of(node.target)
        write = OPERATIONS.get(name)
        if write is None:
            raise self._refused(node, f"the model calls {name.partition('.')[0]}, which cannot be written in ONNX here.")
        tensors = [one for one in node.all_input_nodes if isinstance(one.meta.get("val"), Tensor)]
        named = {self._name(one): one.meta["val"] for one in tensors}
        call = Call(self.scribe, {key: value.dtype for key, value in named.items()}, {key: value.dim() for key, value in named.items()}, node.meta["val"])
        try:
            found = write(call, *(self._argument(arg) for arg in args), **{key: self._argument(value) for key, value in options.items()})
        except ArgumentError as error:
            raise error.at(_place(node)) from None
        except TypeError as error:
            raise self._refused(node, f"the model calls {name} in a way that cannot be written in ONNX here: {error}.") from error
        self.names[node] = [Name(one) for one in found] if isinstance(found, list) else Name(found)

    def _loop(self, node: Node) -> None:
        key, tensors = node.args
        form, _ = autograd.read(key)  # type: ignore[arg-type]
        inputs = {
            name: Given("" if one in self.known and name in ("weight_ih", "bias") or name[:2] in ("U.", "p.") else self._name(one), self.known[one].numpy() if one in self.known else None)
            for name, one in zip(form.names, tensors, strict=True)  # type: ignore[arg-type]
        }  # fmt: skip
        steps = tensors[form.names.index("x")].meta["val"].shape[0]  # type: ignore[index, union-attr]
        self.names[node] = [Name(one) for one in loop(self.scribe, form, inputs, isinstance(steps, int) and steps == 1)]

    def _argument(self, value: Any) -> Any:
        if isinstance(value, Node):
            return self.names[value] if value in self.names else self._name(value)
        return [self._argument(one) for one in value] if isinstance(value, (list, tuple)) else value

    def _name(self, value: Any) -> Name:
        if value in self.names:
            return self.names[value]  # type: ignore[no-any-return]
        if value not in self._constant_names:
            array = self.known[value].contiguous().numpy()
            self._constant_names[value] = Name(self.scribe.constant(array, np.dtype(array.dtype)))
        return self._constant_names[value]

    def _refused(self, node: Node, what: str) -> ArgumentError:
        return ArgumentError(what, expected="operations of the table in tenuto.export.onnx", fix="write it with others, or --to torch").at(_place(node))


def _fixed(node: Node) -> bool:
    """Whether a node's result has one size for ever."""
    value = node.meta.get("val")
    parts = value if isinstance(value, (list, tuple)) else [value]
    return all(isinstance(part, Tensor) and all(isinstance(size, int) for size in part.shape) for part in parts)


def _needed(nodes: list[Node]) -> set[Node]:
    found, todo = set[Node](), list(nodes[-1].all_input_nodes)
    while todo:
        node = todo.pop()
        if node not in found:
            found.add(node)
            todo += node.all_input_nodes
    return found


def _place(node: Node) -> str:
    """The line of the user's code that a node comes from, as messages say it."""
    lines = [line.strip() for line in str(node.meta.get("stack_trace") or "").splitlines() if line.strip().startswith("File ")]
    return lines[-1] if lines else ""
