"""The steps of an encoder with a memory, compiled: what `ControlledMemory` does in torch, forward and backward by hand.

A step is the controller's (one call of the compiled engine for each of its layers), one product for what it says, and one call of a kernel for what the heads do (`engines.cpp.access`).
On the way back a step gives gradients of what it read alone. Those of the weights are worked out at the end, for all steps at once: to a weight, a step is a row.
Where this cannot run, torch's own operations do (`memory.py`); a further derivative is always theirs.

Letters: T time, B batch, I input, H width of the controller's output, R vectors read, M their width, S how many numbers are said, W a state's width, L layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from tenuto import engines
from tenuto.engines import Form, Problem, autograd, members, reference
from tenuto.engines.cpp import Cpp, access, memory, pool
from tenuto.engines.problem import Result
from tenuto.errors import EngineError
from tenuto.layers.functional import bind
from tenuto.layers.recurrent import Recurrent
from tenuto.layers.stack import Direction
from tenuto.layers.time_steps import in_steps
from tenuto.program import traced_of

if TYPE_CHECKING:
    from tenuto.layers.memory import ControlledMemory  # which imports this

_Step = TypeVar("_Step")
READS = 1  # the place of the vectors read in a state


def obstacle(model: ControlledMemory, given: Sequence[Tensor]) -> str:
    """Why the steps of these tensors, x first, are torch's; "" if they are compiled."""
    x, parts = given[0], (model.controller, model.interface, model.interface.project)
    if torch.compiler.is_compiling():
        return "a graph is made of torch's own operations"
    if engines.wanted(model.controller.engine) not in ("auto", "cpp"):
        return f"the engine {engines.wanted(model.controller.engine)!r} was asked for"
    if x.device.type != "cpu" or not autograd.ordinary(given) or autograd.by_operations(given) or torch._C._len_torch_function_stack():
        return "torch's own operations are asked for, by a device, a transform or somebody who listens"
    if any(tensor.dtype != x.dtype for tensor in given) or autograd.autocast(x.device):
        return "kernels are for float32 or float64, all of one kind"
    if type(model.controller) is not Recurrent or type(model.interface.project) is not nn.Linear or any(part._forward_hooks or part._forward_pre_hooks for part in parts):
        return "the controller, or what it says, has been replaced or is listened to"
    return access.obstacle(model.heads().kernel, x.dtype)


def given_by(model: ControlledMemory, x: Tensor, state: Any, first: Any = None) -> tuple[list[Tensor], list[Direction]]:
    """All tensors of a call, in the order of `Plan.split`: x [T, B, I], those of the state, and of that to which resets return, and weights; and the controller's layers."""
    directions = model.controller.open_directions(x[0])
    states = [tensor for each in (state, first) if each is not None for tensor in (*each[:-1], *each[-1])]
    project = model.interface.project
    return [x, *states, project.weight, project.bias, *(weight for direction in directions for weight in direction.weights.values())], directions


class Layer(NamedTuple):
    """One layer of the controller: its form, its engine, the names of its weights and of its states."""

    handle: str
    form: Form
    engine: Cpp
    weights: tuple[str, ...]
    states: tuple[str, ...]

    def held(self, stack: ExitStack, open_: Callable[[Form, dict[str, Tensor]], _Step], inputs: dict[str, Tensor]) -> _Step:
        """A step with these weights, which is closed with the stack."""
        step = open_(self.form, inputs)
        stack.callback(step.close)  # type: ignore[attr-defined]
        return step

    def inputs(self, weights: Sequence[Tensor], x: Tensor, states: Sequence[Tensor] = ()) -> dict[str, Tensor]:
        """x [B, I] and states [B, W] as the inputs of one step, by the engines' names."""
        return {"x": x[None], **dict(zip(self.weights, weights)), **dict(zip(self.states, states))}


class Plan(NamedTuple):
    """One call. parts: how many tensors of a state are not the controller's; live, resets: [T, B] bool, or None; even: at so many first steps all rows are live; marked: whether any is reset, by step."""

    model: ControlledMemory
    layers: tuple[Layer, ...]
    heads: access.Heads
    parts: int
    live: Tensor | None
    even: int
    resets: Tensor | None
    marked: Sequence[bool]

    def split(self, flat: Sequence[Tensor]) -> tuple[Tensor, list[Tensor], list[Tensor], list[Tensor], list[Tensor], list[Tensor], list[list[Tensor]]]:
        """x; the parts of the state; the controller's states; both that resets return to; weight and bias of the interface; the weights of each layer."""
        rest = iter(flat)
        take = lambda count: [next(rest) for _ in range(count)]  # noqa: E731
        states = len(self.layers[0].states)
        x, parts, control = next(rest), take(self.parts), take(states)
        first, to = (take(self.parts), take(states)) if self.resets is not None else ([], [])
        return x, parts, control, first, to, take(2), [take(len(layer.weights)) for layer in self.layers]

    def live_at(self, t: int) -> Tensor | None:
        return None if self.live is None or t < self.even else self.live[t]

    def resets_at(self, t: int) -> Tensor | None:
        return self.resets[t] if self.resets is not None and self.marked[t] else None


def run(model: ControlledMemory, x: Tensor, state: Any, first: Any, live: Tensor | None, even: int, resets: Tensor | None) -> tuple[Tensor, Any] | None:
    """Output [T, B, H + R * M] and the state after the last step; None where torch's operations are to do it.

    Args:
        x: [T, B, I], T and B from 1; steps beyond a row's length hold no NaN.
        state, first: the state before the first step, and that to which resets return.
        live, resets: [T, B] bool, or None. even: the first steps at which all rows are live.
    """
    if torch.compiler.is_compiling():
        return None
    parts, control = state[:-1], state[-1]
    given, directions = given_by(model, x, state, None if resets is None else first)
    if obstacle(model, given):
        return None
    layers, width = [], model.controller.input_size
    try:
        for number, direction in enumerate(directions):
            traced = traced_of(direction.handle)
            form, inputs, _ = bind(traced, direction.tensors(x.new_empty(1, x.shape[1], width)), [value[number] for value in control], [], False)
            engine = engines.choose(Problem.of(form, inputs, True), "cpp")
            assert isinstance(engine, Cpp)
            layers.append(Layer(direction.handle, form, engine, tuple(direction.weights), tuple(f"s.{name}" for name in traced.cell.widths("state"))))
            width = model.controller.output_width
    except EngineError:
        return None
    if resets is not None:
        resets = (resets if live is None else resets & live).contiguous()
    plan = Plan(model, tuple(layers), model.heads(), len(parts), live, even, resets, () if resets is None else resets.any(1).tolist())
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given):
        output, *after = _Steps.apply(plan, *given)
    else:
        with torch.no_grad():
            output, after, _ = _forward(plan, given, False)
    return output, type(state)(*after[: len(parts)], type(control)(*after[len(parts) :]))


class _Kept(NamedTuple):
    """What forward leaves for backward: the steps of the memory; what each layer read [T, B, I], and what its steps keep [T * B, ...]; the controller's states [L, B, W] before each step; its output and what was said, [T, B, H] and [T, B, S]."""

    steps: access.Steps
    read: list[Tensor]
    inside: list[list[Tensor]]
    control: list[list[Tensor]]
    hidden: Tensor
    said: Tensor


def _forward(plan: Plan, flat: Sequence[Tensor], keep: bool) -> tuple[Tensor, list[Tensor], _Kept]:
    """The output; the state after the last step, its parts and the controller's; and, with `keep`, what backward needs."""
    plain = memory.readable({f"input {number}": tensor.detach() for number, tensor in enumerate(flat)}, flat[0].dtype)
    x, parts, control, first, to, (weight, bias), weights = plan.split(list(plain.values()))
    time_steps, rows, inputs = x.shape
    first = [part.contiguous() for part in first]
    steps = access.Steps(plan.heads, parts, time_steps, keep, first)
    vectors = steps.slots[READS].flatten(2)  # [slots, B, R * M]
    wide = plan.model.controller.output_width
    read = [pool.of_shape((time_steps, rows, inputs + vectors.shape[-1]), x.dtype), *(x.new_empty(time_steps, rows, wide) for _ in plan.layers[1:])]
    read[0][..., :inputs] = x
    hidden, said = x.new_empty(time_steps, rows, wide), x.new_empty(time_steps if keep else 1, rows, plan.heads.said)
    vectors_read = vectors[1:] if keep else x.new_empty(time_steps, rows, vectors.shape[-1])
    each_read, each_hidden, each_said, seats, turned = [part.unbind() for part in read], hidden.unbind(), said.unbind(), read[0][..., inputs:].unbind(), weight.t()
    state = [value.contiguous() for value in control]
    run = _Kept(steps, read, [], [], hidden, said)
    with ExitStack() as stack:
        held = [
            layer.held(stack, partial(layer.engine.held_forward, keep=keep), layer.inputs(own, read[k][0], [value[k] for value in state]))
            for k, (layer, own) in enumerate(zip(plan.layers, weights))
        ]
        run.inside.extend(step.kept(time_steps * rows) if keep else [] for step in held)
        each_inside: list[Sequence[tuple[Tensor, ...]]] = [list(zip(*(part.split(rows) for part in parts))) if keep else [()] * time_steps for parts in run.inside]
        for t in range(time_steps):
            here, live, resets = t if keep else 0, plan.live_at(t), plan.resets_at(t)
            vector = vectors[here]
            if resets is not None:
                vector = torch.where(resets[:, None], first[READS].flatten(1), vector)
                state = [torch.where(resets[:, None], back, value) for back, value in zip(to, state)]
            seats[t].copy_(vector)
            run.control.append(state)
            after = []
            for k, step in enumerate(held):
                output, final = step(each_read[k][t], [value[k] for value in state], each_inside[k][t])
                after.append(final)
                (each_hidden if k == len(held) - 1 else each_read[k + 1])[t].copy_(output)
            new = _stacked(after)
            state = new if live is None else [torch.where(live[:, None], value, old) for value, old in zip(new, state)]
            torch.addmm(bias, output, turned, out=each_said[here])  # of a tensor of its own: the bits of torch's product depend on where in memory a factor begins
            steps.forward(here, each_said[here], live, resets)
            if not keep:
                vectors_read[t] = vectors[0]
    return torch.cat([hidden, vectors_read], -1), [*(_pooled(part) if keep else part for part in steps.after()), *(value.clone() for value in state)], run


def _backward(plan: Plan, flat: Sequence[Tensor], run: _Kept, needed: Sequence[bool], d_output: Tensor | None, d_after: Sequence[Tensor | None]) -> list[Tensor | None]:
    """The gradients of the flat inputs, given those of the output and of the state after the last step."""
    x, parts, control, first, to, (weight, bias), weights = plan.split([tensor.detach() for tensor in flat])
    time_steps, rows, inputs = x.shape
    wide = plan.model.controller.output_width
    d_parts, d_state = ([_pooled(value.new_zeros(()).expand_as(value) if d is None else d) for d, value in zip(given, each)] for given, each in ((d_after, parts), (d_after[plan.parts :], control)))
    d_first, d_to = ([torch.zeros_like(part, memory_format=torch.contiguous_format) for part in each] for each in (first, to))
    d_x, d_said, d_hidden = torch.empty_like(x, memory_format=torch.contiguous_format), torch.empty_like(run.said), [x.new_empty(time_steps, rows, wide) for _ in plan.layers]
    d_finals: list[list[Tensor]] = []
    every = [_as_one(plan, k, run, own) for k, own in enumerate(weights)]
    each_said, each_d_said, each_d_hidden, each_read, each_d_x = run.said.unbind(), d_said.unbind(), [part.unbind() for part in d_hidden], [part.unbind() for part in run.read], d_x.unbind()
    kept = [layer.steps(rows) for layer in every]
    with ExitStack() as stack:
        held = [layer.held(stack, layer.engine.held_backward, every[k].inputs_at(0, rows)) for k, layer in enumerate(plan.layers)]
        for t in reversed(range(time_steps)):
            live, resets = plan.live_at(t), plan.resets_at(t)
            if d_output is not None:
                d_parts[READS] += d_output[t, :, wide:].view_as(d_parts[READS])
            run.steps.backward(t, each_said[t], each_d_said[t], d_parts, live, resets)
            d = torch.mm(each_d_said[t], weight) if d_output is None else torch.addmm(d_output[t, :, :wide], each_d_said[t], weight)
            given = d_state
            if live is not None:
                d = torch.where(live[:, None], d, 0)
                given = [torch.where(live[:, None], value, 0) for value in d_state]
            d_finals.append(given)
            before: list[list[Tensor]] = []
            for k in reversed(range(len(held))):
                each_d_hidden[k][t].copy_(d)
                d, d_before = held[k](each_read[k][t], [value[k] for value in run.control[t]], kept[k][t], each_d_hidden[k][t], [value[k] for value in given])
                before.insert(0, d_before)
            new = _stacked(before)
            d_state = new if live is None else [torch.where(live[:, None], value, old) for value, old in zip(new, d_state)]
            each_d_x[t].copy_(d[:, :inputs])
            d_parts[READS] += d[:, inputs:].view_as(d_parts[READS])
            if resets is not None:
                for sums, value in zip(d_first, d_parts):
                    sums[resets] += value[resets]
                    value[resets] = 0
                for sums, value in zip(d_to, d_state):
                    sums[:, resets] += value[:, resets]
                    value[:, resets] = 0
    d_flat = d_said.flatten(0, 1)
    d_weights: list[Tensor | None] = [d_flat.t() @ run.hidden.flatten(0, 1), d_flat.sum(0)]
    names = iter(needed[len(flat) - sum(map(len, weights)) :])
    for k, layer in enumerate(plan.layers):
        wanted = frozenset(name for name, need in zip(layer.weights, names) if need)
        d_final = [torch.cat([step[number][k] for step in reversed(d_finals)]) for number in range(len(layer.states))]
        found = layer.engine.backward(layer.form, every[k].inputs, every[k].result, d_hidden[k].flatten(0, 1)[None], d_final, wanted) if wanted else {}
        d_weights += [found.get(name) for name in layer.weights]
    return [d_x, *d_parts, *d_state, *d_first, *d_to, *d_weights]


class _AsOne(NamedTuple):
    """A layer's steps as the rows of one: its inputs, and what forward made of them and keeps."""

    inputs: dict[str, Tensor]
    result: Result

    def inputs_at(self, t: int, rows: int) -> dict[str, Tensor]:
        """The inputs of step t."""
        part = slice(t * rows, (t + 1) * rows)
        return {name: tensor[:, part] if name == "x" else tensor[part] if name.startswith("s.") else tensor for name, tensor in self.inputs.items()}

    def steps(self, rows: int) -> list[Result]:
        """What is kept of each step."""
        parts = zip(*(tensor.split(rows) for tensor in self.result.saved))
        return [Result(output, [], list(saved)) for output, saved in zip(self.result.output[0].split(rows), parts)]


def _as_one(plan: Plan, k: int, run: _Kept, weights: Sequence[Tensor]) -> _AsOne:
    layer, output = plan.layers[k], (*run.read, run.hidden)[k + 1]
    inputs = layer.inputs(weights, run.read[k].flatten(0, 1), [torch.cat([step[number][k] for step in run.control]) for number in range(len(layer.states))])
    return _AsOne(inputs, Result(output.flatten(0, 1)[None], [], run.inside[k]))


def _pooled(value: Tensor) -> Tensor:
    """A copy, in memory whose pages are there: to touch the links' anew would take as long as a step."""
    return pool.of_shape(value.shape, value.dtype).copy_(value)


def _stacked(by_layer: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """States [B, W] of each layer as [L, B, W] of each state."""
    return [values[0][None] if len(values) == 1 else torch.stack(values) for values in zip(*by_layer)]


class _Steps(torch.autograd.Function):
    """(plan, *flat inputs) to (output, *the state after the last step)."""

    @staticmethod
    def forward(ctx: Any, plan: Plan, *flat: Tensor) -> tuple[Tensor, ...]:
        output, after, run = _forward(plan, flat, True)
        ctx.plan, ctx.steps, ctx.count, ctx.states, ctx.inside = plan, run.steps, len(flat), len(run.control[0]), list(map(len, run.inside))
        ctx.set_materialize_grads(False)
        kept = (*flat, *run.steps.release(), run.hidden, run.said, *run.read, *chain(*run.inside), *chain(*run.control))
        ctx.dtype, ctx.shapes = kept[0].dtype, [tensor.shape for tensor in kept]
        ctx.save_for_backward(*kept)
        return output, *after

    @staticmethod
    @members.each_apart
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        plan, saved, needed = ctx.plan, _as_they_were(ctx.saved_tensors, ctx.dtype, ctx.shapes), ctx.needs_input_grad[1:]
        flat, rest = saved[: ctx.count], iter(saved[ctx.count :])
        if torch.is_grad_enabled() or members.transformed():  # a further derivative may follow; or many cotangents come at once
            return None, *_by_torch(plan, flat, needed, cotangents)
        ctx.steps.restore([next(rest) for _ in range(plan.parts + 1)])
        hidden, said, *read = (next(rest) for _ in range(2 + len(plan.layers)))
        inside = [list(islice(rest, count)) for count in ctx.inside]
        flattened = list(rest)
        control = [flattened[begin : begin + ctx.states] for begin in range(0, len(flattened), ctx.states)]
        found = _backward(plan, flat, _Kept(ctx.steps, read, inside, control, hidden, said), needed, cotangents[0], cotangents[1:])
        ctx.steps.release()
        return None, *found


def _as_they_were(saved: Sequence[Tensor], dtype: torch.dtype, shapes: Sequence[torch.Size]) -> list[Tensor]:
    """What was kept for backward, in main memory and without gaps: users' hooks on saved tensors have had it in their hands.

    Raises:
        EngineError: something came back in another shape or dtype, or not as an ordinary tensor.
    """
    names = [f"what was kept, number {number}," for number in range(len(saved))]
    found = memory.readable(dict(zip(names, saved)), dtype, dict(zip(names, shapes)))
    return [tensor.contiguous() for tensor in found.values()]


def _by_torch(plan: Plan, flat: Sequence[Tensor], needed: Sequence[bool], cotangents: Sequence[Tensor | None]) -> list[Tensor | None]:
    """The gradients, themselves differentiable: the steps run once more in torch's own operations."""
    places = [place for place, need in enumerate(needed) if need]

    def run(*wanted: Tensor) -> tuple[Tensor, ...]:
        values = list(flat)
        for place, value in zip(places, wanted):
            values[place] = value
        return _in_torch(plan, values)

    results, pull = torch.func.vjp(run, *(flat[place] for place in places))  # type: ignore[misc]  # it gives three only where asked for more
    found: list[Tensor | None] = [None] * len(flat)
    for place, gradient in zip(places, pull(tuple(torch.zeros_like(result) if d is None else d for result, d in zip(results, cotangents)))):
        found[place] = gradient
    return found


def _in_torch(plan: Plan, flat: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """What `_Steps` does, in torch's own operations."""
    x, parts, control, first, to, (weight, bias), weights = plan.split(flat)
    model, kind, class_ = plan.model, type(plan.model.begin(1)), plan.model.controller.state_class

    def advance(x: Tensor, state: Any) -> tuple[Tensor, Any]:
        hidden, finals = torch.cat([x, state[READS].flatten(1)], -1), []
        for k, layer in enumerate(plan.layers):
            found, final = reference.run(layer.form, layer.inputs(weights[k], hidden, [value[k] for value in state[-1]]))
            hidden = found[0]
            finals.append(final)
        after = model.access(model.interface.named(nn.functional.linear(hidden, weight, bias)), state)
        return torch.cat([hidden, after[READS].flatten(1)], -1), kind(*after, class_(*map(torch.stack, zip(*finals))))

    begin = kind(*first, class_(*to)) if first else None
    outputs, after = in_steps(advance, x, kind(*parts, class_(*control)), begin, plan.live, plan.even, plan.resets)
    return (torch.stack(outputs), *after[:-1], *after[-1])
