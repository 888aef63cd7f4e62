"""Coalitions that begin alike, run together until they part: an encoder that looks only backwards reads the same there.

Coalitions are sorted by the players that come first in time. Steps are cut where players change; in each piece of time only those coalitions are run that differ
up to its end, each from the state of the one that it went on from. So a far past that is one player is run twice, however many coalitions there are.

Shapes: N coalitions, P players, T steps of the item, F features, W the output's width, D coalitions that differ up to some step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.errors import TenutoError
from tenuto.explain.players import Players
from tenuto.explain.question import Question
from tenuto.explain.subject import recurrent_layers
from tenuto.layers.recurrent import Output, Recurrent

_POINTWISE = (nn.LayerNorm, nn.Dropout, nn.Linear, nn.Identity)
# A call costs about as much as so many steps of a row: the cpp engine, a GRU of 64 units (AMD EPYC).
CALL = 512
_UNFIT = (TenutoError, ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class Prefixes:
    """Runs the coalitions of one row in this way.

    Args:
        question, row: what is asked.
    """

    def __init__(self, question: Question, row: int) -> None:
        self._question, self._row, self._x = question, row, question.x(row)
        self._encoder = question.posed.encoder()
        self._batch_first = bool(getattr(self._encoder, "batch_first", False))
        self._streams: dict[str, Tensor] = {}  # [T, 1, W] each
        self._last_only = True  # whether the answer reads no output but that of the last step
        self._blank: float | None = None  # what stands where nothing is read, if that matters

    def fits(self) -> bool:
        """Whether the model gives the same answers in this way: its encoder looks only backwards, reads x itself, and is all that reads it.

        What is thought not to be read is made not a number, which no arithmetic on it would hide.
        """
        if self._encoder is None or self._question.posed.state or len(self._x) < 2 or not _looks_back(self._encoder):
            return False
        steps = Players(tuple(map(str, range(len(self._x)))), np.repeat(np.arange(len(self._x))[:, None], self._x.shape[1], axis=1))
        present = np.random.default_rng(0).random((6, len(self._x))) < 0.5
        present[0], present[1], present[2], present[3, : len(self._x) // 2] = True, False, [*[True] * (len(self._x) - 1), False], present[4, : len(self._x) // 2]
        reference = self._question.references(self._row)[0]
        try:
            whole = self._whole(present, reference)
            self._blank = math.nan
            for self._last_only in (True, False):
                again = self.scores(present, steps, reference)
                precision = 1e-9 if self._x.dtype == torch.float64 else 1e-4
                if np.abs(whole - again).max() <= precision * (1.0 + np.abs(whole).max()):
                    return True
        except _UNFIT:  # a model that calls its layer in another way: it is run as a whole
            return False
        finally:
            self._blank = None
        return False

    def _whole(self, present: np.ndarray, reference: Tensor) -> np.ndarray:
        """The scores of coalitions whose players are the steps, by whole runs, in which the encoder is seen at work."""
        calls = list[dict[str, Any]]()
        assert self._encoder is not None

        def forward(read: Tensor, state: Any = None, **more: Any) -> Any:
            calls.append({"state": state, **more})
            return self._encoder(read, *([] if state is None else [state]), **more)  # type: ignore[misc]

        found = list[Tensor]()
        for piece in self._question.pieces(len(present), self._question.posed.x.shape[0]):
            there = torch.from_numpy(present[piece].T.copy()).to(self._x.device)[..., None]  # [T, n, 1]
            x = self._question.padded(torch.where(there, self._x[:, None], reference[:, None]))
            calls.clear()
            with torch.no_grad():
                found.append(self._question.ask(x, self._question.repeated(self._row, x.shape[1]), None, forward))
            (given,) = calls
            self._streams = {name: value[: len(self._x), :1] for name, value in (given.pop("streams", None) or {}).items()}
            given.pop("lengths", None)
            if any(value is not None for value in given.values()):
                raise ValueError("the encoder is given more than x")
        return torch.cat(found).double().cpu().numpy()

    def scores(self, present: np.ndarray, players: Players, reference: Tensor) -> np.ndarray:
        """The scores [N] float64 of coalitions [N, P] bool against one reference [T, F]."""
        time = _Time(players)
        order = time.sorted(present)
        found = np.empty(len(present))
        with torch.no_grad():
            for piece in self._question.pieces(len(present), 1 if self._last_only else len(self._x)):
                rows = order[piece]
                found[rows] = self._answers(*self._run(present[rows], time, players, reference))
        return found

    def _run(self, present: np.ndarray, time: _Time, players: Players, reference: Tensor) -> tuple[Tensor, Any]:
        """The outputs, of all steps or the last one, and the states after it, of coalitions in order."""
        assert self._encoder is not None
        z, places, device = torch.from_numpy(present), torch.from_numpy(players.places), self._x.device
        outputs: list[Tensor] = []
        output, state, before = self._x, None, np.zeros(len(present), dtype=np.int64)
        for begin, end, own in time.pieces(present):
            group = np.cumsum(own) - 1  # [n], of each coalition
            leaders = np.flatnonzero(own)  # [D], the first of each group
            made = []
            for piece in self._question.pieces(len(leaders), end - begin):
                chosen = leaders[piece]
                cells = z[chosen][:, places[begin:end]].transpose(0, 1).to(device)  # [t, D, F]
                x = torch.where(cells, self._x[begin:end, None], reference[begin:end, None])
                begun = None if state is None else _chosen(state, before[chosen])
                streams = {name: value[begin:end].expand(-1, len(chosen), -1) for name, value in self._streams.items()}
                made.append(self._encoder(self._turned(x), begun, **({"streams": streams} if streams else {}))[:2])
            output = torch.cat([self._turned(one[0]) for one in made], 1) if len(made) > 1 else self._turned(made[0][0])
            state = _joined([one[1] for one in made], lambda parts: torch.cat(parts, -2))
            before = group
            if not self._last_only:
                outputs.append(output.index_select(1, torch.from_numpy(group).to(device)))
        whole = output[-1:].index_select(1, torch.from_numpy(before).to(device)) if self._last_only else torch.cat(outputs)
        return whole, _chosen(state, before)

    def _answers(self, output: Tensor, state: Any) -> np.ndarray:
        """The scores of what the model makes of these outputs and states; it reads no x."""
        question, found, steps = self._question, list[Tensor](), len(self._x)
        nothing = self._x.new_full((1, 1, 1), self._blank or 0.0)
        size = max(1, question.most // (steps * output.shape[-1]))
        for first in range(0, output.shape[1], size):
            part = output[:, first : first + size]
            count = part.shape[1]
            ends = _chosen(state, np.arange(first, first + count))
            whole = part
            if self._last_only:
                whole = part.new_empty(steps, count, part.shape[-1])  # of which nothing but the last step is read, or takes memory
                whole[:-1].fill_(self._blank) if self._blank is not None else None
                whole[-1:] = part
            forward = lambda *_, whole=whole, ends=ends, **__: Output(self._turned(whole), ends)  # noqa: E731
            found.append(question.ask(nothing.expand(steps, count, self._x.shape[1]), question.repeated(self._row, count), None, forward))
        return torch.cat(found).double().cpu().numpy()

    def _turned(self, value: Tensor) -> Tensor:
        """From [T, B, W] to the encoder's order of axes, or back."""
        return value.transpose(0, 1) if self._batch_first else value


class _Time:
    """The order in which players appear, and where in time they change."""

    def __init__(self, players: Players) -> None:
        places = players.places
        self._ends = np.append(np.flatnonzero((places[1:] != places[:-1]).any(1)) + 1, len(places))
        known, first = np.unique(places, return_index=True)
        self._order = known[np.argsort(first, kind="stable")]
        begins = np.sort(first // places.shape[1])
        self._known = np.searchsorted(begins, self._ends)  # how many players have appeared before each end

    def sorted(self, present: np.ndarray) -> np.ndarray:
        """[N], the coalitions in an order in which those that begin alike stand together."""
        bits = np.packbits(present[:, self._order], axis=1)
        words = np.ascontiguousarray(np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8)))).view(">u8")
        return np.lexsort(words.T[::-1])

    def pieces(self, present: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
        """Begin and end of each piece of time, and which coalitions (sorted) differ up to its end from the one before them."""
        keys = present[:, self._order]
        differ = keys[1:] != keys[:-1]
        parted = np.append(-1, np.where(differ.any(1), differ.argmax(1), keys.shape[1]))
        counts = np.searchsorted(np.sort(parted), self._known)
        begin, wasted = 0, 0
        for place, end in enumerate(self._ends):
            wasted += (counts[place + 1] - counts[place]) * (int(end) - begin) if place + 1 < len(counts) else CALL + 1
            if wasted > CALL:
                yield begin, int(end), parted < self._known[place]
                begin, wasted = int(end), 0


def _looks_back(encoder: nn.Module) -> bool:
    """Whether every recurrent layer of the encoder runs forward, and every other part of it treats each step alone."""
    layers = recurrent_layers(encoder)
    forward = all(not part.bidirectional and not getattr(part, "reverse", False) for _, part in layers)
    inside = {path for path, part in encoder.named_modules() if isinstance(part, (Recurrent, nn.RNNBase))}
    others = [
        part for path, part in encoder.named_modules()
        if not any(True for _ in part.children()) and not any(path == layer or path.startswith(f"{layer}.") or not layer for layer in inside)
    ]  # fmt: skip
    return bool(layers) and forward and all(isinstance(part, _POINTWISE) for part in others)


def _joined(states: list[Any], join: Callable[[list[Tensor]], Tensor]) -> Any:
    """States of the same form, joined tensor by tensor."""
    if isinstance(states[0], Tensor):
        return join(states)
    parts = [_joined(list(each), join) for each in zip(*states, strict=True)]
    return type(states[0])(*parts) if hasattr(states[0], "_fields") else tuple(parts)


def _chosen(state: Any, rows: np.ndarray) -> Any:
    """The state of these rows."""
    return _joined([state], lambda parts: parts[0].index_select(-2, torch.from_numpy(rows).to(parts[0].device)))
