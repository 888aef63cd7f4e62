"""Which combination of fewer units and smaller weights to take: all of a few are tried, and the best that is small and good enough is chosen."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from tenuto.compress.call import compress
from tenuto.compress.compression import Compression, Tried
from tenuto.compress.narrowing import UnitsStay
from tenuto.compress.quality import Quality, quality, result_of
from tenuto.compress.quantise import WEIGHTS, require_floats
from tenuto.errors import ArgumentError
from tenuto.runs.names import CONFIG, MODEL
from tenuto.tasks.estimator import Estimator
from tenuto.tongues import argument, either

E = TypeVar("E", bound=Estimator)

SHARES = (None, 0.75, 0.5, 0.25)  # of the units that stay


@dataclass(frozen=True)
class _Candidate:
    """One combination: the model, what it is in words, its bytes and its quality beside the whole model's."""

    model: Any
    how: str
    size: int
    quality: Quality

    @property
    def rank(self) -> tuple[float, int]:
        return self.quality.drop, self.size


def search(model: E, *, data: Any, target_size: int | None = None, max_drop: float | None = None, finetune: Any = None, folder: str | Path | None = None, **options: Any) -> E:
    """The best of several combinations of fewer units (3/4, 1/2, 1/4 of them, where they can be taken away) and smaller weights.

    Args:
        data: a labelled set, or (x, y), on which all are measured.
        target_size: bytes of the weights and the config, which are what a prediction reads. The best that is no larger is chosen; without it, the smallest that is good enough.
        max_drop: by how much it may be worse than the model, as a share of the model's own number.
        finetune, folder, options: of the models with fewer units, as `compress`.
    Returns:
        The model chosen; `Compression.of` has all that were tried.
    Raises:
        ArgumentError: none is small and good enough; says by how much, and names the nearest.
    """
    if target_size is None and max_drop is None:
        raise ArgumentError("it is not said what to look for.", expected=f"{argument('target_size')} or {argument('max_drop')}, or both")
    model.require_fit("compress.search")
    require_floats(model.network_)
    found = list(_candidates(model, data, finetune, folder, options))
    if not found:
        raise ArgumentError("nothing in this model can be made smaller.", expected="a model with units that can be taken away, or with matrices of some size")
    good = [one for one in found if max_drop is None or one.quality.drop <= max_drop]
    fits = [one for one in good if target_size is None or one.size <= target_size]
    if not fits:
        raise _nothing(found, good, target_size, max_drop)
    chosen = min(fits, key=lambda one: one.rank if target_size is not None else (one.size, one.quality.drop))
    tried = [Tried(one.how, one.size, one.quality.after, one is chosen) for one in found]
    made = Compression.of(chosen.model)
    chosen.model.evaluation_ = {**chosen.model.evaluation_, "compression": replace(made, quality=chosen.quality, tried=tried).to_data()}
    result: E = chosen.model
    return result


def _candidates(model: Estimator, data: Any, finetune: Any, folder: str | Path | None, options: dict[str, Any]) -> Iterator[_Candidate]:
    before = result_of(model, data)
    for share in SHARES:
        fewer, units = model, None
        if share is not None:
            home = None if folder is None else Path(folder) / f"units-{share}"
            try:
                fewer = compress(model, units=share, data=data, finetune=finetune, folder=home if finetune is not None else None, **options)
            except UnitsStay:
                continue
            units = Compression.of(fewer)
            assert units.quality is not None  # data were given
            yield _candidate(fewer, f"{share:.0%} of the units", units.quality)
        for weights in WEIGHTS:
            try:
                small = compress(fewer, weights=weights)
            except ArgumentError:  # so small a model does not become smaller in this form
                continue
            if units is not None:
                both = replace(Compression.of(small), bytes_before=units.bytes_before, units=units.units, spectrum=units.spectrum)
                small.evaluation_ = {**small.evaluation_, "compression": both.to_data()}
            yield _candidate(small, weights if share is None else f"{share:.0%} of the units, {weights}", quality(before, result_of(small, data)))


def _candidate(model: Estimator, how: str, measured: Quality) -> _Candidate:
    with tempfile.TemporaryDirectory() as home:
        written = copy.copy(model).save(Path(home) / "run")
        size = sum((written / name).stat().st_size for name in (CONFIG, MODEL))
    return _Candidate(model, how, size, measured)


def _nothing(found: Sequence[_Candidate], good: Sequence[_Candidate], target_size: int | None, max_drop: float | None) -> ArgumentError:
    """The error where nothing is small and good enough: by how much, and the nearest."""
    if target_size is None or not good:
        best = min(found, key=lambda one: one.rank)
        return ArgumentError(
            f"every smaller model is worse than asked; the best of them is {best.how}: {best.quality}.", expected=f"at most {max_drop:.2%} worse", received=f"{best.quality.drop:.2%} worse",
            fix=f"allow {argument('max_drop', round(best.quality.drop + 5e-5, 4))}, or let the model learn on: {argument('finetune')}",
        )  # fmt: skip
    nearest = min(good, key=lambda one: one.size)
    fitting = sorted((one for one in found if one.size <= target_size), key=lambda one: one.rank)
    more = f"; {fitting[0].how} is small enough, but {fitting[0].quality.drop:.2%} worse" if fitting else ""
    return ArgumentError(
        f"no model is as small as asked; the nearest is {nearest.how} with {nearest.size:,} bytes ({nearest.quality}){more}.", expected=f"at most {target_size:,} bytes",
        received=f"{nearest.size - target_size:,} bytes more", fix=f"{argument('target_size', nearest.size)}, or {either('distill', '`tenuto distill`')} into a smaller network first",
    )  # fmt: skip
