"""The page of a diagnosis: what follows first, then each layer in charts and tables, then the thresholds. One file, no script."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np

from tenuto.diagnose.advice import by_what_to_try, gradient_of
from tenuto.pages.line_chart import Level, LineChart, Series
from tenuto.pages.page import render
from tenuto.pages.wording import count, number, percent

TONES = ("first", "second", "third")


def page_of(diagnosis: Any, title: str = "") -> str:
    """The whole page as text.

    Args:
        title: what was diagnosed, for the heading.
    """
    layers = diagnosis.layers
    return str(
        render(
            "diagnosis.html",
            title=title or "Gradients and memory",
            version=version("tenuto"),
            score=str(len(diagnosis.advice)) if diagnosis.advice else "none",
            score_says="findings beyond a threshold" if len(diagnosis.advice) != 1 else "finding beyond a threshold",
            score_interval="",
            facts=_facts(diagnosis),
            advice=by_what_to_try(diagnosis.advice),
            outside=diagnosis.outside,
            clipping=_clipping(diagnosis.clipping),
            share=percent(layers[0].share),
            depth=_depth(layers),
            layers=[_layer(layer, number_) for number_, layer in enumerate(layers)],
        )
    )


def _facts(diagnosis: Any) -> list[tuple[str, str, str]]:
    layers, norms = diagnosis.layers, diagnosis.clipping.norms
    reach = [layer.horizon for layer in layers]
    facts = [("Layers", str(len(layers)), "and directions"), ("Steps", number(max(layer.steps for layer in layers)), "of the longest sequence that was followed")]
    facts.append(("Memory", f"beyond {layers[0].steps}" if None in reach else number(max(reach)), "steps, the longest horizon"))
    facts.append(("Gradient", number(float(np.median(norms))), f"median norm of {count(len(norms), 'batch')}"))
    return facts


def _depth(layers: Any) -> LineChart | None:
    """The gradient against the layer, the lowest first; None where there is one layer."""
    ways = [[layer for layer in layers if layer.reverse == reverse] for reverse in (False, True)]
    series = [
        Series(name, [gradient_of(layer) for layer in way], tone) for name, way, tone in zip(("forward", "reverse"), ways, TONES) if len(way) == max(map(len, ways))
    ]  # fmt: skip
    return LineChart("Gradient of the loss by the states of each layer", list(range(len(series[0].values))), series, x_name="layer", logarithmic=True) if len(series[0].values) > 1 else None


def _layer(layer: Any, place: int) -> dict[str, Any]:
    steps = range(layer.steps)
    gradient = LineChart(
        "Gradient of the loss by the state", list(steps), [Series(f"state {name}", list(map(float, values)), TONES[k % 3]) for k, (name, values) in enumerate(layer.gradient.items())],
        x_name="step", logarithmic=True,
    )  # fmt: skip
    lags = np.flatnonzero(np.isfinite(layer.gain)) + 1
    gain = LineChart(
        "Growth of a small change of the state", lags.tolist(), [Series("growth", [float(layer.gain[lag - 1]) for lag in lags])], x_name="lag", logarithmic=True, levels=[Level(1.0, "as it was")],
    )  # fmt: skip
    most = float(layer.influence.max())
    influence = LineChart(
        "Influence of an input on the last output", list(steps), [Series("influence", [float(value) for value in layer.influence])], x_name="lag", logarithmic=True,
        levels=[Level(layer.share * most)] if most > 0 else [],
        upright=None if layer.horizon is None else (layer.horizon, "memory horizon"),
    )  # fmt: skip
    return {
        "id": f"layer-{place}",
        "name": layer.name,
        "cell": layer.cell,
        "charts": [chart for chart in (gradient, gain, influence) if len(chart.x)],
        "reverse": layer.reverse,
        "exponents": ", ".join(f"{value:+.4g}" for value in layer.exponents),
        "horizon": f"beyond the {layer.steps} steps" if layer.horizon is None else f"{layer.horizon} of {layer.steps} steps",
        "gates": [
            [name, f"{number(gate.low)} to {number(gate.high)}", number(gate.mean), percent(gate.at_low) if np.isfinite(gate.low) else "–", percent(gate.at_high) if np.isfinite(gate.high) else "–"]
            for name, gate in layer.gates.items()
        ],
        "matrices": [[f"U.{name}", number(matrix.radius), number(matrix.norm)] for name, matrix in layer.matrices.items()],
    }  # fmt: skip


def _clipping(clipping: Any) -> dict[str, Any]:
    norms = clipping.norms
    chart = LineChart(
        "Norm of the gradient", list(range(1, len(norms) + 1)), [Series("norm", [float(value) for value in norms], dots=True)], x_name="batch", logarithmic=True,
        levels=[] if clipping.limit is None else [Level(clipping.limit, "clipped at")],
    )  # fmt: skip
    if clipping.limit is None:
        said = "Gradients are not clipped."
    elif not clipping.cut:
        said = f"Of {count(len(norms), 'batch')} none is cut at {number(clipping.limit)}."
    else:
        said = f"Of {count(len(norms), 'batch')} {percent(clipping.cut)} are cut at {number(clipping.limit)}; in the median {percent(clipping.left)} of their length is left."
    return {"chart": chart, "said": said}
