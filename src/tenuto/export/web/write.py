"""The files of an export to the web: the program, the page around it, and what both are."""

from __future__ import annotations

import base64
import json
import re
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.export.c import compare
from tenuto.export.c.compiler import zig
from tenuto.export.c.exactness import compiled, tolerance_elsewhere
from tenuto.export.c.model import outputs_of
from tenuto.export.c.write import print_checked, steps_of
from tenuto.export.subject import Subject
from tenuto.export.web.program import build
from tenuto.export.web.runtime import run, runtime
from tenuto.files import write_json, write_text
from tenuto.tasks.stepped import EachStep, Outputs, StepModel, Symbols, no_steps

SAMPLE_STEPS = 12  # of a sequence that stands on the page when it opens


def write(subject: Subject, folder: Path) -> Mapping[str, Any]:
    """Write the export of a subject, as a target of `tenuto.export`.

    Raises:
        ArgumentError: the model cannot answer step by step, or reads what a page cannot make of a text. EngineError: no compiler, or no `ziglang`.
        Differs: the program answers otherwise than the model.
    """
    zig()
    model, name = steps_of(subject), subject.name
    if model.about.get("vocabulary", {}).get("units") == "bpe":
        raise no_steps("byte pairs, into which a page cannot cut a text", "export to c, or train on characters or bytes")
    printed = print_checked(model, name)
    about: dict[str, Any] = {**printed.about, "says": _in_words(model), "sample": _sample(model)}
    with tempfile.TemporaryDirectory(prefix="tenuto") as place:
        program = build(model, printed, name, Path(place))
        content = program.read_bytes()
        compared = [one.to_data() for one in printed.compared]
        where = runtime()
        if where is not None:
            with compiled(model):
                drawn = compare.drawn(model)
            compared.append(compare.held(run(program, [given for given, _ in drawn], outputs_of(model)), drawn, f"WebAssembly ({where})", tolerance_elsewhere(model)).to_data())
    about |= {"format": "tenuto WebAssembly", "files": ["index.html", f"{name}.wasm", f"{name}.json"], "compared": compared}
    about["functions"] = ["reset", "step", "output", "self_test", *([] if isinstance(model.front, Symbols) else ["input"])]
    (folder / f"{name}.wasm").write_bytes(content)
    write_json(folder / f"{name}.json", about)
    write_text(folder / "index.html", page(name, about, content))
    return {"step": {"file": "index.html", "program": f"{name}.wasm", "metadata": f"{name}.json", "compared": compared}}


def page(name: str, about: Mapping[str, Any], program: bytes) -> str:
    """The text of the page; everything that it needs is inside."""
    text = files("tenuto.export.web").joinpath("templates/try_it.html").read_text(encoding="utf-8")
    filled = {"title": name, "about": json.dumps(about, ensure_ascii=True).replace("<", "\\u003c"), "program": base64.b64encode(program).decode("ascii")}
    return re.sub(r"\{(title|about|program)\}", lambda found: filled[found[1]], text)


def _in_words(model: StepModel) -> str:
    head = model.head
    if isinstance(head, Outputs):
        return f"A recurrent layer that reads one step at a time and puts out {head.width} numbers."
    if not isinstance(head, EachStep):
        return f"A recurrent network that reads one step at a time and says after each which of {len(head.names)} classes the sequence so far is."
    return f"A recurrent network that reads one {'symbol' if head.logarithms else 'token'} at a time and says {'which of %d symbols comes next' if head.logarithms else 'which of %d tags it has'}." % len(head.names)


def _sample(model: StepModel) -> str:
    """What stands on the page when it opens."""
    given = model.draw(np.random.default_rng(3), SAMPLE_STEPS)
    if not isinstance(model.front, Symbols):
        return "\n".join(" ".join(f"{number:.5g}" for number in row) for row in given.tolist())
    names, vocabulary = model.front.names, model.about.get("vocabulary")
    if vocabulary is None:
        return ("" if model.about.get("letters") else " ").join(names[min(k + 2, len(names) - 1)] for k in range(min(6, len(names) - 2)))
    characters = [chr(point) for point in vocabulary.get("characters", [])] or list("the")
    return "".join([character for character in characters if character.isalpha()][:1]) or characters[0]
