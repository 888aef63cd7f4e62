"""What goes back through a layer's steps: the gradient of the loss at each step, and how much of an output comes from the inputs before it.

Both run the derivative of the step, last step first, in float64.
Letters: T time, B batch, I input, W a state's width, K probes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tenuto.engines.by_program import pull
from tenuto.engines.problem import hidden_size
from tenuto.explain.held.listening import Call
from tenuto.explain.held.steps import Walk

PROBES = 8

Told = Callable[[int, dict[str, Tensor], Tensor], None]  # (step, the gradient of each state after it, that of the gates' inputs [N, G * H])


def gradients(call: Call, walk: Walk, d_output: Tensor, d_final: list[Tensor]) -> dict[str, Tensor]:
    """The norm of dL/ds_t, the gradient of the loss by each state after step t: [T, B] by name. Beyond a row's length it is no number.

    Where a cell's output is no state, what the output of step t itself adds is not in it.
    """
    found = {name: torch.full(d_output.shape[:2], torch.nan, dtype=torch.float64, device=d_output.device) for name in call.form.cell.widths("state")}

    def told(t: int, states: dict[str, Tensor], gates: Tensor) -> None:
        for name, d in states.items():
            found[name][t] = d.norm(dim=-1) if walk.live is None else torch.where(walk.live[t, :, 0], d.norm(dim=-1), torch.nan)

    _back(call, walk, d_output, d_final, 1, told)
    return found


def influence(call: Call, walk: Walk) -> tuple[Tensor, Tensor]:
    """How much an output depends on the input `lag` steps before it: the norm of dy_last/dx_(last - lag), estimated by K random signs (Hutchinson 1990).

    Returns:
        [T] by lag, the root of the mean square over rows; [T] how many rows there are at that lag.
    """
    steps, rows, width = call.output.shape
    live = torch.ones(steps, rows, dtype=torch.bool, device=call.output.device) if walk.live is None else walk.live[..., 0]
    lengths = live.sum(0)
    last = torch.zeros_like(lengths) if call.form.reverse else lengths - 1
    chance = torch.Generator().manual_seed(0)
    signs = 2.0 * torch.randint(0, 2, (PROBES, rows, width), generator=chance, dtype=torch.float64, device="cpu").to(call.output.device) - 1
    d_output = call.output.new_zeros(steps, PROBES, rows, width)
    running = (lengths > 0).nonzero().flatten()
    d_output[last[running], :, running] = signs[:, running].transpose(0, 1)
    squares, count = call.output.new_zeros(steps), call.output.new_zeros(steps)

    def told(t: int, states: dict[str, Tensor], gates: Tensor) -> None:
        size = (gates @ call.inputs["weight_ih"]).square().sum(-1).view(PROBES, rows).mean(0)
        lags = (last - t).abs()
        here = live[t]
        squares.index_add_(0, lags[here], size[here])
        count.index_add_(0, lags[here], torch.ones_like(size[here]))

    _back(call, walk, d_output.flatten(1, 2), [torch.zeros(PROBES * rows, state.shape[1], dtype=state.dtype, device=state.device) for state in call.final], PROBES, told)
    return (squares / count.clamp(min=1)).sqrt(), count


def _back(call: Call, walk: Walk, d_output: Tensor, d_final: list[Tensor], copies: int, told: Told) -> None:
    """Runs the steps' derivatives; each row stands `copies` times, copy after copy."""
    form, cell = call.form, call.form.cell
    hidden, rows = hidden_size(form, call.inputs), d_output.shape[1]
    gates, arriving = list(cell.widths("gates")), dict(zip(cell.widths("state"), d_final))
    order = range(len(walk.values)) if form.reverse else reversed(range(len(walk.values)))
    with torch.no_grad():
        for t in order:
            live = None if walk.live is None else walk.live[t].repeat(copies, 1)
            here, of_output = arriving, d_output[t]
            if live is not None:
                here = {name: torch.where(live, d, 0) for name, d in arriving.items()}
                of_output = torch.where(live, of_output, 0)
            given = {("d_state", name): d for name, d in here.items()}
            own = form.traced.output_state
            if own is not None:
                here = {**here, own: here[own] + of_output}
                given["d_state", own] = here[own]
            else:
                given["d_output", "output"] = of_output
            values = {key: value.repeat(copies, 1) for key, value in walk.values[t].items()}
            result = pull(form, call.inputs, {**values, **given}, rows, hidden)
            told(t, here, torch.cat([result["d_gate", name] for name in gates], -1))
            passed = {name: result["d_state", name] for name in arriving}
            if live is not None:
                passed = {name: torch.where(live, d, arriving[name]) for name, d in passed.items()}
            returned = walk.returns[t]
            arriving = passed if returned is None else {name: d.masked_fill(returned.repeat(copies, 1), 0) for name, d in passed.items()}
