"""A plain torch module with recurrent layers, and a batch, as a subject: run on its own input, or on what its embedding made of tokens."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from tenuto.errors import ArgumentError, ShapeError, describe
from tenuto.explain.stand_in import with_part
from tenuto.explain.subject import Posed, Resume, as_lengths, recurrent_layers, require_steady, scores_of, widest_of
from tenuto.layers.recurrent import Recurrent

_STATES = ("state", "hx", "hidden")


class Form:
    """How a module is called: which axis is time, whether it takes lengths and a state, and which embedding reads tokens.

    Raises:
        ArgumentError: tokens for a model in which no embedding, or more than one, could read them.
    """

    def __init__(self, module: nn.Module, batch_first: bool | None) -> None:
        self.module = module
        layers = recurrent_layers(module)
        taken = inspect.signature(module.forward).parameters
        self.batch_first = bool(getattr(layers[0][1], "batch_first", False)) if batch_first is None and layers else bool(batch_first)
        self.lengths = "lengths" in taken
        self.state = next((name for name in _STATES if name in taken), None)
        self.state_names = _state_names(layers[0][1]) if layers else ("state",)
        self.layers = layers
        first = next((value for value in module.parameters() if value.is_floating_point()), None)
        self.dtype, self.device = (torch.float32, torch.device("cpu")) if first is None else (first.dtype, first.device)

    def embedding(self) -> str:
        """The path of the embedding that reads tokens."""
        found = [path for path, part in self.module.named_modules() if isinstance(part, (nn.Embedding, nn.EmbeddingBag))]
        if len(found) != 1 or isinstance(self.module.get_submodule(found[0]), nn.EmbeddingBag):
            raise ArgumentError(
                "the data is tokens, and the model has no embedding that reads them." if not found else "it is not clear which embedding reads the tokens.",
                expected="whole numbers for a model with one nn.Embedding, or x [T, B, F] of floating-point numbers",
                received=", ".join(found) or "a model without nn.Embedding",
                fix="give the vectors of the tokens, and a model that takes these",
            )
        return found[0]


class ModuleBatch(Posed):
    """A batch of a module.

    Args:
        given: [T, B, F] floats or [T, B] tokens. lengths: [B] or None. state: of the user's, or None. names: of the rows.
    """

    def __init__(self, form: Form, given: Tensor, lengths: list[int] | None, state: Any, names: list[str]) -> None:
        self._form, self._tokens, self.names = form, None, names
        self._path = None
        self.words: list[list[str]] | None = None
        if given.is_floating_point():
            self.x = given.detach()
        else:
            self._tokens, self._path = given, form.embedding()
            with torch.no_grad():
                self.x = form.module.get_submodule(self._path)(given).detach()
        self.tokens = self._tokens is not None
        self._has_lengths = lengths is not None
        self.lengths = as_lengths(lengths, *self.x.shape[:2])
        self.answer_lengths = self.lengths
        self._wrapped, self.state = _named_state(state, form)

    def run(self, x: Tensor, rows: Tensor, state: Mapping[str, Tensor] | None = None, resume: Resume | None = None) -> Any:
        form, module = self._form, self._form.module
        if resume is not None:
            module = with_part(module, form.layers[0][0], resume)
        given, seen = x, list[Tensor]()
        if self._path is not None and self._tokens is not None:

            def vectors(tokens: Tensor) -> Tensor:
                seen.append(tokens)
                return x.transpose(0, 1) if form.batch_first else x

            module = with_part(module, self._path, vectors)
            given = self._tokens[:, rows]
        options: dict[str, Any] = {}
        if self._has_lengths:
            options["lengths"] = torch.tensor([self.lengths[int(row)] for row in rows])
        if self.state:
            values = self.state if state is None else state
            carried = [values[name] if state is not None else values[name].index_select(-2, rows) for name in self.state]
            options[str(form.state)] = carried[0] if self._wrapped else tuple(carried)
        raw = module(given.transpose(0, 1) if form.batch_first else given, **options)
        if self._path is not None and len(seen) != 1:
            raise ArgumentError(
                f"the embedding {self._path} is used {len(seen)} times in a call, so it is not clear what stands for the tokens.", expected="once",
                fix="give the vectors of the tokens, and a model that takes these",
            )  # fmt: skip
        return raw

    def scores(self, raw: Any) -> Tensor:
        found = scores_of(raw)
        return found.transpose(0, 1) if found.dim() == 3 and self._form.batch_first else found

    def nothing(self) -> Tensor | None:
        return None

    def encoder(self) -> nn.Module | None:
        return self._form.layers[0][1] if len(self._form.layers) == 1 and self._tokens is None else None


class Module:
    """A torch module with a batch; see `Subject`.

    Args:
        module: in evaluation mode. data: x [T, B, F] (or batch first), or tokens [T, B]; a list of [T_i, F] arrays or of [T_i] tokens.
        lengths: [B], in steps. state: carried into the batch. batch_first: the order of the axes; None for that of the first recurrent layer.
    Raises:
        ArgumentError, ShapeError: the data, the lengths or the state do not fit the model.
    """

    labels = False

    def __init__(self, module: nn.Module, data: Any, *, lengths: Any = None, state: Any = None, batch_first: bool | None = None) -> None:
        require_steady(module)
        self._form = Form(module, batch_first)
        self.module = module
        self._data, self._lengths, self._state = data, lengths, state
        self.inputs: list[str] = []
        self.outputs: list[Any] = []
        self.widest = widest_of(module)
        if lengths is not None and not self._form.lengths:
            raise ArgumentError(
                f"{type(module).__name__} takes no lengths.", expected="a forward(..., lengths=...)", fix="give each item alone, without padding: a list of arrays [T_i, F]"
            )
        if state is not None and self._form.state is None:
            raise ArgumentError(f"{type(module).__name__} takes no state.", expected=f"a forward with one of {', '.join(_STATES)}", fix="leave state out")

    def batches(self) -> Iterator[Posed]:
        """The batch; a list of unequal lengths item by item, where the module takes no lengths."""
        return self._posed(self._data, self._lengths, self._state)

    def others(self, data: Any) -> Iterator[Posed]:
        """Other data of the same kind."""
        return self._posed(data, None, None)

    def copied(self, copied: Callable[[nn.Module], nn.Module]) -> Module:
        """The same data for a copy of the module."""
        twin = copy.copy(self)
        twin.module = copied(self.module)
        twin._form = Form(twin.module, self._form.batch_first)
        return twin

    def _posed(self, data: Any, lengths: Any, state: Any) -> Iterator[Posed]:
        if isinstance(data, PackedSequence):
            raise ArgumentError("the data is packed.", expected="x [T, B, F] with lengths=", fix="torch.nn.utils.rnn.pad_packed_sequence")
        if isinstance(data, (list, tuple)):
            yield from self._listed([self._tensor(item) for item in data])
            return
        given = self._tensor(data)
        if given.dim() != (3 if given.is_floating_point() else 2):
            raise ShapeError(
                "x has the wrong number of axes.", expected="x [T, B, F] of floats, or tokens [T, B] of whole numbers", received=f"x {describe(given)}",
                fix="x[:, None] for a single sequence, or a list of items",
            )  # fmt: skip
        given = given.transpose(0, 1) if self._form.batch_first else given
        wanted = None if lengths is None else as_lengths(lengths, *given.shape[:2])
        yield ModuleBatch(self._form, given, wanted, state, [str(row) for row in range(given.shape[1])])

    def _listed(self, items: Sequence[Tensor]) -> Iterator[Posed]:
        if not items:
            raise ArgumentError("there is nothing to explain.", expected="one item or more", received="an empty list")
        for number, item in enumerate(items):
            if item.dim() != (2 if item.is_floating_point() else 1) or not len(item):
                raise ShapeError(f"item {number} has the wrong shape.", expected="[T, F] of floats, or [T] tokens, with one step or more", received=describe(item))
        if self._state is not None:
            raise ArgumentError("a carried state belongs to a batch.", expected="x [T, B, F]", received=f"a list of {len(items)} items", fix="one tensor x, padded")
        if self._form.lengths:
            padded = nn.utils.rnn.pad_sequence(list(items))
            yield ModuleBatch(self._form, padded, [len(item) for item in items], None, [str(number) for number in range(len(items))])
            return
        for number, item in enumerate(items):
            yield ModuleBatch(self._form, item[:, None], None, None, [str(number)])

    def _tensor(self, data: Any) -> Tensor:
        try:
            found = data if isinstance(data, Tensor) else torch.as_tensor(np.asarray(data))
        except (TypeError, ValueError) as error:
            raise ShapeError(f"the data cannot be read as numbers: {error}.", expected="a tensor, an array, or a list of them, one for each item") from None
        found = found.to(self._form.device)
        return found.to(self._form.dtype) if found.is_floating_point() else found.long()


def _state_names(layer: nn.Module) -> tuple[str, ...]:
    if isinstance(layer, Recurrent):
        return tuple(layer.cell.widths("state"))
    return ("h", "c") if isinstance(layer, nn.LSTM) else ("h",)


def _named_state(state: Any, form: Form) -> tuple[bool, dict[str, Tensor]]:
    """Whether the state is one bare tensor, and its tensors by name."""
    if state is None:
        return False, {}
    bare = isinstance(state, Tensor)
    parts = [state] if bare else list(state)
    names = form.state_names if len(form.state_names) == len(parts) else tuple(f"state {number}" for number in range(len(parts)))
    if not all(isinstance(part, Tensor) for part in parts):
        raise ShapeError("the state has a part that is no tensor.", expected="a tensor, or a tuple of tensors")
    return bare, {name: part.detach() for name, part in zip(names, parts)}
