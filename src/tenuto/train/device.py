"""Where to compute: whether torch can use a device here, asked before any work is done for it."""

from __future__ import annotations

import torch

from tenuto.choices import nearest
from tenuto.errors import ArgumentError
from tenuto.tongues import argument

NAMES = ("cpu", "cuda", "mps", "xpu")


def require_device(device: str | torch.device) -> torch.device:
    """The device of this name, which has computed something.

    Raises:
        ArgumentError: torch knows no such device, or finds none in this computer.
    Example:
        >>> require_device("cpu")
        device(type='cpu')
    """
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        raise _refused(device, "is not known", nearest(device, NAMES)) from None
    if found.type == "cpu":
        return found
    try:
        (torch.ones(1, device=found) + 1).cpu()
    except Exception as error:  # each kind of device has errors of its own
        said = str(error).strip().partition("\n")[0].partition(". ")[0].rstrip(".")[:120]
        raise _refused(device, f"cannot be used here: {said or type(error).__name__}", None) from error
    return found


def _refused(device: str | torch.device, said: str, near: str | None) -> ArgumentError:
    there = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count())), *(["mps"] if torch.backends.mps.is_available() else [])]
    fix = argument("device", "cpu")
    return ArgumentError(f"{argument('device', str(device))} {said}.", expected=" | ".join(there), fix=fix if near is None else f"did you mean {near}? Else {fix}")
