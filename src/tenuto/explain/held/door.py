"""`states`: the public call. A model is run as it is, and heard; what its recurrent layers did is run once more, step by step.

Letters: T time, B batch, F what the model reads at a step, I what a layer reads, K outputs, S steps of the answer, D all states of a layer together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.errors import ArgumentError, ShapeError, TenutoError
from tenuto.explain.call import subject_of
from tenuto.explain.held.fixed_points import FixedPoints, fixed_points_of
from tenuto.explain.held.gates import gates_of
from tenuto.explain.held.held import Held, HeldLayer
from tenuto.explain.held.listening import Call, Listening, joined
from tenuto.explain.held.steps import StepMap, steps_of
from tenuto.explain.methods import is_count, require
from tenuto.explain.subject import Posed, Subject, require_same_answer, require_width
from tenuto.tasks.estimator import Estimator

MOST_VISITED = 20_000  # states of the data that a fixed point's distance is measured to


def states(
    model: Estimator | nn.Module,
    data: Any,
    *,
    answers: Sequence[Any] | None = None,
    fixed_points: bool = False,
    constant: Any = None,
    starts: int = 32,
    tolerance: float = 1e-12,
    lengths: Any = None,
    state: Any = None,
    batch_first: bool | None = None,
) -> Held:
    """What the recurrent layers of a model hold while it reads the data: states, gates, what their units stand for, paths, and points of rest.

    Nothing is changed on the model, for no moment. Layers are the library's, with any cell, and torch's own; padding counts nowhere.

    Args:
        model, data, lengths, state, batch_first: as `tenuto.explain` takes them.
        answers: one for each item, by which units are told apart. None: what the model predicts, for each item or at each step.
        fixed_points: whether to look for the points where each layer would rest if its input stayed the same; with `constant` they are looked for, too.
        constant: this input. None: what stands for nothing to read; where only the user can know that (a module), the mean of what the layer itself
            read. Or "zero", "mean", or one step [F] that the model reads. Of a model with several layers each layer is given what it reads at its last step while
            the model reads "nothing", or the step [F], throughout.
        starts: from how many states of the data the search begins. tolerance: how large q = |F(s) - s|^2 / 2 may be at a fixed point.
    Raises:
        ArgumentError: the model has no recurrent layer, is in training mode, or answers the same input differently; an argument is not known.
        ShapeError: the constant input has another number of features, or the data does not fit the model.
    Example:
        >>> from tenuto.cells import GRU
        >>> from tenuto.layers import Recurrent
        >>> held = states(Recurrent(GRU(), 2, 3).eval(), torch.ones(4, 1, 2))
        >>> held[0].states["h"][0].shape, list(held[0].gates)
        ((4, 3), ['r', 'z', 'n'])
    """
    try:
        require("starts", starts, is_count(starts), "a whole number from 1")
        require("tolerance", tolerance, isinstance(tolerance, (int, float)) and tolerance > 0, "a number above 0, such as 1e-12")
        with torch.inference_mode(False), torch.no_grad():
            subject = subject_of(model, data, {"lengths": lengths, "state": state, "batch_first": batch_first})
            network = model.network_ if isinstance(model, Estimator) else model
            return _states(subject, network, answers, Constant(constant) if fixed_points or constant is not None else None, starts, tolerance)
    except TenutoError as error:
        raise error.within("states") from error.__cause__


class Constant:
    """The input that stays the same: "nothing", "zero", "mean", or one step [F].

    Raises:
        ArgumentError: it is none of these.
    """

    def __init__(self, given: Any) -> None:
        self.given = given
        if not (given is None or (isinstance(given, str) and given in ("zero", "mean"))):
            try:
                self.given = torch.as_tensor(np.asarray(given, dtype=np.float64) if not isinstance(given, Tensor) else given)
            except (TypeError, ValueError):
                raise ArgumentError(f"constant={given!r} is not known.", expected='None, "zero", "mean", or one step [F] of numbers') from None
            if self.given.dim() != 1:
                raise ShapeError("constant has the wrong shape.", expected="one step [F]", received=f"{list(self.given.shape)}")

    def throughout(self, posed: Posed) -> tuple[Tensor | None, str]:
        """[T, 1, F], what the model is to read all the time, in place of its longest item; None where each layer is given an input of its own. And in words."""
        steps, width, row = len(posed.x), posed.x.shape[-1], _longest(posed)
        if isinstance(self.given, Tensor):
            require_width(len(self.given), width, "constant")
            return self.given.to(posed.x)[None, None].expand(steps, 1, width).contiguous(), "the step that was given"
        nothing = posed.nothing() if self.given is None else None
        return (None, "") if nothing is None else (nothing[:, [row]], "nothing to read")

    @property
    def zero(self) -> bool:
        """Whether each layer reads zeros."""
        return isinstance(self.given, str) and self.given == "zero"


@dataclass
class _Gathered:
    """What is known of one layer so far, item by item; `visited`: its states [n, D], those before the first step first."""

    call: Call
    output: list[np.ndarray] = field(default_factory=list)
    states: dict[str, list[np.ndarray]] = field(default_factory=dict)
    gates: dict[str, list[np.ndarray]] = field(default_factory=dict)
    read: list[np.ndarray] = field(default_factory=list)
    begun: list[np.ndarray] = field(default_factory=list)


def _states(subject: Subject, network: nn.Module, given: Any, constant: Constant | None, starts: int, tolerance: float) -> Held:
    gathered: dict[str, _Gathered] = {}
    names, x, words, answers, left = list[str](), list[np.ndarray](), list[list[str]](), list[list[str]](), dict[str, None]()
    asked: Posed | None = None
    for posed in subject.batches():
        if asked is None:
            require_same_answer(posed)
        asked = posed if asked is None or max(posed.lengths) > max(asked.lengths) else asked
        raw, runs = _run(posed, network)
        for calls, rows in runs:
            for call in joined(calls):
                if call[0].rows != len(rows):
                    left[call[0].name] = None
                    continue
                _gather(gathered.setdefault(call[0].name, _Gathered(call[0])), call, posed, rows)
        names += posed.names
        x += [_array(posed.x[: length, row]) for row, length in enumerate(posed.lengths)]
        words += posed.words or []
        answers += _answers(posed, raw, subject)
    whole = {name: one for name, one in gathered.items() if len(one.output) == len(names)}
    left |= dict.fromkeys(name for name in gathered if name not in whole)
    if asked is None:
        raise ArgumentError("there is nothing to read.", expected="one item or more", received="no items")
    if not whole:
        raise _nothing_heard(network, list(left))
    if given is not None:
        given = given.tolist() if isinstance(given, (np.ndarray, Tensor)) else list(given)
        if len(given) != len(names):
            raise ArgumentError(f"there are {len(given)} answers and {len(names)} items.", expected="one for each item", fix="a list as long as the data")
        answers = [[str(answer)] for answer in given]
    points = {} if constant is None else _rests(whole, asked, network, constant, starts, tolerance)
    layers = tuple(_layer(name, one, points.get(name)) for name, one in whole.items())
    told = ("the answers that were given" if given is not None else "what the model predicts") if len(answers) == len(names) else ""
    notes = tuple(f"{name} is left out: it does not run one sequence for each item." for name in left)
    return Held(layers, tuple(names), tuple(subject.inputs), x, words if len(words) == len(names) else None, answers if told else None, told, notes)


def _run(posed: Posed, network: nn.Module, x: Tensor | None = None, rows: Tensor | None = None) -> tuple[Any, list[tuple[list[Call], list[int]]]]:
    """The raw answer, and what was heard: all rows together, or each alone where the model packs them in an order of its own."""
    x = posed.x if x is None else x
    rows = torch.arange(x.shape[1], device=x.device) if rows is None else rows
    with Listening(network) as heard:
        raw = posed.run(x, rows)
    if not any(call.packed for call in heard.calls):
        return raw, [([call.unpacked() for call in heard.calls], rows.tolist())]
    runs = []
    for place, row in enumerate(rows.tolist()):
        with Listening(network) as heard:
            posed.run(x[:, [place]], rows[[place]])
        runs.append(([call.unpacked() for call in heard.calls], [row]))
    return raw, runs


def _gather(into: _Gathered, calls: list[Call], posed: Posed, rows: list[int]) -> None:
    """Adds the rows of a layer's calls, each as long as it is."""
    found = [steps_of(call) for call in calls]
    output, read = (torch.cat([one(call) for call in calls]) for one in (lambda call: call.output, lambda call: call.inputs["x"]))
    for place, row in enumerate(rows):
        live = slice(0, _length(calls, posed, place, row, len(output)))
        into.output.append(_array(output[live, place]))
        into.read.append(_array(read[live, place]))
        for kind, values in (("states", [one.states for one in found]), ("gates", [one.gates for one in found])):
            for name in values[0]:
                getattr(into, kind).setdefault(name, []).append(_array(torch.cat([one[name] for one in values])[live, place]))
        into.begun.append(np.concatenate([_array(calls[0].inputs[f"s.{name}"][place]) for name in into.states]))


def _length(calls: list[Call], posed: Posed, place: int, row: int, steps: int) -> int:
    """How many steps of a row are no padding, as the layer was told, or else as the model's input and answer have them."""
    if len(calls) == 1 and calls[0].form.lengths and "lengths" in calls[0].inputs:
        return int(calls[0].inputs["lengths"][place])
    if steps == len(posed.x):
        return posed.lengths[row]
    if posed.answer_lengths is not None and steps == max(posed.answer_lengths):
        return posed.answer_lengths[row]
    return steps


def _layer(name: str, one: _Gathered, points: FixedPoints | None) -> HeldLayer:
    traced = one.call.form.traced
    ranges = {gate.name: (gate.low, gate.high) for gate in gates_of(traced)}
    return HeldLayer(name, repr(one.call.form.cell), one.call.form.reverse, traced.output_state, one.output, one.states, one.gates, ranges, one.read, points)


def _answers(posed: Posed, raw: Any, subject: Subject) -> list[list[str]]:
    """What is predicted of each row, or at each step of it; nothing where there are no outputs to choose from."""
    try:
        scores = posed.scores(raw)
    except ShapeError:
        return []
    if scores.shape[-1] < 2 or scores.shape[-2] != len(posed.names):
        return []
    named = [str(output) for output in subject.outputs] or [str(number) for number in range(scores.shape[-1])]
    best = scores.argmax(-1)
    if best.dim() == 1:
        return [[named[int(place)]] for place in best]
    lengths = posed.answer_lengths or [len(best)] * best.shape[1]
    return [[named[int(place)] for place in best[:length, row]] for row, length in enumerate(lengths)]


def _rests(whole: dict[str, _Gathered], posed: Posed, network: nn.Module, constant: Constant, starts: int, tolerance: float) -> dict[str, FixedPoints]:
    """The fixed points of each layer."""
    x, said = constant.throughout(posed)
    heard: dict[str, list[Call]] = {}
    if x is not None:
        row = torch.tensor([_longest(posed)], device=posed.x.device)
        _, runs = _run(posed, network, x, row)
        heard = {run[0].name: run for run in joined(runs[0][0])}
    found = {}
    for name, one in whole.items():
        device = one.call.inputs["x"].device
        if name in heard and heard[name][0].rows == 1:
            last = heard[name][-1]
            steps = int(last.inputs["lengths"][0]) if "lengths" in last.inputs else len(last.inputs["x"])
            read, words = last.inputs["x"][0 if last.form.reverse else steps - 1, 0], f"what this layer reads at its last step while the model has {said}"
        elif constant.zero:
            read, words = torch.zeros(one.read[0].shape[1], device=device), "zeros"
        else:
            read, words = torch.as_tensor(np.concatenate(one.read).astype(np.float64).mean(0), device=device), "the mean of all that this layer read"
        each = [torch.as_tensor(np.concatenate([values[item] for values in one.states.values()], axis=1)) for item in range(len(one.output))]
        visited = torch.cat([torch.as_tensor(np.stack(one.begun)), *each]).to(device)
        visited = visited[torch.linspace(0, len(visited) - 1, min(MOST_VISITED, len(visited)), dtype=torch.float64).round().long()]
        found[name] = fixed_points_of(StepMap(one.call, read.detach(), _streams(one.call)), words, visited, starts, tolerance)
    return found


def _streams(call: Call) -> dict[str, Tensor]:
    """The cell's streams as they are at the first row's last step."""
    return {name: call.inputs[f"stream.{name}"][-1, 0] for name in call.form.cell.widths("streams")}


def _longest(posed: Posed) -> int:
    return int(np.argmax(posed.lengths))


def _array(values: Tensor) -> np.ndarray:
    found: np.ndarray = values.detach().float().cpu().numpy() if values.dtype.itemsize == 2 else values.detach().cpu().numpy()
    return found.copy()


def _nothing_heard(network: nn.Module, left: list[str]) -> ArgumentError:
    if left:
        return ArgumentError(
            f"{left[0]} does not run one sequence for each item.", expected="a recurrent layer whose batch is the batch of the model", received=", ".join(left)[:200],
            fix="call it on the recurrent part of the model, with the sequences that this reads",
        )  # fmt: skip
    return ArgumentError(
        f"{type(network).__name__} ran no recurrent layer.", expected="a model with a layer of tenuto's, or torch.nn.LSTM, GRU, RNN or a cell of these",
        fix="states are held by recurrent layers; tenuto.explain says of any model what it looked at",
    )  # fmt: skip
