"""The peak memory of training, each layer in a process of its own. As a program: one line, the MB that three training steps add.

    python bench/speed/memory.py KIND OURS B T I H           KIND: LSTM, GRU or RNN; OURS: 1 for tenuto, 0 for torch.nn

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

SHAPES = [(32, 1000, 64, 64), (64, 200, 128, 256)]


def peak_memory(shapes: list[tuple[int, int, int, int]], kinds: list[str]) -> list[dict[str, object]]:
    """Peak MB of training, ours and torch.nn's."""
    rows: list[dict[str, object]] = []
    for kind in kinds:
        for shape in shapes:
            found = {}
            for name, ours in (("cpp", "1"), ("torch.nn", "0")):
                command = [sys.executable, __file__, kind, ours, *map(str, shape)]
                found[name] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            print(f"{kind:17} memory     {'x'.join(map(str, shape)):16} MB: {found}", flush=True)
            rows.append({"cell": kind, "what": "peak memory", "shape": list(shape), "operations": 0, "mb": found})
    return rows


def _resident(field: str) -> int:
    """A field of /proc/self/status in kB; where there is none (not Linux), the highest so far for both."""
    path = Path("/proc/self/status")
    if not path.exists():
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak // 1024 if sys.platform == "darwin" else peak
    return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(field + ":"))


def main() -> None:
    import torch
    from torch import nn

    import tenuto

    kind, ours = sys.argv[1], sys.argv[2] == "1"
    batch, steps, features, hidden = map(int, sys.argv[3:])
    room = tenuto if ours else nn

    def train(layer: nn.Module, x: torch.Tensor) -> None:
        if ours:
            layer.engine = "cpp"
        for _ in range(3):
            layer.zero_grad(set_to_none=True)
            x.grad = None
            layer(x)[0].sum().backward()

    train(getattr(room, kind)(8, 16), torch.randn(5, 4, 8).requires_grad_())
    layer, x = getattr(room, kind)(features, hidden), torch.randn(steps, batch, features).requires_grad_()
    before = _resident("VmRSS")
    train(layer, x)
    print(max(0, _resident("VmHWM") - before) / 1024)


if __name__ == "__main__":
    main()
