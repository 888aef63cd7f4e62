"""Layers of a plain stack, without what Keras looks up around each at every call: recurrent layers that follow each other are their loops alone, a Dense is its product."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import torch
from torch import Tensor

from tenuto.keras.parts import parts_of
from tenuto.keras.recurrent import TenutoLoop
from tenuto.keras.time_loop import Options, cell_of, run_keras_cell


class PlainLoop:
    """The loop of a layer on a sequence [T, B, I]: the outputs [T, B, H], or without `return_sequences` the last one [B, H]. key: of the cell of ours (`parts_of`)."""

    def __init__(self, layer: Any, key: str) -> None:
        cell = layer.cell
        self._layer, self._cell = layer, cell_of(key)
        self._kernels, self._bias = (cell.kernel.value, cell.recurrent_kernel.value), None if cell.bias is None else cell.bias.value

    @classmethod
    def of(cls, layer: Any) -> PlainLoop | None:
        """That of a built layer, if it is one of Keras's cells over all steps from zeros, with nothing dropped."""
        if not isinstance(layer, TenutoLoop):
            return None
        given: Any = layer
        parts = parts_of(given.cell)
        if isinstance(parts, str) or len(parts) != 1 or given.stateful or given.return_state or getattr(given.cell, "dropout", 1) or getattr(given.cell, "recurrent_dropout", 1):
            return None
        return cls(given, parts[0].key)

    def __call__(self, x: Tensor) -> Tensor:
        layer = self._layer
        output, final = run_keras_cell(self._cell, x, *self._kernels, self._bias, Options(go_backwards=layer.go_backwards, engine=layer.engine))
        if not layer.return_sequences:
            return final  # the state that is a Keras cell's output
        return output.flip(0) if layer.go_backwards else output


def _one_after_the_other(loops: Sequence[PlainLoop]) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        x = x.to(torch.float32).transpose(0, 1)
        for loop in loops:
            x = loop(x)
        return x.transpose(0, 1) if x.dim() == 3 else x

    return run


def _dense(layer: Any) -> Callable[[Tensor], Tensor]:
    """A built Dense whose kernel is its own weight, as it is."""
    kernel, bias, activation = layer.kernel.value, None if layer.bias is None else layer.bias.value, layer.activation

    def run(x: Tensor) -> Tensor:
        product = torch.matmul(x.to(torch.float32), kernel)
        product = product if bias is None else product + bias
        return product if activation is None else activation(product)  # type: ignore[no-any-return]

    return run


def calls_of(layers: Sequence[Any]) -> Iterator[tuple[Callable[..., Tensor], bool]]:
    """What a batch goes through in a plain stack, and whether it takes `training`: each layer's own call, a Dense's product, and one call for loops that follow each other, between which time is the first axis."""
    loops: list[PlainLoop] = []
    for layer in layers:
        if (loop := PlainLoop.of(layer)) is not None:
            loops.append(loop)
            continue
        if loops:
            yield _one_after_the_other(loops), False
            loops = []
        if type(layer) is keras.layers.Dense and not layer.lora_enabled and layer.quantization_mode is None:
            yield _dense(layer), False
        else:
            yield layer.call, layer._call_has_training_arg
    if loops:
        yield _one_after_the_other(loops), False
