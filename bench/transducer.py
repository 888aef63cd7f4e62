"""The loss of a transducer, forward and backward, beside the same lattice in plain torch: its anti-diagonals one after another, differentiated by autograd.

    python bench/transducer.py [--seconds 8] [--smoke]

Both get the same logits, in float32, and must give the same losses and gradients before anything is timed; the error of each is told against the plain one in float64. Then they take turns.
Memory is what the system counts, in processes of their own, five for each, of which the middle one counts: the highest resident memory over the calls, less that before them, when the logits are there and a small call was made.

Prints a table, writes results/transducer.json and .md. Under a minute. `--smoke`: everything small, nothing written.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from bench.speed.memory import forget_peak, resident  # noqa: E402
from bench.speed.timing import circumstances, interleaved  # noqa: E402

from tenuto.networks.transducer import BLANK, transducer_loss  # noqa: E402

SHAPES = ((16, 150, 20, 30), (8, 400, 60, 60))  # B, T, U, V
PROCESSES = 5  # whose memory is looked at: the median
SMALL = ((2, 9, 3, 5),)
IMPOSSIBLE = -1e30  # finite, since the derivative of logaddexp at two infinities is not a number


def plain_loss(logits: Tensor, targets: Tensor, frames: Tensor, labels: Tensor) -> Tensor:
    """As `transducer_loss`, with nothing but torch's own operations and derivatives."""
    steps, rows, places, _ = logits.shape
    known = logits.log_softmax(3)
    symbols = known[:, :, :-1].gather(3, targets[None, :, :, None].expand(steps, -1, -1, 1))[..., 0]
    symbols = torch.nn.functional.pad(symbols, (0, 1), value=IMPOSSIBLE)
    step = torch.arange(steps + places - 1)[:, None] - torch.arange(places)  # [N, U + 1]: cell (t, u) stands in row t + u
    there, index = ((step >= 0) & (step < steps))[:, None], step.clamp(0, steps - 1)[:, None].expand(-1, rows, -1)
    blanks, symbols = (torch.where(there, each.gather(0, index), IMPOSSIBLE) for each in (known[..., BLANK], symbols))  # [N, B, U + 1]
    sums = [torch.where(torch.arange(places) == 0, 0.0, known.new_full((rows, places), IMPOSSIBLE))]
    for blank, symbol in zip(blanks[:-1].unbind(), symbols[:-1].unbind()):
        moved = torch.nn.functional.pad((sums[-1] + symbol)[:, :-1], (1, 0), value=IMPOSSIBLE)
        sums.append(torch.logaddexp(sums[-1] + blank, moved))
    last, row = frames - 1 + labels, torch.arange(rows)
    return -(torch.stack(sums)[last, row, labels] + blanks[last, row, labels])


CONTENDERS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {"tenuto": transducer_loss, "plain torch": plain_loss}


def posed(shape: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits, targets and lengths; one row is full, the others are shorter."""
    rows, steps, places, symbols = shape
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(steps // 2, steps + 1, (rows,), generator=generator)
    labels = torch.randint(places // 2, places + 1, (rows,), generator=generator)
    frames[0], labels[0] = steps, places
    logits = 2 * torch.randn(steps, rows, places + 1, symbols, generator=generator)
    return logits.requires_grad_(), torch.randint(1, symbols, (rows, places), generator=generator), frames, labels


def step_of(name: str, given: tuple[Tensor, Tensor, Tensor, Tensor]) -> Callable[[], Tensor]:
    """Forward and backward, each time it is called; gives the losses."""

    def step() -> Tensor:
        given[0].grad = None
        losses = CONTENDERS[name](*given)
        losses.sum().backward()
        return losses.detach()

    return step


def measure(shape: tuple[int, ...], seconds: float) -> dict[str, Any]:
    """One line of the table."""
    given = posed(shape)
    exact = (given[0].detach().double().requires_grad_(), *given[1:])
    losses, steps = step_of("plain torch", exact)(), {name: step_of(name, given) for name in CONTENDERS}
    errors = {}
    for name, step in steps.items():
        found = step()
        assert given[0].grad is not None and exact[0].grad is not None
        errors[name] = {"loss": float(((found - losses) / losses).abs().max()), "gradient": float((given[0].grad - exact[0].grad).abs().max())}
        assert max(errors[name].values()) < 1e-3, f"{name} does not give the loss: {errors[name]}"
    times = interleaved(dict(steps), seconds)
    joint = given[0].numel() * given[0].element_size()
    memory = {name: statistics.median(float(subprocess.run([sys.executable, __file__, "--memory", name, *map(str, shape)], capture_output=True, text=True, check=True).stdout) / joint for _ in range(PROCESSES)) for name in CONTENDERS}
    line = {"shape": dict(zip("BTUV", shape)), "ms": {name: round(value[0], 3) for name, value in times.items()}, "errors": errors, "memory": {name: round(value, 2) for name, value in memory.items()}}
    return {**line, "ratio": round(times["plain torch"][0] / times["tenuto"][0], 2), "at": circumstances()}


def added_bytes(name: str, shape: tuple[int, ...]) -> int:
    """The resident memory that forward and backward add at their peak."""
    step_of(name, posed((2, 9, 3, 5)))()
    step = step_of(name, posed(shape))
    forget_peak()
    before = resident("VmRSS")
    step()
    return max(0, resident("VmHWM") - before) * 1024


def page(lines: list[dict[str, Any]]) -> str:
    """The table, and below it where it was measured."""
    rows = ["| B × T × U, V | tenuto, ms | plain torch, ms | times faster | memory beside the logits | of plain torch | error of the gradient | of plain torch |", "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for line in lines:
        shape, errors = line["shape"], line["errors"]
        rows.append(
            f"| {shape['B']} × {shape['T']} × {shape['U']}, {shape['V']} | {line['ms']['tenuto']:.2f} | {line['ms']['plain torch']:.2f} | {line['ratio']:.2f} | {line['memory']['tenuto']:.2f} | {line['memory']['plain torch']:.2f} "
            f"| {errors['tenuto']['gradient']:.1e} | {errors['plain torch']['gradient']:.1e} |"
        )
    at = lines[0]["at"]
    return (
        "# The loss of a transducer, forward and backward\n\nBeside the same lattice in plain torch, differentiated by autograd. Medians of calls in turns; memory in sizes of the logits, the median of five processes; errors against float64.\n\n"
        + "\n".join(rows)
        + f"\n\n{at['processor']}, {at['threads']} threads, load {at['load']} at the end of the first line; torch {at['torch']}; {at['measured']}. `python bench/transducer.py` measures it again.\n"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=8.0, help="for each shape")
    options.add_argument("--smoke", action="store_true", help="everything small, nothing written")
    options.add_argument("--memory", nargs=5, metavar=("NAME", "B", "T", "U", "V"), help="prints the bytes that one call adds, and nothing else")
    arguments = options.parse_args()
    if arguments.memory:
        print(added_bytes(arguments.memory[0], tuple(map(int, arguments.memory[1:]))))
        return
    lines = []
    for shape in SMALL if arguments.smoke else SHAPES:
        lines.append(measure(shape, 0.0 if arguments.smoke else arguments.seconds))
        print(json.dumps({key: value for key, value in lines[-1].items() if key != "at"}), flush=True)
    text = page(lines)
    print(text)
    if arguments.smoke:
        return
    (HERE / "results" / "transducer.json").write_text(json.dumps({"format": "tenuto transducer", "lines": lines}, indent=1) + "\n", encoding="utf-8")
    (HERE / "results" / "transducer.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
