"""How the report writes numbers: few digits, units spelled out, and never more precision than the number has."""

from __future__ import annotations

import math

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")  # as exponents are written


def number(value: float | None, digits: int = 3) -> str:
    """A number with `digits` significant digits; whole numbers and numbers from a thousand up are written out, with commas.

    Example:
        >>> [number(v) for v in (0.01234, 3.0, 12345, 1.234e-7, float("nan"), None)]
        ['0.0123', '3', '12,345', '1.23 × 10⁻⁷', 'not a number', '–']
    """
    if value is None:
        return "–"
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "infinite" if value > 0 else "minus infinite"
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) < 1e-3:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{float(mantissa):g} × 10{str(int(exponent)).translate(RAISED)}"
    return f"{value:.{digits}g}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage; it is never rounded up to 100 %. A rate of errors may be above that.

    Example:    >>> [percent(v) for v in (0.98378, 1.0, 0.99999, 1.227, None)]
                ['98.4 %', '100 %', '99.9 %', '122.7 %', '–']
    """
    if share is None or math.isnan(share):
        return "–"
    if share in (0.0, 1.0):
        return f"{share * 100:.0f} %"
    ceiling = 100 - 10.0**-digits
    return f"{min(share * 100, ceiling) if share < 1 else share * 100:.{digits}f} %"


def duration(seconds: float | None) -> str:
    """A time span in the unit a person would use.

    Example:    >>> [duration(v) for v in (0.0042, 9.81, 75, 3720, None)]
                ['4.2 ms', '9.8 s', '1 min 15 s', '1 h 2 min', '–']
    """
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def count(amount: int, noun: str) -> str:
    """An amount and its noun, in the singular or the plural.

    Example:    >>> count(1, "sequence"), count(1270, "class"), count(2, "epoch")
                ('1 sequence', '1,270 classes', '2 epochs')
    """
    if amount == 1:
        return f"1 {noun}"
    return f"{amount:,} {noun}{'es' if noun.endswith(('s', 'x', 'ch')) else 's'}"


def shortened(text: str, letters: int) -> str:
    """A text of at most `letters` letters, cut between words where that is possible.

    Example:    >>> shortened("a long story", 8), shortened("short", 8)
                ('a long …', 'short')
    """
    if len(text) <= letters:
        return text
    cut = text[: letters - 1]
    head, space, _ = cut.rpartition(" ")
    return f"{head if space and len(head) > letters // 2 else cut} …"
