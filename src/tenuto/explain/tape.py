"""A model run on an input and on a reference at once, and the way back from its answer to the input.

A dispatch mode sees each operation that reaches torch, runs it on both, and notes how a multiplier that arrives at its result passes on to its
arguments (`operations.py`). No hook is set, nothing is written on a model: what is noted belongs to the tape.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from tenuto.errors import TenutoError

Pull = Callable[[Sequence[Tensor | None]], Sequence[Tensor | None]]
Rule = Callable[["Call"], Any]


@dataclass
class Record:
    """One operation: the numbers of the values that it made and was made from, and how multipliers pass from those to these."""

    results: list[int]
    arguments: list[int]
    pull: Pull


class Layout:
    """Where the arguments of an operation stand in a flat list: each alone, or a list of them in a row. (torch's own `tree_flatten` takes as long as a short operation.)"""

    def __init__(self, args: Sequence[Any], options: Mapping[str, Any]) -> None:
        self._count, self._names = len(args), list(options)
        self._sizes = [len(value) if isinstance(value, (list, tuple)) else None for value in (*args, *options.values())]
        self.flat: list[Any] = []
        for value, size in zip((*args, *options.values()), self._sizes):
            self.flat += [value] if size is None else value

    def filled(self, flat: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments and options with other values in these places."""
        values, rest = list[Any](), iter(flat)
        for size in self._sizes:
            values.append(next(rest) if size is None else list(islice(rest, size)))
        return tuple(values[: self._count]), dict(zip(self._names, values[self._count :]))


class Call:
    """One operation on values of which some are followed.

    Attributes:
        tape: while the operation's rule runs. args, options: with the values of the run that is explained. args0, options0: with those of the reference run.
        places: where among the flat arguments the followed ones stand. flat, flat0: all of them, flat.
    """

    def __init__(self, tape: Tape, func: Any, flat: list[Any], places: list[int], layout: Layout) -> None:
        self.tape, self.func, self.places, self._layout = tape, func, places, layout
        self.slots = [tape.slot_of(flat[place]) for place in places]
        self.flat, self.flat0 = list(flat), list(flat)
        for place, slot in zip(places, self.slots):
            self.flat[place], self.flat0[place] = tape.values[slot], tape.references[slot]
        self.given = flat
        self.args, self.options = self.with_flat(self.flat)
        self.args0, self.options0 = self.with_flat(self.flat0)

    @property
    def name(self) -> str:
        """torch's name of the operation."""
        return str(self.func)

    def with_flat(self, flat: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments and options from flat ones."""
        return self._layout.filled(flat)

    def both(self) -> tuple[Any, Any]:
        """The operation's result in both runs."""
        return self.func(*self.args, **self.options), self.func(*self.args0, **self.options0)

    def note(self, result: Any, reference: Any, pull: Pull) -> Any:
        """Follows the results, each a tensor or None, and returns them. `pull` is given a multiplier for each, and gives one for each followed argument."""
        one = isinstance(result, Tensor)
        results, references = ([result], [reference]) if one else (list(result), list(reference))
        slots = [self.tape.follow(value, value0) for value, value0 in zip(results, references)]
        self.tape.records.append(Record(slots, self.slots, pull))
        return result


class Tape(TorchDispatchMode):
    """Follows values through operations. `rule_of` finds the rule of an operation, or None."""

    def __init__(self, rule_of: Callable[[Any], Rule | None]) -> None:
        super().__init__()
        self._rule_of = rule_of
        self.values: list[Tensor] = []
        self.references: list[Tensor] = []
        self.records: list[Record] = []
        self._slots: dict[int, int] = {}
        self._objects: dict[int, Tensor] = {}  # by id, so that none is taken for another
        self._stale: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # otherwise torch imports its compiler because of a mode that it never sees (torch 2.13)

    def follow(self, value: Tensor, reference: Tensor, known_as: Tensor | None = None) -> int:
        """Follows a value from now on, under the tensor that the model holds (the value itself, if not another)."""
        slot = len(self.values)
        self.values.append(value)
        self.references.append(reference)
        held = value if known_as is None else known_as
        self._slots[id(held)], self._objects[id(held)] = slot, held
        return slot

    def slot_of(self, tensor: Tensor) -> int:
        """The number of a followed value."""
        if id(tensor) in self._stale:
            raise refusal("part of a value was written over after it was made, so that what is read now cannot be told", "a new tensor instead of a write in place: torch.cat, torch.stack, torch.where")
        return self._slots[id(tensor)]

    def follows(self, tensor: Any) -> bool:
        """Whether this value differs, or may differ, between the runs."""
        return isinstance(tensor, Tensor) and id(tensor) in self._slots

    def reference_of(self, tensor: Tensor) -> Tensor:
        """The same value in the reference run."""
        return self.references[self.slot_of(tensor)] if self.follows(tensor) else tensor

    def value_of(self, tensor: Tensor) -> Tensor:
        """The value in the run that is explained."""
        return self.values[self.slot_of(tensor)] if self.follows(tensor) else tensor

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags and self._rule_of(func) is None:
            raise refusal(f"the model draws random numbers ({func})", "model.eval(), and no dropout or noise while a model is explained")
        layout = Layout(args, kwargs or {})
        flat = layout.flat
        places = [place for place, value in enumerate(flat) if self.follows(value)]
        if not places:
            return func(*args, **(kwargs or {}))
        if func._schema.is_mutable:
            return self._in_place(func, args, dict(kwargs or {}))
        rule = self._rule_of(func)
        if rule is None:
            raise refusal(f"contributions have no rule for {_readable(func)}", "a module of which each operation has one (linear maps, products, the usual activations and norms, pooling, softmax, recurrent layers)")
        call = Call(self, func, flat, places, layout)
        try:
            return rule(call)
        finally:
            del call.tape  # what is noted keeps the call: with the tape in it, all that was run would wait for the garbage collector

    def _in_place(self, func: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """A write into a whole value is a new value; other tensors in the same memory are not what they were."""
        target = args[0]
        packet, _, overload = str(func).removeprefix("aten.").partition(".")
        plain = getattr(torch.ops.aten, packet.removesuffix("_"), None)
        if not packet.endswith("_") or plain is None or not hasattr(plain, overload) or (not self.follows(target) and target._is_view()):
            raise refusal(f"the model writes in place into a part of a value, or by {func}", "a new tensor instead: torch.cat, torch.stack, torch.where")
        before = self.value_of(target)
        with self:
            made = torch.zeros_like(before) if packet == "zero_" else getattr(plain, overload)(*args, **options)
            made = made.to(target.dtype).expand(target.shape)  # within the block: a view that the tape did not see made is followed no more
        for key in self._objects:
            if key != id(target) and key in self._slots and _overlap(self.values[self._slots[key]], before):
                self._stale.add(key)
        self._stale.discard(id(target))
        # What is the same in both runs is followed too: the model's own tensor, whose memory is left alone, does not hold it.
        slot = self._slots[id(made)] if self.follows(made) else self.follow(made, made)
        self._slots[id(target)], self._objects[id(target)] = slot, target
        return target

    def pull(self, result: Tensor, multiplier: Tensor, inputs: Sequence[int]) -> list[Tensor]:
        """The multipliers of followed values, by their numbers, given that of a result; zeros where nothing of it comes from one.

        Once: each operation's memory is let go of as soon as it has been passed.
        """
        found: dict[int, Tensor] = {self._slots[id(result)]: multiplier} if self.follows(result) else {}
        while self.records:
            record = self.records.pop()
            arrived = [found.get(slot) for slot in record.results]
            if all(m is None for m in arrived):
                continue
            for slot, part in zip(record.arguments, record.pull(arrived), strict=True):
                if part is not None:
                    found[slot] = part if slot not in found else found[slot] + part
        return [found.get(slot, torch.zeros_like(self.values[slot])) for slot in inputs]


def _overlap(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have a number in memory in common."""
    if one is other or one.untyped_storage().data_ptr() != other.untyped_storage().data_ptr() or not one.numel() or not other.numel():
        return one is other
    places = torch.arange(one.untyped_storage().nbytes() // one.element_size())
    taken = torch.zeros(len(places), dtype=torch.bool)
    taken[places.as_strided(one.shape, one.stride(), one.storage_offset()).flatten()] = True
    return bool(taken[places.as_strided(other.shape, other.stride(), other.storage_offset()).flatten()].any())


def _readable(func: Any) -> str:
    return f"torch's {str(func).removeprefix('aten.').partition('.')[0]!r}" if str(func).startswith("aten.") else str(func)


def refusal(what: str, fix: str) -> TenutoError:
    """The error for what has no rule, with the innermost module that was running."""
    frame = sys._getframe(1)
    module: nn.Module | None = None
    while frame is not None and module is None:  # type: ignore[redundant-expr]
        found = frame.f_locals.get("self")
        module = found if isinstance(found, nn.Module) else None
        frame = frame.f_back  # type: ignore[assignment]
    where = f", in {type(module).__name__}" if module is not None else ""
    return TenutoError(f"{what}{where}.", expected="operations whose parts are known exactly", fix=fix + "; or a gradient method, which asks for less")
