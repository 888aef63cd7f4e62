"""The program of examples/keras_sequential.py: tenuto beside Keras with its torch, JAX and TensorFlow backends, and beside a plain loop.

    python bench/keras_sequential.py [--rounds 5] [--smoke]

Each contender that this interpreter can import runs in a process of its own; the parent asks them in turn, round after round, and takes
medians. Prints a table, writes bench/results/keras_sequential.json and .md. Takes about a minute. Threads: each framework's default.
Measured, in seconds: 100 training steps of batch 32 (`fit`, one epoch); one epoch of the example itself (4 steps, mean of 10); and 100
steps of a model without recurrence (pooling and Dense), which is the trainer's own share.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
CONTENDERS = {  # name: (the worker's kind, Keras's backend, the package that must be there)
    "tenuto.keras": ("tenuto", "torch", "keras"),
    "Keras on torch": ("keras", "torch", "keras"),
    "Keras on JAX": ("keras", "jax", "jax"),
    "Keras on TensorFlow": ("keras", "tensorflow", "tensorflow"),
    "tenuto in a plain torch loop": ("plain", "", "torch"),
}
MEASURES = ("100 steps", "example, per epoch", "trainer alone, 100 steps")
PAUSE = 0.2  # seconds between two measurements, so that the last one's threads have gone to sleep


# --- a worker: one contender in its own process --------------------------------------------------------------------------


def keras_measures(kind: str, steps: int) -> dict[str, Callable[[], float]]:
    """What a Keras contender can be asked for: functions that give seconds."""
    if kind == "tenuto":
        import tenuto.keras as keras
    else:
        import keras
    import numpy

    keras.utils.set_random_seed(0)
    X, y = (numpy.random.random((32 * steps, *shape)).astype("float32") for shape in ((20, 10), (5,)))

    def compiled(*layers: object) -> object:
        model = keras.Sequential([keras.Input((20, 10)), *layers, keras.layers.Dense(5, activation="softmax")])
        model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
        return model

    # TensorFlow's own loss turns NaN on labels that do not sum to one; what a step costs stays the same.
    model = compiled(keras.layers.LSTM(128, activation="relu", return_sequences=True), keras.layers.LSTM(64, activation="relu"))
    pooled = compiled(keras.layers.GlobalAveragePooling1D())

    def seconds(target: object, count: int, epochs: int) -> float:
        start = time.perf_counter()
        target.fit(X[:count], y[:count], batch_size=32, epochs=epochs, verbose=0)
        return (time.perf_counter() - start) / epochs

    return {
        "100 steps": lambda: seconds(model, 32 * steps, 1),
        "example, per epoch": lambda: seconds(model, 100, 10),
        "trainer alone, 100 steps": lambda: seconds(pooled, 32 * steps, 1),
        "engine": lambda: model.layers[0].engine_report().chosen if kind == "tenuto" else "",
    }


def plain_measures(steps: int) -> dict[str, Callable[[], float]]:
    """The same network and training as a loop in torch, with tenuto's layers."""
    import torch

    from tenuto import Recurrent
    from tenuto.cells import LSTM

    torch.manual_seed(0)
    X, y = torch.rand(32 * steps, 20, 10), torch.rand(32 * steps, 5)
    first = Recurrent(LSTM(activation="relu"), 10, 128, batch_first=True)
    second, head = Recurrent(LSTM(activation="relu"), 128, 64, batch_first=True), torch.nn.Linear(64, 5)
    parameters = [parameter for part in (first, second, head) for parameter in part.parameters()]
    optimizer = torch.optim.Adam(parameters, foreach=True)

    def epoch() -> float:
        start = time.perf_counter()
        for rows in torch.randperm(len(X)).split(32):
            optimizer.zero_grad()
            logits = head(second(first(X[rows]).output).state.h[0])
            torch.nn.functional.cross_entropy(logits, y[rows]).backward()
            optimizer.step()
        return time.perf_counter() - start

    return {"100 steps": epoch, "engine": lambda: first.engine_report(X[:32]).chosen}


def work(kind: str, steps: int) -> None:
    """Answers each line of standard input, the name of a measure, with one line of JSON."""
    measures = plain_measures(steps) if kind == "plain" else keras_measures(kind, steps)
    for name in (name for name in MEASURES if name in measures):
        measures[name]()  # warm: compiles, builds, fills caches
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        name = line.strip()
        print(json.dumps(measures[name]() if name in measures else None), flush=True)


# --- the parent ----------------------------------------------------------------------------------------------------------


class Worker:
    """A contender's process; `ask` gives its answer to one question."""

    def __init__(self, name: str, steps: int) -> None:
        kind, backend, _ = CONTENDERS[name]
        path = os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
        if backend:
            environment["KERAS_BACKEND"] = backend
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", kind, "--steps", str(steps)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
        )  # fmt: skip
        self.answer()

    def answer(self) -> object:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip():
                return json.loads(line)
        raise SystemExit(f"a contender ended: {' '.join(self.process.args)}; run it by hand to see why")

    def ask(self, question: str) -> object:
        assert self.process.stdin is not None
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def processor() -> str:
    """The processor's name, where the system tells it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{name}, {os.cpu_count()} cores"


def measure(rounds: int, steps: int) -> dict[str, object]:
    """All contenders, interleaved: the medians and every single measurement."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    present = [name for name, (_, _, package) in CONTENDERS.items() if importlib.util.find_spec(package)]
    workers = {name: Worker(name, steps) for name in present}
    seconds: dict[str, dict[str, list[float]]] = {name: {measure: [] for measure in MEASURES} for name in present}
    for _ in range(rounds):
        for measure_name in MEASURES:
            for name, worker in workers.items():
                time.sleep(PAUSE)
                answer = worker.ask(measure_name)
                if isinstance(answer, float):
                    seconds[name][measure_name].append(answer)
    engines = {name: worker.ask("engine") for name, worker in workers.items()}
    for worker in workers.values():
        worker.close()
    packages = ("torch", "keras", "jax", "tensorflow", "tensorflow-cpu")
    installed = {distribution.metadata["Name"].lower().replace("_", "-") for distribution in importlib.metadata.distributions() if distribution.metadata["Name"]}
    return {
        "processor": processor(),
        "steps": steps,
        "rounds": rounds,
        "load_at_start": load,
        "environment": {name: os.environ[name] for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY") if name in os.environ},
        "versions": {name: importlib.metadata.version(name) for name in packages if name in installed},
        "engines": {name: engine for name, engine in engines.items() if engine},
        "seconds": seconds,
        "medians": {name: {key: statistics.median(values) for key, values in by.items() if values} for name, by in seconds.items()},
    }


def table(result: dict) -> str:
    """The medians as a Markdown table, with each contender's time over tenuto.keras's."""
    medians = result["medians"]
    ours = medians["tenuto.keras"]
    rows = ["| | " + " | ".join(f"{name}, ms | ratio" for name in MEASURES) + " |", "|---|" + "---|---|" * len(MEASURES)]
    for name, by in medians.items():
        cells = [f"{1000 * by[key]:.1f} | {by[key] / ours[key]:.2f}" if key in by else " | " for key in MEASURES]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    engines = ", ".join(f"{name}: {engine}" for name, engine in result["engines"].items())
    around = f"load {result['load_at_start']} at the start; " + "".join(f"{key}={value}; " for key, value in result["environment"].items())
    about = f"{result['processor']}; {around}{versions}; engine of {engines}; medians of {result['rounds']} interleaved rounds."
    return "\n".join([*rows, "", about + " Ratio: time over that of tenuto.keras."])


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100, help=argparse.SUPPRESS)
    parser.add_argument("--smoke", action="store_true", help="one short round; writes nothing")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.steps)
        return
    result = measure(1, 4) if options.smoke else measure(options.rounds, options.steps)
    print(table(result))
    if not options.smoke:
        RESULTS.mkdir(exist_ok=True)
        for suffix, text in ((".json", json.dumps(result, indent=1)), (".md", table(result))):
            path = RESULTS / f"keras_sequential{suffix}"
            path.with_suffix(suffix + ".part").write_text(text + "\n", encoding="utf-8")
            os.replace(path.with_suffix(suffix + ".part"), path)
        print(f"written: {RESULTS.relative_to(ROOT)}/keras_sequential.json and .md")


if __name__ == "__main__":
    main()
