"""Cells that are operators of ONNX: LSTM, GRU and RNN with all their attributes, gates mapped by name. (layout=1 is never written: runtimes disagree about it.)

Letters: T time, B batch, H hidden size, G gates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tenuto import cells
from tenuto.cell import Cell
from tenuto.engines.problem import Form
from tenuto.export.onnx.cells import USUAL, OnnxGRU, OnnxLSTM, OnnxRNN, parts_of
from tenuto.export.onnx.scribe import INT, Scribe
from tenuto.program import trace

# Activations of the zoo as ONNX writes them; those that are missing have no operator.
ACTIVATIONS = {
    "tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu", "identity": "Affine 1 0", "elu": "Elu 1", "hard_sigmoid": f"HardSigmoid {1 / 6!r} 0.5",
    "leaky_relu": "LeakyRelu 0.01", "softplus": "Softplus", "softsign": "Softsign",
}  # fmt: skip


@dataclass(frozen=True)
class Native:
    """How a cell is an operator.

    Attributes:
        kind: LSTM, GRU or RNN.
        gates: ONNX's gates in its order: the name of ours, with the sign of its weights; "" for one that is not used.
        activations: f, g, h, as `cells.parts_of` reads them.
        peepholes: our parameters for P, in ONNX's order.
        recurrent_bias: our parameter that is added to U h of the last gate; "" for none.
    """

    kind: str
    gates: tuple[str, ...]
    activations: tuple[str, ...]
    peepholes: tuple[str, ...] = ()
    recurrent_bias: str = ""
    attributes: Mapping[str, int | float] = field(default_factory=dict)


def as_native(cell: Cell) -> Native | None:
    """How the cell is an operator; None where it is none. A cell of one's own is known by its maths and names, not by its class."""
    if cell.heads > 1 or cell.rank is not None:
        return None
    found = _of_zoo(cell)
    if found is None and type(cell).__module__.split(".")[0] != "tenuto":
        program = trace(cell).forward.digest
        for known in (cells.LSTM(), cells.PeepholeLSTM(), cells.CoupledLSTM(), cells.GRU(), cells.ResetBeforeGRU(), cells.Elman(), cells.Elman("relu")):
            if cell.gates == known.gates and cell.state == known.state and trace(known).forward.digest == program:
                return _of_zoo(known)
    return found


def _of_zoo(cell: Cell) -> Native | None:
    bound = float(getattr(cell, "clip", 0.0))
    clip = {"clip": bound} if bound else {}
    if type(cell) is OnnxLSTM:
        coupled = {"input_forget": 1} if cell.input_forget else {}
        return Native("LSTM", ("i", "o", "f", "c"), (cell.f, cell.g, cell.h), ("p_i", "p_o", "p_f"), attributes={**clip, **coupled})
    if type(cell) is OnnxGRU:
        return Native("GRU", ("z", "r", "h"), (cell.f, cell.g), recurrent_bias="recurrent_bias", attributes={**clip, "linear_before_reset": int(cell.linear_before_reset)})
    if type(cell) is OnnxRNN:
        return Native("RNN", ("h",), (cell.f,), attributes=clip)
    a, g = (ACTIVATIONS.get(str(getattr(cell, name, usual))) for name, usual in (("activation", "tanh"), ("recurrent_activation", "sigmoid")))
    if a is None or g is None:
        return None
    if type(cell) is cells.LSTM:
        return Native("LSTM", ("i", "o", "f", "g"), (g, a, a))
    if type(cell) is cells.PeepholeLSTM:
        return Native("LSTM", ("i", "o", "f", "g"), (g, a, a), ("p_i", "p_o", "p_f"))
    if type(cell) is cells.CoupledLSTM:  # i = sigmoid(-f's input) is 1 - f, and then ONNX's f = 1 - i is our f
        return Native("LSTM", ("-f", "o", "", "g"), (g, a, a), attributes={"input_forget": 1})
    if type(cell) is cells.GRU:
        return Native("GRU", ("z", "r", "n"), (g, a), recurrent_bias="recurrent_bias", attributes={"linear_before_reset": 1})
    if type(cell) is cells.ResetBeforeGRU:
        return Native("GRU", ("z", "r", "n"), (g, a), attributes={"linear_before_reset": 0})
    if type(cell) is cells.Elman:
        return Native("RNN", ("h",), (a,))
    return None


def native(scribe: Scribe, form: Form, names: Mapping[str, str], weights: Mapping[str, np.ndarray]) -> list[str] | None:
    """The output [T, B, H] and the final states [B, H] by an operator of ONNX; None where the cell is none.

    Args:
        names, weights: by the engines' names.
    """
    found = as_native(form.cell)
    if found is None:
        return None
    hidden = weights["weight_ih"].shape[0] // form.gates
    ours = list(form.cell.widths("gates"))
    recurrent: dict[str, np.ndarray] = {}
    for stack in form.traced.stacks:
        recurrent.update(zip(stack.products, np.split(weights[f"U.{stack.name}"], len(stack.products)), strict=True))
    inputs = dict(zip(ours, np.split(weights["weight_ih"], len(ours)), strict=True))
    biases = dict(zip(ours, np.split(weights["bias"], len(ours)), strict=True)) if "bias" in weights else {}

    def stacked(of: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
        parts = []
        for gate in found.gates:
            part = of.get(gate.lstrip("-"))
            parts.append(np.zeros(shape, np.float32) if part is None else -part if gate.startswith("-") else part)
        return np.concatenate(parts)

    after = np.zeros((len(found.gates) * hidden,), np.float32)  # the bias of R
    if found.recurrent_bias:
        after[-hidden:] = weights[f"p.{found.recurrent_bias}"]
    x = names["x"]
    lengths = names["lengths"] if form.lengths else scribe.op("Expand", scribe.size(x, 0), scribe.size(x, 1))
    given = [
        x,
        scribe.constant(stacked(inputs, (hidden, weights["weight_ih"].shape[1]))[None]),
        scribe.constant(stacked(recurrent, (hidden, hidden))[None]),
        scribe.constant(np.concatenate([stacked(biases, (hidden,)), after])[None]),
        scribe.op("Cast", lengths, to=6),  # int32
        *(scribe.op("Unsqueeze", names[f"s.{name}"], scribe.whole(0)) for name in form.cell.widths("state")),
    ]
    if found.peepholes and any(weights[f"p.{name}"].any() for name in found.peepholes):
        given.append(scribe.constant(np.concatenate([weights[f"p.{name}"] for name in found.peepholes])[None]))
    output, *final = scribe.ops(found.kind, given, len(given[5:7]) + 1, **_attributes(found, hidden, form.reverse))
    final = [scribe.op("Squeeze", value, scribe.whole(0)) for value in final]
    if form.lengths:  # of a row without steps the state stays as it was; ONNX Runtime 1.32 makes it zeros
        some = scribe.op("Unsqueeze", scribe.op("Greater", lengths, scribe.constant(0, INT)), scribe.whole(1))
        final = [scribe.op("Where", some, value, names[f"s.{name}"]) for name, value in zip(form.cell.widths("state"), final)]
    return [scribe.op("Squeeze", output, scribe.whole(1)), *final]


def _attributes(found: Native, hidden: int, reverse: bool) -> dict[str, object]:
    parts = [parts_of(activation) for activation in found.activations]
    attributes: dict[str, object] = {"hidden_size": hidden, "direction": "reverse" if reverse else "forward", **found.attributes}
    if tuple(name for name, _, _ in parts) != USUAL[found.kind]:
        attributes["activations"] = [name for name, _, _ in parts]
        for place, said in ((1, "activation_alpha"), (2, "activation_beta")):
            numbers = [float(part[place]) for part in parts if part[place] is not None]  # type: ignore[arg-type]
            if numbers:
                attributes[said] = numbers
    return attributes
