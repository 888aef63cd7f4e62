"""`Limits`: how good and how fast a compressed model must be, or else there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tenuto.compress.amounts import amount
from tenuto.compress.quality import Quality, require_good
from tenuto.compress.speed import Speed, require_fast
from tenuto.errors import ArgumentError
from tenuto.tongues import argument


@dataclass(frozen=True)
class Limits:
    """By how much a model may be worse, and how many times as fast it must be; None where nothing was asked."""

    max_drop: float | None = None
    min_speedup: float | None = None

    @classmethod
    def checked(cls, max_drop: Any, min_speedup: Any, measured: bool) -> Limits:
        """What was asked for, as floats.

        Args:
            measured: whether there are data to measure it on.
        Raises:
            ArgumentError: out of range, or there are none.
        """
        asked = {
            "max_drop": ("a share of 0 or more, such as 0.005", lambda share: share >= 0, max_drop, "how good the model is"),
            "min_speedup": ("a number above 0, such as 1.5", lambda times: times > 0, min_speedup, "how fast the model is"),
        }
        found = {}
        for name, (expected, fits, value, what) in asked.items():
            if value is None:
                continue
            found[name] = amount(name, value, expected, fits)
            if not measured:
                raise ArgumentError(f"{argument(name, value)} asks {what}, and there is nothing to measure it on.", fix=f"give {argument('data')}: a labelled set")
        return cls(**found)

    @property
    def asked(self) -> bool:
        """Whether there are any."""
        return self.max_drop is not None or self.min_speedup is not None

    def require(self, quality: Quality, speed: Speed | None) -> None:
        """Raise ArgumentError if a model is not within them; says by how much."""
        if self.max_drop is not None:
            require_good(quality, self.max_drop)
        if self.min_speedup is not None and speed is not None:
            require_fast(speed, self.min_speedup)
