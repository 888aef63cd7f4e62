"""Problems for the tests of the CPU engine: random inputs for any cell, and both engines' answers to them."""

from __future__ import annotations

import torch
from torch import Tensor

from tenuto.engines import reference
from tenuto.engines.cpp import Cpp, library
from tenuto.engines.problem import Buffers, Form, Problem, Result, extent, output_width, size_of

ENGINE, INVARIANT = Cpp(), Cpp(invariant=True)
BFLOAT16, INVARIANT_BFLOAT16 = Cpp(bfloat16=True), Cpp(invariant=True, bfloat16=True)


def engines(dtype: torch.dtype) -> list[Cpp]:
    """The engines that compute in different ways on this machine: at the small sizes of tests only the invariant engine uses matrix units, if there are any."""
    return [ENGINE, INVARIANT] if library.has_matrix_units(dtype) else [ENGINE]


def pose(form: Form, sizes: tuple[int, int, int, int], dtype: torch.dtype, seed: int = 0, fixed_streams: bool = False) -> Buffers:
    """Random inputs for sizes (T, B, I, H). Packed, at least one sequence has all T steps."""
    steps, rows, features, hidden = sizes
    generator = torch.Generator().manual_seed(seed)
    heads = {f"U.{stack.name}": stack.heads for stack in form.traced.stacks}

    def one(name: str, shape: tuple[int, ...]) -> Tensor:
        if name == "batch_sizes":
            return batch_sizes
        if name == "lengths":
            return torch.randint(0, steps + 1, shape, generator=generator)
        if name == "resets":
            return torch.rand(*shape, generator=generator) < 0.2
        if name.startswith("stream.") and fixed_streams:
            shape = (1, rows, shape[-1])
        values = (0.5 * torch.randn(*shape, generator=generator, dtype=torch.float64)).to(dtype)
        return values / (shape[1] * heads[name]) ** 0.5 if name in heads else values

    batch_sizes, packed_rows = torch.zeros(0, dtype=torch.int64), None
    if form.packed:
        lengths = torch.randint(0, steps + 1, (rows,), generator=generator)
        lengths[0] = steps
        batch_sizes = (lengths > torch.arange(steps)[:, None]).sum(1)
        packed_rows = int(lengths.sum())
    problem = Problem(form, steps, rows, features, hidden, dtype, torch.device("cpu"), True, packed_rows)
    return {name: one(name, shape) for name, shape in problem.shapes().items()}


def cotangents(form: Form, inputs: Buffers, seed: int = 1) -> tuple[Tensor, list[Tensor]]:
    """Random gradients of the output and the last states."""
    generator = torch.Generator().manual_seed(seed)
    rows = extent(form, inputs)[1]
    hidden = inputs["weight_ih"].shape[0] // len(form.cell.widths("gates"))
    shapes = [(*inputs["x"].shape[:-1], size_of(output_width(form), hidden))]
    shapes += [(rows, size_of(width, hidden)) for width in form.cell.widths("state").values()]
    d_output, *d_final = (torch.randn(*s, generator=generator, dtype=torch.float64).to(inputs["x"].dtype) for s in shapes)
    return d_output, d_final


def floats(inputs: Buffers) -> frozenset[str]:
    """The inputs that have gradients."""
    return frozenset(name for name, tensor in inputs.items() if tensor.is_floating_point())


def ours(form: Form, inputs: Buffers, engine: Cpp = ENGINE) -> tuple[Result, Buffers]:
    """The engine's results and all gradients."""
    result = engine.forward(form, inputs, True)
    return result, engine.backward(form, inputs, result, *cotangents(form, inputs), floats(inputs))


def truth(form: Form, inputs: Buffers, dtype: torch.dtype = torch.float64) -> tuple[Tensor, list[Tensor], Buffers]:
    """Output, last states and all gradients of the reference engine, in float64 or in another type."""
    exact = {name: t.detach().to(dtype).requires_grad_() if t.is_floating_point() else t for name, t in inputs.items()}
    d_output, d_final = cotangents(form, inputs)
    output, final = reference.run(form, exact)
    names = sorted(floats(inputs))
    ends = [(end, d.to(dtype)) for end, d in zip([output, *final], [d_output, *d_final]) if end.requires_grad]
    gradients = torch.autograd.grad(
        [e for e, _ in ends], [exact[n] for n in names], [d for _, d in ends], allow_unused=True
    )
    named = {n: torch.zeros_like(exact[n]) if g is None else g for n, g in zip(names, gradients)}
    return output.detach(), [value.detach() for value in final], named
