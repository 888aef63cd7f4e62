"""The colours of the pages' style sheet, for tests: what each declaration gives in light and in dark pages, and how far colours are apart."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import tenuto.pages

SHEET = (Path(tenuto.pages.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
MODES = ("light", "dark")


def rules() -> list[tuple[str, dict[str, str]]]:
    """Every rule but those of variables: selectors, and declarations by name; rules for some screens only are among them."""
    flat = re.sub(r"@media[^{]*\{((?:[^{}]*\{[^{}]*\})*)\s*\}", r"\1", SHEET)
    found = [(" ".join(selectors.split()), _declared(body)) for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", flat)]
    return [(selectors, declared) for selectors, declared in found if selectors != ":root"]


def variables(mode: str) -> dict[str, str]:
    """The sheet's variables: those of a light page, with what a dark page changes."""
    light, dark = (_declared(body) for body in re.findall(r":root\s*\{([^{}]*)\}", SHEET))
    return light if mode == "light" else {**light, **dark}


def _declared(body: str) -> dict[str, str]:
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in body.split(";")) if value}


def colour(value: str, mode: str, *, share: float = 0.0) -> np.ndarray:
    """[4]: red, green and blue 0..255 and opacity 0..1 of a colour in the sheet's own words."""
    known = {**variables(mode), "--share": str(share)}
    while names := re.findall(r"var\((--[\w-]+)\)", value):
        for name in names:
            value = value.replace(f"var({name})", known[name])
    if value.startswith("#"):
        digits = value[1:] if len(value) == 7 else "".join(2 * digit for digit in value[1:])
        return np.array([*(int(digits[place : place + 2], 16) for place in (0, 2, 4)), 1.0], dtype=float)
    numbers = re.fullmatch(r"rgba?\((.+)\)", value)
    assert numbers, value
    parts = numbers[1].split(",")
    return np.array([*map(float, parts[:3]), _sum(parts[3]) if len(parts) > 3 else 1.0])


def _sum(text: str) -> float:
    """The value of `.5` or `calc(.1 + .5 * .2)`."""
    inside = text.strip().removeprefix("calc(").removesuffix(")")
    return sum(float(np.prod([float(factor) for factor in term.split("*")])) for term in inside.split("+"))


def over(front: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """[4]: a colour on an opaque ground."""
    return np.array([*(front[3] * front[:3] + (1 - front[3]) * ground[:3]), 1.0])


def _linear(one: np.ndarray) -> np.ndarray:
    """[3]: light, 0..1."""
    shares = np.clip(one[:3] / 255, 0, 1)
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """The contrast of two opaque colours, 1..21.

    Source:     WCAG 2.2, "contrast ratio" and "relative luminance".
    """
    dark, light = sorted(float(_linear(colour) @ (0.2126, 0.7152, 0.0722)) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


# How people without one kind of cones see: [3, 3] on linear red, green and blue. Source: Machado, Oliveira, Fernandes 2009, severity 1.
SIGHT = {
    "usual": np.eye(3),
    "no red cones": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "no green cones": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "no blue cones": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}


def distance(one: np.ndarray, other: np.ndarray, sight: str) -> float:
    """How different two opaque colours look: the distance in CIELAB, where 2 can just be seen."""
    return float(np.linalg.norm(_lab(one, sight) - _lab(other, sight)))


def _lab(one: np.ndarray, sight: str) -> np.ndarray:
    light = np.clip(SIGHT[sight] @ _linear(one), 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = (value if value > 0 else 0.0 for value in to_xyz @ light / (0.9505, 1.0, 1.089))
    root = [value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116 for value in (x, y, z)]
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])
