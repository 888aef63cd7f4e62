"""`Compression`: what was made smaller, and what is lost by it, as `evaluation_` keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tenuto.compress.quality import Quality
from tenuto.errors import ArgumentError
from tenuto.tasks.estimator import Estimator


@dataclass(frozen=True)
class Compression:
    """How a model was compressed.

    Attributes:
        weights: the form of those weights that are not floats, such as "int8". stored: their names. activations: the form of what recurrent layers multiply with them.
        bytes_before, bytes_after: of all weights.
        quality: the two models on the same data; None where none were given.
    """

    weights: str
    activations: str
    stored: Sequence[str]
    bytes_before: int
    bytes_after: int
    quality: Quality | None = None

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
        return cls(**{**own, "quality": None if kept.get("quality") is None else Quality(**kept["quality"])})

    @property
    def ratio(self) -> float:
        """Bytes of the weights after, over those before."""
        return self.bytes_after / self.bytes_before

    @property
    def multiplied(self) -> str:
        """In words, where recurrent layers multiply whole numbers."""
        return ", multiplied as whole numbers in recurrent layers" if self.activations == "int8" else ""

    def to_data(self) -> dict[str, Any]:
        """Plain data, as evaluation.json keeps it."""
        return {**vars(self), "stored": list(self.stored), "quality": None if self.quality is None else vars(self.quality)}

    def __str__(self) -> str:
        lines = [f"weights {self.bytes_before:,} → {self.bytes_after:,} bytes ({self.ratio:.3f} of them), {len(self.stored)} of them as {self.weights}{self.multiplied}"]
        return "\n".join(lines if self.quality is None else [*lines, str(self.quality)])
