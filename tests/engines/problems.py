"""Random inputs for the time loop of any cell, by name."""

import torch

from tenuto.engines import Form, Problem


def make_inputs(form, time_steps=3, batch_size=2, input_size=2, hidden=4, dtype=torch.float64, requires_grad=True):
    """The form's inputs by name; weights at a scale that keeps gates out of saturation. Packed, the last sequence has no steps and the first has all."""
    batch_sizes = (batch_size - 1 - torch.arange(time_steps)).clamp(min=1)
    rows = int(batch_sizes.sum()) if form.packed else None
    shapes = Problem(form, time_steps, batch_size, input_size, hidden, dtype, torch.device("cpu"), requires_grad, rows).shapes()
    inputs = {}
    for name in form.names:
        if name == "lengths":
            inputs[name] = torch.arange(batch_size) % (time_steps + 1)
        elif name == "batch_sizes":
            inputs[name] = batch_sizes
        elif name == "resets":
            inputs[name] = torch.rand(shapes[name]) > 0.6
        elif name.startswith("stream."):
            inputs[name] = torch.rand(shapes[name], dtype=dtype).requires_grad_(requires_grad)
        else:
            inputs[name] = (0.5 * torch.randn(shapes[name], dtype=dtype)).requires_grad_(requires_grad)
    return inputs


def make_form(cell, masks=False, reverse=False):
    """A form with bias, lengths and resets, or with a bias alone."""
    return Form(cell, bias=True, lengths=masks, resets=masks, reverse=reverse)
