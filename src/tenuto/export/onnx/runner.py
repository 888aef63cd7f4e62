"""Runs a model that `tenuto export --to onnx` wrote. It needs onnxruntime and numpy, and the files beside it: export.json and NAME.onnx.

    python runner.py            # runs every graph on zeros, and prints what comes out

    from runner import Model
    model = Model(".")
    answer = model("sequence", x=x, lengths=lengths)    # whole sequences; a state that is not given is the first one
    stream = model.stream(rows=1)                       # one step at a time; the stream keeps the state
    for x_t in x: answer = stream(x=x_t)
"""

import json
import pathlib
import sys

import numpy
import onnxruntime

DTYPES = {"float32": numpy.float32, "int64": numpy.int64, "bool": numpy.bool_}


class Model:
    """The graphs of a folder."""

    def __init__(self, folder, providers=("CPUExecutionProvider",)):
        self.folder = pathlib.Path(folder)
        self.data = json.loads((self.folder / "export.json").read_text(encoding="utf-8"))
        self.sessions = {
            name: onnxruntime.InferenceSession(str(self.folder / about["file"]), providers=list(providers)) for name, about in self.data["files"].items()
        }

    def __call__(self, graph, **given):
        """The results of a graph by name, states included; `given` are arrays by name."""
        about = self.graph(graph)
        names = [port["name"] for port in about["reads"]]
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise ValueError(f"the graph {graph} reads no {unknown[0]}; it reads {', '.join(names)}")
        ready = {port["name"]: numpy.asarray(given[port["name"]], DTYPES[port["dtype"]]) for port in about["reads"] if port["name"] in given}
        sizes = self._sizes(about, ready)
        for state in about["states"]:
            if state["in"] not in ready:
                ready[state["in"]] = self._first(about, state, sizes)
        missing = [name for name in names if name not in ready]
        if missing:
            raise ValueError(f"the graph {graph} reads {missing[0]} too; it reads {', '.join(names)}")
        return dict(zip([port["name"] for port in about["gives"]], self.sessions[graph].run(None, ready)))

    def graph(self, name):
        """What a graph reads and gives."""
        if name not in self.sessions:
            raise ValueError(f"there is no graph {name}: {self.data['no_step']}" if name == "step" else f"there is no graph {name}, only {', '.join(self.sessions)}")
        return self.data["graphs"][name]

    def stream(self, rows=1):
        """Rows that are read step by step, from the first state on."""
        self.graph("step")
        return Stream(self, rows)

    def _sizes(self, about, ready):
        sizes = {}
        for port in about["reads"]:
            value = ready.get(port["name"])
            if value is None:
                continue
            if value.ndim != len(port["axes"]):
                raise ValueError(f"{port['name']} has {value.ndim} axes, and is {port['axes']}")
            for axis, size in zip(port["axes"], value.shape):
                if sizes.setdefault(axis, size) != size or (isinstance(axis, int) and axis != size):
                    raise ValueError(f"{port['name']} is {list(value.shape)}, and should be {port['axes']} with {axis} = {sizes[axis] if axis in sizes else axis}")
        return sizes

    def _first(self, about, state, sizes):
        port = next(port for port in about["reads"] if port["name"] == state["in"])
        shape = [sizes.get(axis, 1) if isinstance(axis, str) else axis for axis in port["axes"]]
        one = [1 if axis == "batch" else size for axis, size in zip(port["axes"], shape)]
        value = numpy.zeros(one) if "initial" not in state else numpy.array(state["initial"]).reshape(one)
        return numpy.ascontiguousarray(numpy.broadcast_to(value, shape), DTYPES[port["dtype"]])


class Stream:
    """A model that reads one step at a time and keeps its state."""

    def __init__(self, model, rows):
        self.model, self.rows, self.state = model, rows, {}

    def __call__(self, **given):
        """The results of the next step."""
        found = self.model("step", **given, **self.state)
        self.state = {state["in"]: found[state["out"]] for state in self.model.graph("step")["states"]}
        return found

    def reset(self):
        """Begins again."""
        self.state = {}


if __name__ == "__main__":
    model = Model(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    for name in model.sessions:
        zeros = {
            port["name"]: (numpy.ones if "counts" in port else numpy.zeros)([3 if isinstance(axis, str) else axis for axis in port["axes"]])
            for port in model.graph(name)["reads"]
        }
        for key, value in model(name, **zeros).items():
            print(name, key, list(value.shape), value.ravel()[:3])
