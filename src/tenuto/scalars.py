"""One number, as users have it: Python's, numpy's, an array or a tensor without axes. Here it becomes Python's, or None where it is no such number.

A seed may also be a random generator of numpy's, from which the number is drawn.
"""

from __future__ import annotations

import math
import numbers
import operator
from typing import Any

from tenuto.errors import ArgumentError
from tenuto.tongues import argument, either

MOST_SEEDS = 2**63  # above all seeds: what torch's generators and TOML's whole numbers can hold
_DRAWN = 2**31 - 1


def whole(value: Any) -> int | None:
    """A whole number as int; None for anything else, a truth value and 3.0 included.

    Example:
        >>> import numpy as np, torch
        >>> whole(np.uint8(3)), whole(torch.tensor(3)), whole(3.0), whole(True), whole(np.array([3]))
        (3, 3, None, None, None)
    """
    if isinstance(value, (bool, str)) or _is_truth(value) or _has_axes(value):
        return None
    try:
        return int(operator.index(value))
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None


def number(value: Any) -> float | None:
    """A finite number as int or float; None for anything else.

    Example:
        >>> import numpy as np, torch
        >>> number(np.float64(0.5)), number(torch.tensor(0.5)), number(2), number(float("nan")), number("2")
        (0.5, 0.5, 2, None, None)
    """
    found = whole(value)
    if found is not None or isinstance(value, (bool, str)) or _is_truth(value) or _has_axes(value):
        return found
    if hasattr(value, "item"):
        try:
            value = value.item()
        except (TypeError, ValueError, RuntimeError):
            return None
    if not isinstance(value, numbers.Real):
        return None
    made = float(value)
    return made if math.isfinite(made) else None


def plain(value: Any) -> Any:
    """A number or truth value of numpy's, or one in a tensor without axes that is not trained, as Python's; all else as it is.

    Example:
        >>> import numpy as np, torch
        >>> plain(np.int64(3)), plain(torch.tensor(0.5)), plain(np.bool_(True)), plain("3"), plain(np.ones(2))
        (3, 0.5, True, '3', array([1., 1.]))
    """
    if not hasattr(value, "dtype") or getattr(value, "requires_grad", False):
        return value
    found = truth(value) if _is_truth(value) else number(value)
    return value if found is None else found


def truth(value: Any) -> bool | None:
    """A truth value as bool, also 0 and 1; None for anything else.

    Example:
        >>> import numpy as np
        >>> truth(np.bool_(True)), truth(0), truth("no")
        (True, False, None)
    """
    if isinstance(value, bool) or (_is_truth(value) and not _has_axes(value)):
        return bool(value)
    found = whole(value)
    return bool(found) if found in (0, 1) else None


def is_generator(value: Any) -> bool:
    """Whether this is a random generator of numpy's, a Generator or a RandomState."""
    return type(value).__module__.partition(".")[0] == "numpy" and (hasattr(value, "integers") or hasattr(value, "randint"))


def drawn_from(given: Any, name: str = "seed") -> int:
    """A seed as a number: a whole number stays as it is, and a generator gives another one each time.

    Args:
        name: of the argument, for the message.
    Raises:
        ArgumentError: it is neither, or out of range.
    Example:
        >>> import numpy as np
        >>> drawn_from(7), drawn_from(np.random.default_rng(0)) == drawn_from(np.random.default_rng(0))
        (7, True)
    """
    if is_generator(given):
        return int(given.integers(_DRAWN) if hasattr(given, "integers") else given.randint(_DRAWN))
    seed = whole(given)
    if seed is None or not 0 <= seed < MOST_SEEDS:
        raise ArgumentError(f"{argument(name, given)} is out of range.", expected="a whole number, 0 or more and below 2 to the power of 63" + either(", or a random generator of numpy's", ""))
    return seed


def _is_truth(value: Any) -> bool:
    """Whether this is one of numpy's or torch's truth values, or an array of them."""
    return str(getattr(value, "dtype", "")).removeprefix("torch.") == "bool"


def _has_axes(value: Any) -> bool:
    return bool(getattr(value, "ndim", 0))
