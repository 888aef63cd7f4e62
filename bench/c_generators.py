"""The export to C beside what emx-onnx-cgen prints for the same LSTM, with the same compiler and flags.

    python bench/c_generators.py [--out bench/results/c_generators.md] [--seconds 20]

Needs emx-onnx-cgen 1.4.0 (`pip install emx-onnx-cgen==1.4.0`), and for the microcontroller what bench/microcontroller.py needs. Both read the same steps, one after
another, and must give the same answers, before anything is counted. On this machine they take turns in one process, and medians are shown; for a Cortex-M4 the emulator
counts instructions, which do not depend on what else the machine does. The last column is the same LSTM after `tenuto compress --int8 --activations int8`.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from string import Template

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from bench.microcontroller import Device, for_device  # noqa: E402

import tenuto  # noqa: E402
from tenuto import Recurrent  # noqa: E402
from tenuto.cells import LSTM  # noqa: E402
from tenuto.export.c.compiler import compile_c, host  # noqa: E402
from tenuto.export.c.model import of_layer  # noqa: E402
from tenuto.export.c.write import print_checked  # noqa: E402

SIZES = ((12, 32), (12, 64))
STEPS, INPUT = 16, "iofc"  # steps of a sequence; the order in which ONNX has the gates
FLAGS = ("-std=gnu99", "-O3", "-march=native", "-ffp-contract=off")
RUNS = """\
#include "ours.h"
#include "whole.h"
void other(const float *x, float *y);
static ours_state ours;
static whole_state whole;
float input[$inputs], output[$outputs];
#define DOOR __attribute__((noinline))
DOOR void run_ours(void) { ours_reset(&ours); for (int t = 0; t < $steps; t++) ours_step(&ours, input + t * $I, output + t * $H); }
DOOR void run_whole(void) { whole_reset(&whole); for (int t = 0; t < $steps; t++) whole_step(&whole, input + t * $I, output + t * $H); }
DOOR void run_other(void) { other(input, output); }
void start(void) { run_ours(); run_whole(); run_other(); }
"""
# Prints what each answers, and then times of the three in turns, in nanoseconds.
CLOCK = """\
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
void run_ours(void);
void run_whole(void);
void run_other(void);
extern float input[], output[];
static double now(void) { struct timespec t; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); return 1e9 * (double)t.tv_sec + (double)t.tv_nsec; }
int main(int count, char **words)
{
  void (*const each[3])(void) = {run_ours, run_whole, run_other};
  const double end = now() + 1e9 * atof(words[count - 1]);
  for (int k = 0; k < $inputs; k++) if (scanf("%f", &input[k]) != 1) return 1;
  for (int e = 0; e < 3; e++) { each[e](); for (int k = 0; k < $outputs; k++) printf("%.9g ", (double)output[k]); printf("\\n"); }
  while (now() < end) {
    for (int e = 0; e < 3; e++) {
      const double before = now();
      for (int k = 0; k < 20; k++) each[e]();
      printf("%.9g ", (now() - before) / 20 / $steps);
    }
    printf("\\n");
  }
  return 0;
}
"""


def as_onnx(layer: Recurrent, place: Path) -> None:
    """The layer as one LSTM of ONNX with fixed sizes."""
    width, hidden = layer.input_size, layer.hidden_size
    named = {"i": "i", "o": "o", "f": "f", "c": "g"}
    order = [list(layer.cell.widths("gates")).index(named[gate]) for gate in INPUT]
    arrays = {name: value.detach().reshape(4, hidden, -1)[order].reshape(1, 4 * hidden, -1).numpy() for name, value in (("W", layer.weight_ih_l0), ("R", layer.weight_hh_l0), ("B", layer.bias_l0))}
    arrays["B"] = np.concatenate([arrays["B"][..., 0], np.zeros((1, 4 * hidden), np.float32)], 1)
    tensors = [helper.make_tensor(name, TensorProto.FLOAT, value.shape, value.reshape(-1)) for name, value in arrays.items()]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", [STEPS, 1, width]), ("y", [STEPS, 1, 1, hidden])))
    graph = helper.make_graph([helper.make_node("LSTM", ["x", *arrays], ["y"], hidden_size=hidden)], "lstm", [x], [y], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), place)


def sources(layer: Recurrent, folder: Path) -> list[Path]:
    """The three programs and what runs them, in a folder."""
    forms = {"ours": layer, "whole": tenuto.compress(layer, activations="int8")}
    for name, one in forms.items():
        for file, text in print_checked(of_layer(one), name).files.items():
            (folder / file).write_text(text, encoding="ascii")
    as_onnx(layer, folder / "other.onnx")
    command = [sys.executable, "-m", "emx_onnx_cgen", "compile", str(folder / "other.onnx"), str(folder / "emx.c"), "--model-name", "emx"]
    subprocess.run(command, check=True, capture_output=True)
    shape = f"(const float (*)[1][{layer.input_size}])", f"(float (*)[1][1][{layer.hidden_size}])"
    (folder / "other.c").write_text(f'#include "emx.c"\nvoid other(const float *x, float *y) {{ emx({shape[0]}x, {shape[1]}y); }}\n', encoding="ascii")
    filled = filling(layer)
    (folder / "runs.c").write_text(Template(RUNS).substitute(filled), encoding="ascii")
    (folder / "clock.c").write_text(Template(CLOCK).substitute(filled), encoding="ascii")
    return [folder / f"{name}.c" for name in ("ours", "whole", "other", "runs")]


def filling(layer: Recurrent) -> dict[str, int]:
    """The sizes in the texts."""
    return {"I": layer.input_size, "H": layer.hidden_size, "steps": STEPS, "inputs": STEPS * layer.input_size, "outputs": STEPS * layer.hidden_size}


def row(width: int, hidden: int, seconds: float) -> str:
    """A line of the table."""
    torch.manual_seed(0)
    layer = Recurrent(LSTM(), width, hidden).eval()
    given = torch.randn(STEPS, 1, width)
    with torch.no_grad():
        expected = layer(given).output.reshape(-1).numpy()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        files = sources(layer, folder)
        program = compile_c(host(), [*files, folder / "clock.c"], folder / "clock.out", *FLAGS, f"-I{folder}", "-lm")
        said = subprocess.run([str(program), str(seconds)], input=" ".join(map(repr, given.reshape(-1).tolist())), capture_output=True, text=True, check=True).stdout.splitlines()
        for line, most in zip(said, (1e-5, 5e-2, 1e-5)):
            np.testing.assert_allclose(np.array(line.split(), np.float32), expected, atol=most, rtol=0)
        times = [statistics.median(column) for column in zip(*(map(float, line.split()) for line in said[3:]))]
        device = Device(for_device(files, folder / "device.elf"))
        device.give("input", given.reshape(-1).tolist())
        counts = [device.call(f"run_{name}")[1] / STEPS for name in ("ours", "whole", "other")]
        np.testing.assert_allclose(device.numbers("output", STEPS * hidden), expected, atol=1e-5, rtol=0)
    ours, whole, other = times
    return f"| {width} to {hidden} | {other:,.0f} | {ours:,.0f} | {other / ours:.2f} | {whole:,.0f} | {counts[2]:,.0f} | {counts[0]:,.0f} | {counts[2] / counts[0]:.2f} | {counts[1]:,.0f} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each size is timed")
    given = parser.parse_args()
    text = (
        f"# One step of an LSTM in C: tenuto's export and emx-onnx-cgen's\n\nThe same weights, sequences of {STEPS} steps, the same answers. Nanoseconds of processor time a step on one core, medians of runs in turns, both built with "
        f"`{' '.join(FLAGS)}`; and instructions a step on a Cortex-M4 (`zig cc -O2`), counted in an emulator: they are not cycles. int8: `tenuto compress --int8 --activations int8`.\n\n"
        "| LSTM | emx, ns | ours, ns | times faster | ours in int8, ns | emx, instructions | ours, instructions | times fewer | ours in int8, instructions |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    )
    for width, hidden in SIZES:
        text += row(width, hidden, given.seconds) + "\n"
        print(text.splitlines()[-1], flush=True)
    if given.out is not None:
        given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
