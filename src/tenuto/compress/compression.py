"""`Compression`: what was made smaller, and what is lost by it, as `evaluation_` keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tenuto.compress.quality import Quality
from tenuto.compress.spectrum import Spectrum
from tenuto.compress.speed import Speed
from tenuto.errors import ArgumentError
from tenuto.tasks.estimator import Estimator

FLOATS = "floats"  # the form of weights that are as they were


@dataclass(frozen=True)
class Units:
    """How many units each layer had and has. score: what they counted by. finetuned: whether what was left learnt on."""

    before: int
    after: int
    score: str
    finetuned: bool

    def __str__(self) -> str:
        return f"units {self.before} → {self.after} in each layer, by {self.score}{', fine-tuned' if self.finetuned else ''}"


@dataclass(frozen=True)
class Tried:
    """One of the models that were tried: in words, its bytes, its quality, and whether it was taken."""

    how: str
    size: int
    value: float
    chosen: bool


@dataclass(frozen=True)
class Compression:
    """How a model was compressed.

    Attributes:
        weights: the form of those weights that are not floats, such as "int8". stored: their names. activations: the form of what recurrent layers multiply with them.
        bytes_before, bytes_after: of all weights.
        quality: the two models on the same data; None where none were given.
        units: those that were taken away; None where all are there. sparsity: the share of each matrix that was made zero; None where none was. blocks: how many rows went together in recurrent layers; None: each number by itself. tried: all models of a search.
        rank: the share of the full rank that W and U of recurrent layers have; None where it was not cut. speed: of both models on the same data; None where it was not asked for.
        spectrum: the recurrent Jacobian of each layer before and after, where something was taken away and there were data.
    """

    weights: str
    activations: str
    stored: Sequence[str]
    bytes_before: int
    bytes_after: int
    quality: Quality | None = None
    units: Units | None = None
    sparsity: float | None = None
    tried: Sequence[Tried] = ()
    spectrum: Sequence[Spectrum] = ()
    rank: float | None = None
    speed: Speed | None = None
    blocks: int | None = None

    @classmethod
    def of(cls, model: Estimator) -> Compression:
        """How this model was compressed, also after `load`.

        Raises:
            ArgumentError: it was not.
        """
        model.require_fit("compress.Compression.of")
        kept = model.evaluation_.get("compression")
        if kept is None:
            raise ArgumentError(f"this {type(model).__name__} was not compressed.", expected="a model that tenuto.compress made")
        own = {name: value for name, value in kept.items() if name in cls.__dataclass_fields__}
        parts = {name: None if kept.get(name) is None else kind(**kept[name]) for name, kind in _PARTS.items()}
        return cls(**{**own, **parts, **{name: [kind(**one) for one in kept.get(name, ())] for name, kind in _LISTS.items()}})

    @property
    def ratio(self) -> float:
        """Bytes of the weights after, over those before."""
        return self.bytes_after / self.bytes_before

    @property
    def form(self) -> str:
        """The form of the weights that are stored, in words."""
        return self.weights.replace("_", "-") + ("" if self.blocks is None else f", in recurrent layers in blocks of {self.blocks} rows")

    @property
    def multiplied(self) -> str:
        """In words, where recurrent layers multiply whole numbers."""
        return "" if self.activations == "float" else f", multiplied as whole numbers in recurrent layers ({self.activations})"

    def to_data(self) -> dict[str, Any]:
        """Plain data, as evaluation.json keeps it."""
        parts = {name: None if getattr(self, name) is None else vars(getattr(self, name)) for name in _PARTS}
        return {**vars(self), "stored": list(self.stored), **parts, **{name: [vars(one) for one in getattr(self, name)] for name in _LISTS}}

    def __str__(self) -> str:
        stored = f", {len(self.stored)} of them as {self.form}{self.multiplied}" if self.stored else ""
        lines = [f"weights {self.bytes_before:,} → {self.bytes_after:,} bytes ({self.ratio:.3f} of them){stored}"]
        return "\n".join([*lines, *(str(part) for part in (self.units, self.quality, self.speed, *self.spectrum) if part is not None)])


_PARTS: dict[str, Any] = {"quality": Quality, "units": Units, "speed": Speed}
_LISTS: dict[str, Any] = {"tried": Tried, "spectrum": Spectrum}
