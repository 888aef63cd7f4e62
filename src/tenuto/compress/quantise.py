"""Which weights of a module are kept as whole numbers: every matrix that is multiplied with what the module reads, or looked up in."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from tenuto.compress.calibrate import Seen
from tenuto.compress.feedback import int4_with_feedback
from tenuto.errors import ArgumentError
from tenuto.layers import Recurrent
from tenuto.layers.replacement_cells import GRUCell, LSTMCell, RNNCell
from tenuto.layers.replacements import GRU, LSTM, RNN
from tenuto.layers.stored import Blocks, Int4, Int8, Int8x8, Int8x8Static, Int8x16Static, LowRank, StoredWeight, hold, stored_in
from tenuto.tongues import argument

ACTIVATIONS: dict[str, type[Int8x8] | None] = {"float": None, "int8": Int8x8, "static-int8": Int8x8Static, "static-int16": Int8x16Static}  # and the form of matrices of recurrent layers
STATIC = tuple(name for name, form in ACTIVATIONS.items() if form is not None and form.bits)  # those that are learnt from data
WEIGHTS: dict[str, type[StoredWeight]] = {"int8": Int8, "int4": Int4}  # by what a user calls them

# Modules whose parameters of two and more axes are such matrices, and that read them by their names at each call.
LAYERS = (Recurrent, LSTM, GRU, RNN)
_OURS = (*LAYERS, LSTMCell, GRUCell, RNNCell)
_TORCHS = (nn.Linear, nn.Embedding, nn.Conv1d, nn.Conv2d)


def require_floats(module: nn.Module) -> None:
    """Raise ArgumentError if a weight of the module is stored in another form already."""
    for name, stored in stored_in(module).items():
        raise ArgumentError("this model is compressed already.", expected="weights as floats", received=f"{name} as {stored.form}", fix="compress the model that it was made from")


def quantise(module: nn.Module, form: type[StoredWeight], seen: Seen | None = None, *, activations: str = "float", blocks: int | None = None) -> list[str]:
    """Keep the module's matrices in this form, in place; those that would not become smaller stay as they are. Returns their names.

    Args:
        seen: of a `Calibration` of this very module: int4 is rounded with error feedback where it tells what a weight reads, and static activations have their scales from it.
        activations: of `ACTIVATIONS`: but for "float", recurrent layers round what they multiply as well, and multiply whole numbers; all of their matrices then have one form.
        blocks: of `Sparse` weights, those of recurrent layers are kept by blocks of so many rows.
    Raises:
        ArgumentError: the module is compressed already, has no such matrix, or has a weight that is not finite.
    """
    require_floats(module)
    every = (weight for part, name in matrices(module) if (weight := part._parameters[name]) is not None)
    done: dict[int, StoredWeight] = {**int4_with_feedback(every, seen)} if form is Int4 and seen is not None else {}
    names, paths = [], {id(part): path for path, part in module.named_modules()}
    for part, name in list(matrices_of_layers(module) if form is LowRank else matrices(module)):
        weight, whole = part._parameters[name], f"{paths[id(part)]}.{name}".lstrip(".")
        assert weight is not None
        if not bool(torch.isfinite(weight).all()):
            raise ArgumentError(f"the weight {whole} is not finite.", expected="numbers", fix="train the model again")
        loops = ACTIVATIONS[activations] if isinstance(part, LAYERS) else None
        if id(weight) in done:
            stored = done[id(weight)]
        elif blocks is not None and in_blocks(part, weight, blocks):
            stored = Blocks.in_blocks(weight, blocks)
        else:
            stored = form.of(weight) if loops is None else _rounding(loops, whole, weight, seen)
        if loops or smaller(stored, weight):
            done[id(weight)] = stored
            hold(part, name, stored)
            names.append(whole)
    if not names:
        raise ArgumentError(
            f"{type(module).__name__} has no weights that could be made smaller.", expected="a recurrent layer of tenuto, Linear, Embedding or convolution with more than one column",
            received=", ".join(dict.fromkeys(type(part).__name__ for part in module.modules())),
        )  # fmt: skip
    return names


def in_blocks(part: nn.Module, weight: Tensor, rows: int) -> bool:
    """Whether a weight goes by blocks of so many rows: those of recurrent layers do."""
    return isinstance(part, LAYERS) and weight.dim() == 2 and len(weight) % rows == 0


def _rounding(form: type[Int8x8], name: str, weight: Tensor, seen: Seen | None) -> Int8x8:
    """A weight of a layer that rounds what it multiplies."""
    if not issubclass(form, Int8x8Static):
        return form.of(weight)
    most = None if seen is None else seen.most.get(id(weight))
    if most is None or bool(most.isnan().any()):
        raise ArgumentError(
            f"the layer of {name} read nothing of the data to calibrate with.", expected="data on which every recurrent layer runs",
            fix=f"other data, or {argument('activations', 'int8')}, whose scales are those of each row that is read",
        )  # fmt: skip
    return form.reading(weight, most)


def matrices(module: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """The matrices that can be kept in another form, as a part of the module and a name in it."""
    for part in module.modules():
        if not isinstance(part, (*_OURS, *_TORCHS)) or (isinstance(part, nn.Embedding) and part.max_norm is not None):  # that one changes its weight when it is read
            continue
        yield from ((part, name) for name, weight in list(part._parameters.items()) if weight is not None and weight.dim() > 1 and weight.is_floating_point())


def matrices_of_layers(module: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """Those of recurrent layers: W, U and projections."""
    return ((part, name) for part, name in matrices(module) if isinstance(part, _OURS))


def smaller(stored: StoredWeight, weight: Tensor) -> bool:
    """Whether a weight takes less memory in this form."""
    return stored.size_bytes() < weight.numel() * weight.element_size()


def bytes_of(network: nn.Module) -> int:
    """Of all that a file keeps of a network; what two places share, once."""
    every = {id(tensor): tensor for tensor in network.state_dict(keep_vars=True).values()}
    return sum(tensor.numel() * tensor.element_size() for tensor in every.values())

