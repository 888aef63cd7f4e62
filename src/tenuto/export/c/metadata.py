"""NAME.json: what an export is, for people and other programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tenuto.export.c.model import inputs_of, layers_of, outputs_of
from tenuto.export.c.source import Sources
from tenuto.export.comparison import Compared
from tenuto.tasks.stepped import Channels, EachStep, Outputs, PooledClasses, StepModel, Symbols


def metadata(model: StepModel, name: str, sources: Sources, compared: Sequence[Compared]) -> dict[str, Any]:
    """The keys of NAME.json."""
    return {
        "format": "tenuto C99",
        "format_version": 1,
        "name": name,
        "files": [f"{name}.h", f"{name}.c", f"{name}_main.c", f"{name}.json"],
        "functions": [f"{name}_reset", f"{name}_step", f"{name}_self_test"],
        "input": _input(model),
        "output": _output(model),
        "layers": [
            {
                "cell": repr(layer.traced.cell),
                "reads": layer.input_width,
                "hidden_size": layer.hidden,
                "state": layer.states,
                "weights": sorted({matrix.form for matrix in layer.matrices.values()}),
                "multiplies": "floats" if not layer.integers else f"whole numbers of {layer.static} bits, with static scales" if layer.static else "whole numbers",
            }
            for layer in layers_of(model)
        ],
        "bytes": {"constants": sources.constant_bytes, "state": sources.state_bytes},
        "compared": compared[0].to_data(),
        **({"layers_compared": [one.to_data() for one in compared[1:]]} if len(compared) > 1 else {}),
        **model.about,
    }


def _input(model: StepModel) -> dict[str, Any]:
    front = model.front
    if isinstance(front, Symbols):
        return {"kind": "symbol", "symbols": len(front.names), "names": list(front.names)}
    if isinstance(front, Channels):
        return {"kind": "channels", "numbers": len(front.names), "names": list(front.names), "standardised": "inside", "missing": front.missing}
    return {"kind": "numbers", "numbers": inputs_of(model)}


def _output(model: StepModel) -> dict[str, Any]:
    head = model.head
    if isinstance(head, PooledClasses):
        return {"kind": "probabilities", "of": "classes of the sequence so far", "numbers": len(head.names), "names": list(head.names), "pooling": list(head.pooling)}
    if isinstance(head, EachStep):
        return {"kind": "log probabilities" if head.logarithms else "probabilities", "of": "what comes with or after each step", "numbers": len(head.names), "names": list(head.names)}
    assert isinstance(head, Outputs)
    return {"kind": "output of the last layer", "numbers": outputs_of(model)}
