"""Packed sequences: what their batch sizes say of them, and a packed problem run as a padded one, for engines that know no other.

Letters: B batch, T time, N rows. A packed row is one step of one sequence (see `engines.problem`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from tenuto.engines.problem import Form, extent
from tenuto.errors import ShapeError


def check(batch_sizes: Tensor, rows: int, batch_size: int) -> None:
    """Checks that so many rows of so many sequences can lie as `batch_sizes` [T] says. (Sequences of no steps are the last ones.)

    Raises:
        ShapeError: they cannot; a `PackedSequence` that was put together by hand may be anything.
    """
    sizes = batch_sizes.tolist()
    descending = all(more >= less for more, less in zip([batch_size, *sizes], [*sizes, 1]))
    if not descending or sum(sizes) != rows:
        raise ShapeError(
            "batch_sizes do not fit the packed rows.",
            expected=f"at each step the number of sequences that are still running, at most {batch_size}; {rows} in all",
            received=f"{sizes[:8]}{'...' * (len(sizes) > 8)}, {sum(sizes)} in all",
            fix="pack_padded_sequence or pack_sequence from torch.nn.utils.rnn",
        )


def lengths_of(batch_sizes: Tensor, batch_size: int) -> Tensor:
    """[B] int64: how many steps each sequence has; they descend."""
    return len(batch_sizes) - torch.searchsorted(batch_sizes.flip(0), torch.arange(batch_size, device="cpu"), right=True)


def steps_and_sequences(batch_sizes: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """[N] int64 each: which step of which sequence a packed row is. Torch can put this into a graph."""
    steps = torch.arange(batch_sizes.shape[0], device="cpu").repeat_interleave(batch_sizes, output_size=rows)
    return steps, torch.arange(rows, device="cpu") - (batch_sizes.cumsum(0) - batch_sizes)[steps]


def backwards(batch_sizes: Tensor, rows: int, batch_size: int) -> Tensor:
    """[N] int64: where each row goes when every sequence runs from its own last step to its first. Twice is no change."""
    steps, sequences = steps_and_sequences(batch_sizes, rows)
    mirrored = lengths_of(batch_sizes, batch_size)[sequences] - 1 - steps
    return (batch_sizes.cumsum(0) - batch_sizes)[mirrored] + sequences


def by_padding(
    run: Callable[[Form, Mapping[str, Tensor]], tuple[Tensor, list[Tensor]]], form: Form, inputs: Mapping[str, Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """What `run` gives for a packed problem, where it knows only padded ones; as differentiable as `run` is.

    Raises:
        ShapeError: the batch sizes are not those of x.
    """
    batch_size = extent(form, inputs)[1]
    check(inputs["batch_sizes"], inputs["x"].shape[0], batch_size)
    output, final = run(replace(form, packed=False), padded(form, inputs))
    return output.flatten(0, 1)[places(inputs["batch_sizes"], inputs["x"], batch_size)], final


def places(batch_sizes: Tensor, x: Tensor, batch_size: int) -> Tensor:
    """[N] int64: where each packed row stands among the steps of a padded batch, [T * B]."""
    steps, sequences = steps_and_sequences(batch_sizes, x.shape[0])
    return (steps * batch_size + sequences).to(x.device)


def padded(form: Form, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inputs of the same problem for a padded batch, with lengths."""
    time_steps, batch_size = extent(form, inputs)
    where = places(inputs["batch_sizes"], inputs["x"], batch_size)
    given = {name: spread(tensor, where, time_steps, batch_size) if name in ("x", "resets") or _each_step(name, tensor) else tensor for name, tensor in inputs.items()}
    given["lengths"] = lengths_of(given.pop("batch_sizes"), batch_size).to(inputs["x"].device)
    return given


def spread(rows: Tensor, where: Tensor, time_steps: int, batch_size: int) -> Tensor:
    """Packed rows [N, ...] as a padded batch [T, B, ...]; `where` is from `places`."""
    zeros = rows.new_zeros(time_steps * batch_size, *rows.shape[1:])
    return zeros.index_put((where,), rows).unflatten(0, (time_steps, batch_size))


def _each_step(name: str, tensor: Tensor) -> bool:
    """Whether this is a packed stream that differs from step to step, [N, W]; one that does not is [1, B, W]."""
    return name.startswith("stream.") and tensor.dim() == 2
