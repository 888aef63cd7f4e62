"""`read_layers`: recurrent layers of other libraries, by the names of their gates, as layers of ours."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import nn

from tenuto.adapters import from_torch
from tenuto.choices import require
from tenuto.errors import ArgumentError, DataError, TenutoError
from tenuto.layers import Recurrent


def read_layers(source: Any, *, only: str | Iterable[str] | None = None, nonlinearity: str | None = None) -> dict[str, Recurrent]:
    """The recurrent layers of a model of another library, by name, with its weights. Gates are matched by name, never by position.

    Every tensor of the source is read, or an error names the first that is not: a layer whose weights are silently left out answers wrongly.

    Args:
        source: a torch module; tensors by name, as `state_dict()` gives them; the path of a `.keras` or `.onnx` file; or an onnx.ModelProto.
        only: the names of the layers that are wanted. Then other layers, tensors and operators of the source are left aside on purpose.
        nonlinearity: of torch.nn.RNN in a state dict, which does not tell it: "tanh" or "relu".
    Raises:
        ArgumentError: a tensor or an operator of the source is not ours to read; there is no recurrent layer, or none of that name; a package is missing.
        DataError: the file cannot be read.
    Example:
        >>> import torch
        >>> layers = read_layers(torch.nn.GRU(3, 4).state_dict())
        >>> layers[""]
        Recurrent(GRU(activation='tanh', recurrent_activation='sigmoid'), 3, 4)
    """
    try:
        found, left, others = _read(source, nonlinearity)
        if not found:
            raise ArgumentError("there is no recurrent layer in it.", expected="LSTM, GRU or RNN")
        if only is not None:
            wanted = [only] if isinstance(only, str) else list(only)
            for name in wanted:
                require("only", name, found)
            return {name: found[name] for name in wanted}
        names = ", ".join(repr(name) for name in found)
        if others:
            raise ArgumentError(f"{others[0]} is no operator that is read here.", expected="LSTM, GRU, RNN, and what gives values another form", received=", ".join(others[:6]), fix=f"name the layers that you want: only=[{names}]")
        if left:
            raise ArgumentError(f"the tensor {left[0]} belongs to no recurrent layer.", received=", ".join(left[:6]), fix=f"name the layers that you want: only=[{names}]")
        return found
    except TenutoError as error:
        raise error.within("read_layers") from error.__cause__


def _read(source: Any, nonlinearity: str | None) -> tuple[dict[str, Recurrent], list[str], list[str]]:
    """The layers, the tensors that are not theirs, and operators that are not ours to read."""
    if isinstance(source, nn.Module):
        found, read = from_torch.from_module(source)
        return found, sorted(from_torch.tensors_of(source) - read), []
    state = from_torch.as_state_dict(source)
    if state is not None:
        found, read = from_torch.from_state_dict(state, nonlinearity)
        return found, sorted(set(state) - read), []
    if isinstance(source, (str, Path)) and not Path(source).is_file():
        raise DataError(f"there is no file {source}.")
    if isinstance(source, (str, Path)) and Path(source).suffix.lower() == ".keras":
        from tenuto.adapters import from_keras

        found, read, every = from_keras.from_file(Path(source))
        return found, sorted(every - read), []
    if (isinstance(source, (str, Path)) and Path(source).suffix.lower() == ".onnx") or type(source).__name__ == "ModelProto":
        from tenuto.adapters import from_onnx

        found, read, every, others = from_onnx.from_graph(source)
        return found, sorted(every - read), others
    raise ArgumentError("this is no model that is read here.", expected="a torch module, a state dict, a .keras or .onnx file", received=type(source).__name__ if not isinstance(source, (str, Path)) else str(source))
