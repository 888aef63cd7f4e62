"""`Pruning`: what is to be taken away from a fitted estimator, and how it learns on."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, TypeVar

from tenuto.compress.compression import Units
from tenuto.compress.low_rank import checked_rank, finetuned_ranks, without_ranks
from tenuto.compress.rounds import Rounds
from tenuto.compress.sparsity import checked_blocks, checked_share, finetuned_weights, without_weights
from tenuto.compress.spectrum import Spectrum, spectra
from tenuto.compress.units import checked_units, finetuned_units, lesson_of, without_units
from tenuto.errors import ArgumentError
from tenuto.layers.stored import LowRank, Sparse, StoredWeight
from tenuto.tasks.estimator import Estimator
from tenuto.tongues import argument

E = TypeVar("E", bound=Estimator)


@dataclass(frozen=True)
class Pruning:
    """What `compress` is asked to take away; see there."""

    units: float | None
    sparsity: float | None
    blocks: int | None
    rank: float | None
    score: str | None
    finetune: Any
    rounds: Rounds

    @property
    def asked(self) -> bool:
        """Whether anything is to be taken away."""
        return bool(self._told)

    @property
    def form(self) -> type[StoredWeight] | None:
        """The form of what is left; None where it is an ordinary matrix."""
        return Sparse if self.sparsity is not None else LowRank if self.rank is not None else None

    @property
    def _told(self) -> list[str]:
        return [name for name in ("units", "sparsity", "rank") if getattr(self, name) is not None]

    def check(self, fitted: bool, measured: bool) -> None:
        """Raise ArgumentError if something is asked for that goes with nothing else that is asked for.

        Args:
            fitted: whether it is for an estimator. measured: whether there are data to measure it on.
        """
        if self.blocks is not None and self.sparsity is None:
            raise ArgumentError(f"{argument('blocks', self.blocks)} says how weights go, and none are to go.", expected=f"{argument('sparsity', 0.9)} with it", fix=f"leave {argument('blocks')} out")
        if not self.asked:
            training = {} if self.finetune is not None else {"folder": self.rounds.folder, **self.rounds.changes}
            told = {"score": self.score, **training}
            wrong = next((name for name, value in told.items() if value is not None), None)
            if wrong is not None:
                amounts = {"units": 0.5, "sparsity": 0.9, "rank": 0.25}
                raise ArgumentError(f"{argument(wrong)} goes with units, weights or ranks that are taken away.", expected=" or ".join(argument(*one) for one in amounts.items()))
            return
        if not fitted:
            raise ArgumentError("what is taken away from a torch module is found by a call of it.", fix="tenuto.compress.with_fewer_units(module, x, units=0.5)")
        if len(self._told) > 1:
            raise ArgumentError("units, single weights and ranks are taken away one after the other.", expected="one of them", received=", ".join(map(argument, self._told)), fix="take units away first, then compress what is left")
        if self.units is not None and self.finetune is None and not measured:
            raise ArgumentError(
                "which weights belong to a unit is found by reading something.", expected=f"{argument('finetune')}, or {argument('data')} without fine-tuning",
                fix=f"give {argument('finetune')}: a labelled set",
            )  # fmt: skip
        if self.units is not None:
            checked_units(self.units)
        if self.sparsity is not None:
            checked_share(self.sparsity)
        if self.rank is not None:
            checked_rank(self.rank)

    def of(self, model: E, data: Any) -> tuple[E, dict[str, Any]]:
        """A copy of a model without what is taken away, and what `Compression` keeps of it. One that did not learn on has no curves: the run that it was made from keeps them."""
        smaller, about = self._of(model, data)
        if not self.asked or self.finetune is None:
            smaller.metrics_ = []
        return smaller, about

    def _of(self, model: E, data: Any) -> tuple[E, dict[str, Any]]:
        if not self.asked:
            return copy.deepcopy(model), {}
        learns = self.finetune is not None
        if self.rank is not None:
            share = checked_rank(self.rank)
            smaller = finetuned_ranks(model, self.finetune, share=share, rounds=self.rounds) if learns else without_ranks(model, share)
            return smaller, {"rank": share, "spectrum": self._spectrum(model, smaller, data)}
        if self.units is None:
            share, rows = checked_share(self.sparsity), None if self.blocks is None else checked_blocks(model.network_, self.blocks)
            smaller = finetuned_weights(model, self.finetune, share=share, rounds=self.rounds, rows=rows) if learns else without_weights(model, share, rows)
            return smaller, {"sparsity": share, "blocks": rows, "spectrum": self._spectrum(model, smaller, data)}
        score = self.score or ("taylor" if learns else "norm")
        if learns:
            smaller = finetuned_units(model, self.finetune, units=self.units, score=score, rounds=self.rounds)
        else:
            smaller = without_units(model, data, units=self.units, score=score)
        units = Units(model.hidden_size, smaller.hidden_size, score, learns)
        return smaller, {"units": units, "spectrum": self._spectrum(model, smaller, data)}

    def _spectrum(self, model: E, smaller: E, data: Any) -> list[Spectrum]:
        """The recurrent Jacobian before and after, where there is something to read."""
        data = self.finetune if data is None else data
        return [] if data is None else spectra(model.network_, smaller.network_, lesson_of(model, data))
