"""The one table of tolerances for layers, by dtype, and the comparison that uses it."""

import torch
from torch import Tensor

# By dtype: (of values, of gradients), relative to the norm of what is expected, which is computed in float64.
TOLERANCE = {
    torch.float64: (1e-12, 1e-11),
    torch.float32: (2e-6, 1e-5),
    torch.bfloat16: (1e-2, 2e-2),  # half a unit in the last of 8 binary places is 2e-3; a stack rounds once in each layer
}


def assert_near(
    actual: Tensor, expected: Tensor, name: str = "", *, gradient: bool = False, dtype: torch.dtype | None = None, least: float = 0.0
) -> None:
    """`actual` equals `expected` (of any dtype) within the table's tolerance for `dtype`, by default actual's.

    `least`: the norm counts as at least this. It is for relu, which cuts sums of about 1 nearly to zero, while their rounding errors
    and those of the layers below stay.
    """
    tolerance = TOLERANCE[dtype or actual.dtype][gradient]
    scale = max(expected.double().norm().item(), least) or 1.0
    torch.testing.assert_close(
        actual.double() / scale, expected.double() / scale, rtol=0, atol=tolerance, msg=lambda text: f"{name} relative to its norm: {text}"
    )
