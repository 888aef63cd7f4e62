"""ONNX: each graph as `NAME.onnx`, and `runner.py`, which needs onnxruntime and numpy alone.

In: a subject. Out: files, compared in ONNX Runtime, in ONNX's reference, and in OpenVINO where it is installed. Reading order: scribe (writes nodes), expressions and step
(a cell's program), cells and native (ONNX's own LSTM, GRU and RNN), parts, at_once (cells that are linear in their states) and loop (a layer), operations and shapes (torch's operations), printed (a whole model), runtimes.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tenuto.errors import ArgumentError
from tenuto.export.comparison import Differs, compared
from tenuto.export.onnx.printed import OPSETS, printed
from tenuto.export.onnx.runtimes import heeds_lengths, not_by_reference, onnx_runtime, openvino, reference
from tenuto.export.subject import Subject

__all__ = ["write"]

OPSET = 17


def write(subject: Subject, folder: Path, opset: int = OPSET) -> Mapping[str, Any]:
    """Write the graphs' models; each is checked by ONNX and compared with ours. Which runtimes ran it, and why another did not, is in what is returned.

    Raises:
        ArgumentError: the opset is not 17 to 22; or as `printed`. Differs: a runtime does not give what the model gives.
    """
    import onnx

    if opset not in OPSETS:
        raise ArgumentError(f"opset {opset} is not written.", expected=f"{OPSETS[0]} to {OPSETS[-1]}")
    found = {}
    for graph in subject.graphs:
        model, path = printed(graph, opset), folder / f"{graph.name}.onnx"
        path.write_bytes(model.SerializeToString())
        try:
            onnx.checker.check_model(str(path), full_check=True)
        except Exception as error:  # its own classes, by kind of fault
            raise Differs(f"ONNX refuses the {graph.name} graph: {str(error).strip()[:300]}", fix="report this: nothing was written") from error
        seen, unread, all_steps = [compared(graph, onnx_runtime(path), "onnxruntime")], {}, not heeds_lengths(model)
        why_not = not_by_reference(model)
        if why_not is None:
            seen.append(compared(graph, reference(model), "onnx.reference", all_steps=all_steps))
        else:
            unread["not_in_onnx_reference"] = why_not
        if find_spec("openvino") is not None:
            try:
                run = openvino(path)
            except Exception as error:  # its own classes; a model that it does not read is no fault of the file's
                unread["not_in_openvino"] = str(error).strip()[:300]
            else:
                seen.append(compared(graph, run, "openvino", all_steps=all_steps))
        operators = sorted({node.op_type for node in model.graph.node if node.op_type in ("LSTM", "GRU", "RNN", "Scan")})
        found[graph.name] = {"file": path.name, "opset": opset, "recurrent": operators, "compared": [one.to_data() for one in seen], **unread}
    (folder / "runner.py").write_text(Path(__file__).with_name("runner.py.txt").read_text(encoding="utf-8"), encoding="utf-8")
    return found
