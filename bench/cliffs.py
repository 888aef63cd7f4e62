"""Awkward uses, beside torch.nn in the same process: many shapes, single steps, second derivatives, packed batches, 16 bits, the first call.

    python bench/cliffs.py [--source FOLDER ...] [--rounds 15] [--smoke]

Each use runs in a process of its own with an empty kernel cache (except for "first call", which has a full one); ours and torch's take
turns, and the ratio is of their medians. `--source` names the src folder of another version, to measure that one in the same run.
Writes bench/results/cliffs.json and .md. Takes about three minutes for each version. One thread.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"


# --- a worker: one use in its own process --------------------------------------------------------------------------------


def layers(kind: str, *sizes: int) -> tuple[object, object]:
    """Ours and torch's, with the same weights."""
    import torch

    import tenuto

    torch.manual_seed(0)
    ours, theirs = getattr(tenuto, kind)(*sizes), getattr(torch.nn, kind)(*sizes)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def in_turns(contenders: list[Callable[[], object]], rounds: int, calls: int = 1) -> list[float]:
    """Median seconds of a call of each."""
    taken: list[list[float]] = [[] for _ in contenders]
    for contender in contenders:
        contender()
    for _ in range(rounds):
        for contender, times in zip(contenders, taken):
            start = time.perf_counter()
            for _ in range(calls):
                contender()
            times.append((time.perf_counter() - start) / calls)
    return [statistics.median(times) for times in taken]


def many_shapes(rounds: int) -> list[float]:
    """Seconds for one training step at each of 32 batch sizes, an LSTM of 128 units over 50 steps: each contender once, from the first call on."""
    import torch

    found = []
    for layer in layers("LSTM", 64, 128):
        start = time.perf_counter()
        for rows in range(1, 1 + (32 if rounds > 1 else 2)):
            layer(torch.randn(50, rows, 64))[0].sum().backward()
        found.append(time.perf_counter() - start)
    return found


def one_step(kind: str, training: bool) -> Callable[[int], list[float]]:
    def measure(rounds: int) -> list[float]:
        import torch

        cell = kind.endswith("Cell")
        x = torch.randn(4, 64) if cell else torch.randn(1, 4, 64)

        def call(layer: object) -> Callable[[], object]:
            def forward() -> object:
                with torch.set_grad_enabled(training):
                    result = layer(x)
                    if training:
                        (result[0] if isinstance(result, tuple) else result).sum().backward()
                return result

            return forward

        return in_turns([call(layer) for layer in layers(kind, 64, 64)], rounds * 4, 25)

    return measure


def penalty(kind: str) -> Callable[[int], list[float]]:
    def measure(rounds: int) -> list[float]:
        import torch

        data = torch.randn(50, 32, 64)

        def call(layer: object) -> Callable[[], object]:
            def step() -> None:
                x = data.detach().requires_grad_()
                (gradient,) = torch.autograd.grad(layer(x)[0].sum(), x, create_graph=True)
                (gradient.norm(dim=(0, 2)) - 1).square().mean().backward()

            return step

        return in_turns([call(layer) for layer in layers(kind, 64, 128)], rounds)

    return measure


def packed(rounds: int) -> list[float]:
    """Training on one sequence of 1,000 steps and 199 of 5."""
    import torch
    from torch.nn.utils.rnn import pack_sequence

    sequences = [torch.randn(length, 64) for length in [1000, *[5] * 199]]
    batch = pack_sequence(sequences, enforce_sorted=False)

    def call(layer: object) -> Callable[[], object]:
        return lambda: layer(batch)[0].data.sum().backward()

    return in_turns([call(layer) for layer in layers("LSTM", 64, 64)], rounds)


def sixteen_bits(kind: str) -> Callable[[int], list[float]]:
    def measure(rounds: int) -> list[float]:
        import torch

        x = torch.randn(50, 32, 64, dtype=torch.bfloat16)

        def call(layer: object) -> Callable[[], object]:
            def forward() -> object:
                with torch.no_grad():
                    return layer(x)

            return forward

        return in_turns([call(layer.bfloat16()) for layer in layers(kind, 64, 128)], rounds)

    return measure


def first_call(rounds: int) -> list[float]:
    """Seconds from the import to the end of a first training step, beside `import torch` and torch.nn's own."""
    found = []
    for room in ("tenuto", "torch.nn"):
        program = f"import time; s = time.perf_counter(); import torch, {room} as room; l = room.LSTM(8, 16)\nl(torch.randn(5, 2, 8))[0].sum().backward(); print(time.perf_counter() - s)"
        runs = [subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True) for _ in range(min(rounds, 5) + 1)]
        found.append(statistics.median(float(run.stdout) for run in runs[1:]))
    return found


USES: dict[str, Callable[[int], list[float]]] = {
    "32 batch sizes, training, from the first call": many_shapes,
    **{f"one step, {kind}, {'training' if training else 'inference'}": one_step(kind, training)
       for kind in ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell") for training in (False, True)},
    **{f"gradient penalty, {kind}": penalty(kind) for kind in ("LSTM", "GRU", "RNN")},
    "packed, one long and 199 short, training": packed,
    **{f"bfloat16 layer, {kind}, inference": sixteen_bits(kind) for kind in ("LSTM", "GRU", "RNN")},
    "import, first layer, first training step": first_call,
}  # fmt: skip


def work(use: str, rounds: int) -> None:
    import torch

    torch.set_num_threads(1)
    try:
        print(json.dumps(USES[use](rounds)))
    except (RuntimeError, NotImplementedError) as error:  # torch has no bfloat16 LSTM on some processors
        print(json.dumps(str(error).splitlines()[0]))


# --- the parent ----------------------------------------------------------------------------------------------------------


def measured(source: Path, use: str, rounds: int) -> object:
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPATH": str(source), "TENUTO_CACHE": cache, "OMP_NUM_THREADS": "1"}
        done = subprocess.run([sys.executable, __file__, "--use", use, "--rounds", str(rounds)], env=environment, capture_output=True, text=True, check=False)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def table(rows: dict[str, dict[str, object]], sources: list[str]) -> str:
    def cell(value: object) -> str:
        if isinstance(value, str):
            return value[:60]
        ours, theirs = value  # type: ignore[misc]
        return f"{ours / theirs:.2f} ({ours * 1000:.3g} / {theirs * 1000:.3g} ms)"

    head = f"| use | {' | '.join(sources)} |\n|---|{'---|' * len(sources)}"
    return "\n".join([head, *(f"| {use} | {' | '.join(cell(found[source]) for source in sources)} |" for use, found in rows.items())])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", action="append", default=[], help="the src folder of another version, to measure it too")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--use", help=argparse.SUPPRESS)
    parser.add_argument("--smoke", action="store_true", help="each use once, nothing written")
    asked = parser.parse_args()
    if asked.use:
        return work(asked.use, asked.rounds)
    sources = {str(folder): Path(folder).resolve() for folder in asked.source} | {"this version": ROOT / "src"}
    rounds, rows = 1 if asked.smoke else asked.rounds, {}
    for use in USES:
        rows[use] = {name: measured(folder, use, rounds) for name, folder in sources.items()}
        print(table({use: rows[use]}, list(sources)).splitlines()[-1], flush=True)
    if asked.smoke:
        return
    import torch

    about = {"date": date.today().isoformat(), "machine": platform.processor() or platform.machine(), "torch": torch.__version__, "load": os.getloadavg()[0]}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "cliffs.json").write_text(json.dumps({"about": about, "seconds, ours and torch.nn's": rows}, indent=1) + "\n")
    text = f"Ours / torch.nn's, and milliseconds of each: below 1 is faster. {about}\n\n{table(rows, list(sources))}\n"
    (RESULTS / "cliffs.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
