"""The peak memory of training, each layer in a process of its own. As a program: one line, the MB that three training steps add.

    python bench/speed/memory.py KIND OURS B T I H [SHORT]   KIND: LSTM, GRU or RNN; OURS: 1 for tenuto, 0 for torch.nn

With SHORT the input is packed: one sequence of T steps and B - 1 of so many.

Counted by the system: the highest resident memory while the steps run, less the resident memory before them, when torch is loaded,
the layer and its input exist, and a tiny layer of the same kind has been trained (so that code, threads and compiled kernels are
there on both sides). It holds everything: saved states, gradients, workspaces, the pool of the cpp engine.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

if __package__ is None and __name__ == "__main__":
    sys.path.pop(0)

SHAPES: list[tuple[int, ...]] = [(32, 1000, 64, 64), (64, 200, 128, 256), (200, 1000, 64, 64, 5)]  # B, T, I, H, and of packed input SHORT


def peak_memory(shapes: list[tuple[int, ...]], kinds: list[str]) -> list[dict[str, object]]:
    """Peak MB of training, ours and torch.nn's."""
    rows: list[dict[str, object]] = []
    for kind in kinds:
        for shape in shapes:
            found, cell = {}, f"{kind}, packed: one long, others {shape[4]} steps" if shape[4:] else kind
            for name, ours in (("cpp", "1"), ("torch.nn", "0")):
                command = [sys.executable, __file__, kind, ours, *map(str, shape)]
                found[name] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            print(f"{cell:17} memory     {'x'.join(map(str, shape)):16} MB: {found}", flush=True)
            rows.append({"cell": cell, "what": "peak memory", "shape": list(shape[:4]), "operations": 0, "mb": found})
    return rows


def resident(field: str) -> int:
    """A field of /proc/self/status in kB; where there is none (not Linux), the highest so far for both."""
    path = Path("/proc/self/status")
    if not path.exists():
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak // 1024 if sys.platform == "darwin" else peak
    return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(field + ":"))


def forget_peak() -> None:
    """Lets VmHWM begin anew, at what is resident now; what torch's import needed is more than a packed sequence does."""
    path = Path("/proc/self/clear_refs")
    if path.exists():
        path.write_text("5")


def main() -> None:
    import torch
    from torch import nn
    from torch.nn.utils.rnn import PackedSequence, pack_sequence

    import tenuto

    kind, ours = sys.argv[1], sys.argv[2] == "1"
    batch, steps, features, hidden, *short = map(int, sys.argv[3:])
    room = tenuto if ours else nn

    def train(layer: nn.Module, x: torch.Tensor, packed: PackedSequence | None) -> None:
        if ours:
            layer.engine = "cpp"
        for _ in range(3):
            layer.zero_grad(set_to_none=True)
            x.grad = None
            output = layer(x if packed is None else packed._replace(data=x))[0]
            (output if packed is None else output.data).sum().backward()

    def posed(batch: int, steps: int, features: int) -> tuple[torch.Tensor, PackedSequence | None]:
        if not short:
            return torch.randn(steps, batch, features).requires_grad_(), None
        lengths = [steps] + [min(steps, short[0])] * (batch - 1)
        packed = pack_sequence([torch.randn(length, features) for length in lengths], enforce_sorted=False)
        return packed.data.requires_grad_(), packed

    train(getattr(room, kind)(8, 16), *posed(4, 5, 8))
    layer, (x, packed) = getattr(room, kind)(features, hidden), posed(batch, steps, features)
    forget_peak()
    before = resident("VmRSS")
    train(layer, x, packed)
    print(max(0, resident("VmHWM") - before) / 1024)


if __name__ == "__main__":
    main()
