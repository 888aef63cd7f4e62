"""The far past of an item as one player, and a model that is run from the end of that past only.

TimeSHAP (Bento et al. 2021): from the end of an item backwards, the past before a step is one player and the rest another. Where the past's Shapley value in
that game of two is small enough, it stays one player. What is lost is how the past's value is divided among its steps; its sum is kept.

The bound. Let delta be the most that the whole past changes the answer to any coalition of the other players. If no part of the past changes an answer by more
than the whole does, each other player's value differs by at most 2 delta from its value in the game that is not pruned: the answers to one coalition lie within
delta of each other whatever part of the past is there, and a value is a mean of differences of two answers. delta is measured on coalitions drawn at random.

Shapes: T steps of the item, c of them in the past, w = T - c, N coalitions, R references.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.explain.coalitions import Coalitions
from tenuto.explain.question import Question
from tenuto.explain.subject import recurrent_layers
from tenuto.layers.recurrent import Output, Recurrent

CANDIDATES = 64  # places where the past may end
_POINTWISE = (nn.LayerNorm, nn.Dropout, nn.Linear, nn.Identity)


def far_past(question: Question, row: int, tolerance: float) -> tuple[int, float]:
    """How many steps the far past has, and its value in the game of two; (0, 0.0) where no past is negligible.

    Args:
        tolerance: what the past's value may be, as a share of |all - nothing|.
    """
    x, references = question.x(row), question.references(row)
    steps = len(x)
    if steps < 2:
        return 0, 0.0
    windows = np.unique(np.round(np.geomspace(1, steps - 1, min(CANDIDATES, steps - 1))).astype(int))
    cuts = torch.from_numpy(steps - windows).to(x.device)
    ages = torch.arange(steps, device=x.device)
    total = np.zeros(2 * len(cuts) + 2)
    for reference in references:

        def inputs(piece: slice) -> Tensor:
            """The past alone for each cut, then the rest alone, then everything and nothing."""
            numbers = torch.arange(piece.start, piece.stop, device=x.device)
            cut = torch.cat([cuts, cuts, cuts.new_tensor([steps, 0])])[numbers]
            past = ages[:, None] < cut  # [T, n]
            second = (numbers >= len(cuts)) & (numbers < 2 * len(cuts))
            return torch.where((past ^ second)[..., None], x[:, None], reference[:, None])  # noqa: B023  # called in this iteration

        total += question.of_row(row, len(total), inputs).cpu().numpy()
    total /= len(references)
    alone, rest, everything, nothing = total[: len(cuts)], total[len(cuts) : -2], total[-2], total[-1]
    values = 0.5 * ((alone - nothing) + (everything - rest))
    small = np.flatnonzero(np.abs(values) <= tolerance * abs(everything - nothing))
    return (int(cuts[small[0]]), float(values[small[0]])) if len(small) else (0, 0.0)


def effect_of_past(game: Coalitions, seed: int, draws: int = 32) -> float:
    """delta: the most that the first player, which is the past, changes the answer to coalitions of the others."""
    generator = np.random.default_rng(seed)
    shares = generator.random((draws, 1))
    without = generator.random((draws, game.count)) < shares
    without[:, 0], without[0, 1:], without[-1, 1:] = False, False, True
    present = without.copy()
    present[:, 0] = True
    both = game.values(np.concatenate([present, without]))
    return float(np.abs(both[:draws] - both[draws:]).max())


class Resumed:
    """Runs only the last w steps of each coalition, from one of R + 1 kept states: after the item's own past, and after each reference's.

    Args:
        game: whose first player is the past. cut: c.
    """

    def __init__(self, game: Coalitions, cut: int) -> None:
        self.game, self.cut = game, cut
        self._encoder = game.question.posed.encoder()
        self._first = bool(getattr(self._encoder, "batch_first", False))
        self._kept: list[tuple[Tensor, Any]] = []

    def fits(self) -> bool:
        """Whether the model gives the same answers in this way: its encoder looks only backwards, reads x itself, and is all that reads it."""
        encoder, game = self._encoder, self.game
        if encoder is None or game.states or not _looks_back(encoder):
            return False
        present = np.random.default_rng(0).random((4, game.count)) < 0.5
        present[0], present[1], present[2:, 0] = True, False, (True, False)
        whole = game.values(present)
        try:
            self._keep()
            game.ask = self.ask
            again = game.values(present)
        except (RuntimeError, TypeError, ValueError, IndexError, AttributeError):  # a model that calls its layer in another way: it is run as a whole
            game.ask = game._ask
            return False
        precision = 1e-9 if game.x.dtype == torch.float64 else 1e-4
        if np.abs(whole - again).max() <= precision * (1.0 + np.abs(whole).max()):
            return True
        game.ask = game._ask
        return False

    def _keep(self) -> None:
        """The outputs [c, 1, W] and the state after the item's own past, and after that of each reference."""
        assert self._encoder is not None
        for past in (self.game.x, *self.game.references):
            with torch.no_grad():
                output, state = self._encoder(self._turned(past[: self.cut, None]))[:2]
            self._kept.append((self._turned(output), state))

    def ask(self, x: Tensor, reference: int, present: Tensor) -> Tensor:
        """In place of `Coalitions.ask`."""
        rows = self.game.question.repeated(self.game.row, x.shape[1])
        own, other = self._kept[0], self._kept[1 + reference]
        chosen = (~present[:, 0]).long()  # 0: the item's own past

        def forward(read: Tensor, state: Any = None, **more: Any) -> Any:
            streams = {name: value[self.cut : len(x)] for name, value in (more.get("streams") or {}).items()}
            begun = _merged(own[1], other[1], lambda a, b: torch.cat([a, b], dim=-2).index_select(-2, chosen))
            assert self._encoder is not None
            output, after = self._encoder(self._turned(x[self.cut :]), begun, **({"streams": streams} if streams else {}))[:2]
            before = torch.cat([own[0], other[0]], dim=1).index_select(1, chosen)
            return Output(self._turned(torch.cat([before, self._turned(output)])), after)

        return self.game.question.ask(x, rows, None, forward)

    def _turned(self, value: Tensor) -> Tensor:
        """From [T, B, W] to the encoder's order of axes, or back."""
        return value.transpose(0, 1) if self._first else value


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


def _merged(left: Any, right: Any, join: Callable[[Tensor, Tensor], Tensor]) -> Any:
    """Two states of the same form, joined tensor by tensor."""
    if isinstance(left, Tensor):
        return join(left, right)
    parts = [_merged(one, other, join) for one, other in zip(left, right, strict=True)]
    return type(left)(*parts) if hasattr(left, "_fields") else tuple(parts)
