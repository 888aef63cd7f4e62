"""Cells as models of steps, for the export to C: a channel for each number that is read, and one for each stream."""

from __future__ import annotations

import numpy as np
import torch

import tenuto
from tenuto import Recurrent
from tenuto.tasks.stepped import Channels, Outputs, StepModel


def stepping(cell, input_size=3, hidden_size=6, compressed=None, **options) -> StepModel:
    """A layer of the cell, whose streams are channels after its inputs. compressed: the options of `tenuto.compress`, or None."""
    layer = Recurrent(cell, input_size, hidden_size, engine="reference", **options).eval()
    layer = layer if compressed is None else tenuto.compress(layer, **compressed)
    streams = {name: input_size + place for place, name in enumerate(cell.widths("streams"))}
    count = input_size + len(streams)

    def draw(generator, steps):
        return generator.standard_normal((steps, count), dtype=np.float32)

    @torch.no_grad()
    def answers(values):
        x = torch.from_numpy(values)[:, None]
        given = {name: x[..., place, None].contiguous() for name, place in streams.items()}
        return layer(x[..., :input_size], streams=given or None).output[:, 0].numpy()

    plain = np.zeros(count), np.ones(count)
    front = Channels(tuple(f"c{k}" for k in range(count)), *plain, "error", np.zeros(count, np.float32), tuple(range(input_size)), streams)
    return StepModel(front, ((layer, None),), Outputs(layer.output_width), draw, answers)
