"""A model of steps as a WebAssembly program: its C and a few functions that JavaScript calls, built by `zig cc`."""

from __future__ import annotations

from pathlib import Path
from string import Template

from tenuto.export.c.compiler import STRICT, compile_c, zig
from tenuto.export.c.write import Printed
from tenuto.tasks.stepped import StepModel, Symbols

# wasi-libc has the maths; a reactor is a library, which has no main. No function of the system is called, so nothing is imported.
_FLAGS = ("-target", "wasm32-wasi", "-mexec-model=reactor", "-msimd128", "-O3", "-s")
_DOORS = Template("""\
/* The functions that JavaScript calls: one state, and places for the input and the output. */
#include "$name.h"

#define DOOR(name) __attribute__((export_name(name)))

static ${name}_state state;
static float output[${big}_OUTPUTS];
$input
DOOR("output") float *door_output(void) { return output; }
DOOR("reset") void door_reset(void) { ${name}_reset(&state); }
DOOR("self_test") int door_self_test(void) { return ${name}_self_test(&state); }
""")
_SYMBOL = Template('DOOR("step") int door_step(int symbol) { return ${name}_step(&state, symbol, output); }')
_NUMBERS = Template("""\
static float input[${big}_INPUTS];
DOOR("input") float *door_input(void) { return input; }
DOOR("step") int door_step(void) { return ${name}_step(&state, input, output); }""")


def build(model: StepModel, printed: Printed, name: str, folder: Path) -> Path:
    """Builds NAME.wasm in a folder for intermediate files.

    Raises:
        EngineError: there is no `ziglang`, or it fails.
    """
    names = {"name": name, "big": name.upper()}
    for file, text in printed.files.items():
        (folder / file).write_text(text, encoding="ascii")
    doors = folder / f"{name}_doors.c"
    given = _SYMBOL if isinstance(model.front, Symbols) else _NUMBERS
    doors.write_text(_DOORS.substitute(names, input=given.substitute(names)), encoding="ascii")
    return compile_c(zig(), [folder / f"{name}.c", doors], folder / f"{name}.wasm", *STRICT, *_FLAGS, f"-I{folder}", "-lm")
