"""Which combination of fewer units and smaller weights to take: all of a few are tried, and the best that is small and good enough is chosen."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from tenuto.compress.amounts import amount
from tenuto.compress.compression import FLOATS, Compression, Tried
from tenuto.compress.limits import Limits
from tenuto.compress.narrowing import UnitsStay
from tenuto.compress.pruning import Pruning
from tenuto.compress.quality import Quality, quality, result_of
from tenuto.compress.quantise import WEIGHTS, bytes_of, quantise, require_floats
from tenuto.compress.rounds import Rounds
from tenuto.compress.speed import Speed, require_fast, speed_of
from tenuto.errors import ArgumentError
from tenuto.runs.names import CONFIG, MODEL
from tenuto.tasks.estimator import Estimator
from tenuto.tongues import argument, either
from tenuto.train import Observer

E = TypeVar("E", bound=Estimator)

SHARES = (None, 0.75, 0.5, 0.25)  # of the units that stay


@dataclass(frozen=True)
class _Candidate:
    """One combination: the model, what it is in words, its bytes, and its quality and speed beside the whole model's."""

    model: Any
    how: str
    size: int
    quality: Quality
    speed: Speed | None

    @property
    def rank(self) -> tuple[float, int]:
        return self.quality.drop, self.size


def search(
    model: E,
    *,
    data: Any,
    target_size: int | None = None,
    max_drop: float | None = None,
    min_speedup: float | None = None,
    finetune: Any = None,
    score: str | None = None,
    rounds: int = 3,
    folder: str | Path | None = None,
    observers: Iterable[Observer] = (),
    **changes: Any,
) -> E:
    """The best of several combinations of fewer units (3/4, 1/2, 1/4 of them, where they can be taken away) and smaller weights.

    Args:
        data: a labelled set, or (x, y), on which all are measured.
        target_size: bytes of the weights and the config, which are what a prediction reads. The best that is no larger is chosen; without it, the smallest that is good enough.
        max_drop: by how much it may be worse than the model, as a share of the model's own number. min_speedup: how many times as fast it must be.
        finetune, score, rounds, folder, observers, changes: of the models with fewer units, as `compress`.
    Returns:
        The model chosen; `Compression.of` has all that were tried.
    Raises:
        ArgumentError: none is small, good and fast enough; says by how much, and names the nearest.
    """
    limits = Limits.checked(max_drop, min_speedup, data is not None)
    if target_size is None and not limits.asked:
        raise ArgumentError("it is not said what to look for.", expected=f"{argument('target_size')} or {argument('max_drop')}, or both")
    if target_size is not None:
        target_size = int(amount("target_size", target_size, "bytes, 1 or more", lambda size: size >= 1))
    model.require_fit("compress.search")
    require_floats(model.network_)

    def pruning(share: float | None) -> Pruning:
        home = None if folder is None or finetune is None else Path(folder) / f"units-{share}"
        return Pruning(share, None, None, None, score, finetune, Rounds(rounds, home, observers=tuple(observers), changes=changes))

    pruning(0.5).check(True, data is not None)
    found = list(_candidates(model, data, pruning, limits))
    if not found:
        raise ArgumentError("nothing in this model can be made smaller.", expected="a model with units that can be taken away, or with matrices of some size")
    good = [one for one in found if limits.max_drop is None or one.quality.drop <= limits.max_drop]
    fast = [one for one in good if limits.min_speedup is None or one.speed is None or one.speed.ratio >= limits.min_speedup]
    fits = [one for one in fast if target_size is None or one.size <= target_size]
    if good and not fast:
        nearest = max(good, key=lambda one: one.speed.ratio if one.speed is not None else 0.0)
        assert nearest.speed is not None and limits.min_speedup is not None  # it was measured, and is too slow
        require_fast(nearest.speed, limits.min_speedup, f"every model that is good enough is slower than asked; the fastest of them is {nearest.how}")
    if not fits:
        raise _nothing(found, fast, target_size, limits.max_drop)
    chosen = min(fits, key=lambda one: one.rank if target_size is not None else (one.size, one.quality.drop))
    result: E = chosen.model
    made, tried = Compression.of(result), [Tried(one.how, one.size, one.quality.after, one is chosen) for one in found]
    result_of(result, data, kept=True)
    result.evaluation_ = {**result.evaluation_, "compression": replace(made, quality=chosen.quality, speed=chosen.speed, tried=tried).to_data()}
    return result


def _candidates(model: Estimator, data: Any, pruning: Callable[[float | None], Pruning], limits: Limits) -> Iterator[_Candidate]:
    before, size = result_of(model, data), bytes_of(model.network_)
    for share in SHARES:
        try:
            fewer, about = pruning(share).of(model, data)
        except UnitsStay:
            continue
        for weights in WEIGHTS if share is None else (None, *WEIGHTS):
            small = copy.deepcopy(fewer)
            try:
                stored = [] if weights is None else quantise(small.network_, WEIGHTS[weights])
            except ArgumentError:  # so small a model does not become smaller in this form
                continue
            made = Compression(weights or FLOATS, "float", stored, size, bytes_of(small.network_), **about)
            small.evaluation_ = {**small.evaluation_, "compression": made.to_data()}
            words = ["" if share is None else f"{share:.0%} of the units", weights or ""]
            rate = None if limits.min_speedup is None else speed_of(model, small, data)
            yield _Candidate(small, ", ".join(filter(None, words)), _written(small), quality(before, result_of(small, data)), rate)


def _written(model: Estimator) -> int:
    """The bytes of the files that a prediction reads."""
    with tempfile.TemporaryDirectory() as home:
        written = copy.copy(model).save(Path(home) / "run")
        return sum((written / name).stat().st_size for name in (CONFIG, MODEL))


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
