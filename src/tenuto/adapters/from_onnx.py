"""LSTM, GRU and RNN of an ONNX graph as layers of ours, with all that their operators may be told.

Letters: D directions, H hidden, I input, G gates.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenuto.adapters.gates import Gates, blocks, recurrent_of
from tenuto.cell import Cell
from tenuto.cells import GRU, LSTM, Elman, PeepholeLSTM, ResetBeforeGRU
from tenuto.errors import ArgumentError, DataError
from tenuto.export.onnx.cells import FUNCTIONS, USUAL, OnnxGRU, OnnxLSTM, OnnxRNN
from tenuto.export.onnx.native import Native, as_native
from tenuto.layers import Recurrent

# Operators that only give values another form; they have no weights, and stand between layers.
PLUMBING = frozenset(
    "Identity Constant ConstantOfShape Squeeze Unsqueeze Transpose Reshape Cast Shape Expand Concat Slice Gather Split Range Where Equal Mul Add Sub Flatten".split()
)
_INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")


def from_graph(source: Any) -> tuple[dict[str, Recurrent], set[str], set[str], list[str]]:
    """The layers by name of their node, the tensors that they are made of, all tensors of numbers, and the operators that are not ours to read.

    Raises:
        DataError: the file is no ONNX model. ArgumentError: onnx is missing, or a node has something that no layer of ours has.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise ArgumentError("an ONNX file is read with the package onnx, which is not installed.", fix="pip install 'tenuto[export]'") from error
    if isinstance(source, (str, Path)):
        try:
            model = onnx.load(str(source))
        except Exception as error:  # protobuf has its own classes
            raise DataError(f"{source} cannot be read: {type(error).__name__}.", expected="an ONNX model", received=str(source)) from error
    else:
        model = source
    tensors = {one.name: torch.from_numpy(np.array(numpy_helper.to_array(one))) for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and any(one.name == "value" for one in node.attribute):
            tensors[node.output[0]] = torch.from_numpy(np.array(numpy_helper.to_array(next(one.t for one in node.attribute if one.name == "value"))))
    found: dict[str, Recurrent] = {}
    read, others = set[str](), list[str]()
    for place, node in enumerate(model.graph.node):
        if node.op_type in USUAL and node.domain in ("", "ai.onnx"):
            attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
            name = node.name or f"{node.op_type}_{place}"
            found[name], names = _layer(name, node.op_type, attributes, dict(zip(_INPUTS, node.input)), tensors)
            read |= names
        elif node.op_type not in PLUMBING:
            others.append(f"{node.op_type} ({node.name or node.output[0]})")
    return found, read, {name for name, value in tensors.items() if value.is_floating_point() and value.numel() > 1}, others


def _layer(name: str, kind: str, attributes: Mapping[str, Any], inputs: Mapping[str, str], tensors: Mapping[str, Tensor]) -> tuple[Recurrent, set[str]]:
    def known(role: str) -> Tensor | None:
        given = inputs.get(role)
        if not given:
            return None
        if given not in tensors and role in ("W", "R", "B", "P"):
            raise ArgumentError(f"the {role} of {name} is computed in the graph.", expected="weights that are in the file", fix="fold the constants of the graph first")
        return tensors.get(given)

    weight, recurrent, bias, peepholes = map(known, ("W", "R", "B", "P"))
    if weight is None or recurrent is None:
        raise ArgumentError(f"{name} has no weights W and R.")
    direction = _text(attributes.get("direction", b"forward"))
    functions = _functions(attributes, kind, len(weight), name)
    cell = _cell(kind, functions, attributes, peepholes)
    form = as_native(cell)
    assert form is not None  # it was chosen to be this operator
    batch_first = bool(attributes.get("layout", 0))
    states = {"h": known("initial_h"), "c": known("initial_c")}
    made: list[Gates] = []
    for number in range(len(weight)):
        own, parameters = {}, {}
        if bias is not None:
            own, parameters = _biases(form, bias[number])
        if peepholes is not None:
            parameters |= dict(zip(form.peepholes, peepholes[number].chunk(3)))
        initial = {state: _same_rows(value[:, number] if batch_first else value[number], name, state) for state, value in states.items() if value is not None and bool(value.any())}
        made.append(Gates(blocks(weight[number], form.gates), blocks(recurrent[number], form.gates), own, parameters, initial))
    read = {inputs[role] for role in _INPUTS if inputs.get(role) in tensors}
    return recurrent_of(cell, [made], reverse=direction == "reverse", batch_first=batch_first), read


def _biases(form: Native, bias: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The biases by gate, and the one inside the reset, where the cell has it."""
    first, second = (blocks(half, form.gates) for half in bias.chunk(2))
    inside = {form.recurrent_bias: second[form.gates[-1]]} if form.recurrent_bias else {}
    return {gate: first[gate] if inside and gate == form.gates[-1] else first[gate] + second[gate] for gate in form.gates}, inside


def _cell(kind: str, functions: tuple[str, ...], attributes: Mapping[str, Any], peepholes: Tensor | None) -> Cell:
    """The cell, one of the zoo where one is enough."""
    clip, usual = float(attributes.get("clip", 0.0)), functions == USUAL[kind]
    cell: Cell
    if kind == "LSTM":
        coupled = bool(attributes.get("input_forget", 0))
        cell = (LSTM() if peepholes is None else PeepholeLSTM()) if usual and not clip and not coupled else OnnxLSTM(f=functions[0], g=functions[1], h=functions[2], clip=clip, input_forget=coupled)
    elif kind == "GRU":
        after = bool(attributes.get("linear_before_reset", 0))
        cell = (GRU() if after else ResetBeforeGRU()) if usual and not clip else OnnxGRU(f=functions[0], g=functions[1], clip=clip, linear_before_reset=after)
    else:
        cell = Elman({"Tanh": "tanh", "Relu": "relu"}[functions[0]]) if functions[0] in ("Tanh", "Relu") and not clip else OnnxRNN(f=functions[0], clip=clip)
    return cell


def _functions(attributes: Mapping[str, Any], kind: str, directions: int, name: str) -> tuple[str, ...]:
    """The activations of both directions, which must be the same, as `cells.parts_of` reads them."""
    count = len(USUAL[kind])
    given = [_text(one) for one in attributes.get("activations", [])] or list(USUAL[kind]) * directions
    known = {function.lower(): function for function in FUNCTIONS}
    strange = [one for one in given if one.lower() not in known]
    if strange or len(given) != count * directions:
        raise ArgumentError(f"{name} has the activations {', '.join(given)}.", expected=f"{count * directions} of " + ", ".join(FUNCTIONS))
    numbers = {said: list(attributes.get(f"activation_{said}", [])) for said in ("alpha", "beta")}
    written = []
    for one in given:
        function = known[one.lower()]
        parts = [function]
        for said, usual in zip(("alpha", "beta"), FUNCTIONS[function][1:]):
            if usual is not None:
                parts.append(repr(float(numbers[said].pop(0))) if numbers[said] else repr(usual))
        written.append(function if function in USUAL[kind] else " ".join(parts))
    both = [tuple(written[place : place + count]) for place in range(0, len(written), count)]
    if len(set(both)) > 1:
        raise ArgumentError(f"{name} has other activations in each direction.", expected="the same in both", fix="split it into two nodes")
    return both[0]


def _same_rows(value: Tensor, name: str, state: str) -> Tensor:
    """The first state, which is the same in every row of the batch."""
    if not bool((value == value[:1]).all()):
        raise ArgumentError(f"the initial_{state} of {name} differs from row to row of its batch.", expected="the same for every row, or an input of the graph")
    return value[0]


def _text(given: Any) -> str:
    return given.decode() if isinstance(given, bytes) else str(given)
