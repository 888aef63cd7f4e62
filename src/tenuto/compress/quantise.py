"""Which weights of a module are kept as whole numbers: every matrix that is multiplied with what the module reads, or looked up in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tenuto.errors import ArgumentError
from tenuto.layers import Recurrent
from tenuto.layers.replacement_cells import GRUCell, LSTMCell, RNNCell
from tenuto.layers.replacements import GRU, LSTM, RNN
from tenuto.layers.stored import Int8, StoredWeight, hold, stored_in

WEIGHTS: dict[str, type[StoredWeight]] = {"int8": Int8}  # by what a user calls them

# Modules whose parameters of two and more axes are such matrices, and that read them by their names at each call.
_OURS = (Recurrent, LSTM, GRU, RNN, LSTMCell, GRUCell, RNNCell)
_TORCHS = (nn.Linear, nn.Embedding, nn.Conv1d, nn.Conv2d)


def quantise(module: nn.Module, form: type[StoredWeight]) -> list[str]:
    """Keep the module's matrices in this form, in place; those that would not become smaller stay as they are. Returns their names.

    Raises:
        ArgumentError: the module is compressed already, has no such matrix, or has a weight that is not finite.
    """
    if stored_in(module):
        name, stored = next(iter(stored_in(module).items()))
        raise ArgumentError("this model is compressed already.", expected="weights as floats", received=f"{name} as {stored.form}", fix="compress the model that it was made from")
    done: dict[int, StoredWeight] = {}
    names = []
    for path, part in list(module.named_modules()):
        for name, weight in matrices(part):
            whole = f"{path}.{name}".lstrip(".")
            if not bool(torch.isfinite(weight).all()):
                raise ArgumentError(f"the weight {whole} is not finite.", expected="numbers", fix="train the model again")
            stored = done.get(id(weight)) or form.of(weight)
            if stored.size_bytes() < weight.numel() * weight.element_size():
                done[id(weight)] = stored
                hold(part, name, stored)
                names.append(whole)
    if not names:
        raise ArgumentError(
            f"{type(module).__name__} has no weights that could be made smaller.", expected="a recurrent layer of tenuto, Linear, Embedding or convolution with more than one column",
            received=", ".join(dict.fromkeys(type(part).__name__ for part in module.modules())),
        )  # fmt: skip
    return names


def matrices(part: nn.Module) -> list[tuple[str, Tensor]]:
    """The matrices of one module that can be kept in another form, by name."""
    if isinstance(part, nn.Embedding) and part.max_norm is not None:  # it changes its weight when it is read
        return []
    if not isinstance(part, (*_OURS, *_TORCHS)):
        return []
    return [(name, weight) for name, weight in part._parameters.items() if weight is not None and weight.dim() > 1 and weight.is_floating_point()]
