"""The export to C on a microcontroller: flash and memory by section, and instructions a step, for a Cortex-M4 with its floating-point unit.

    python bench/microcontroller.py --out bench/results/microcontroller.md

Built by `zig cc` (the package ziglang) without an operating system or a C library, read by pyelftools, run by the emulator unicorn; none of them is installed with
tenuto. The emulator counts instructions, which are no cycles: a multiplication waits for memory, a division takes 14 cycles.
"""

from __future__ import annotations

import argparse
import struct
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

import tenuto
from tenuto import Recurrent
from tenuto.cells import GRU, LSTM, Elman
from tenuto.data import read_splits
from tenuto.data.sets import path_of
from tenuto.export.c.compiler import compile_c, zig
from tenuto.export.c.model import inputs_of, of_layer
from tenuto.export.c.write import print_checked
from tenuto.tasks import SequenceClassifier
from tenuto.tasks.stepped import StepModel

TARGET = ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4+vfp4d16sp", "-O2", "-fno-math-errno", "-ffunction-sections", "-fdata-sections", "-fno-unwind-tables")
LINK = ("-Wl,--gc-sections", "-Wl,-e,{entry}", "-static")
STACK, END = 0x2010_0000, 0x0F00_0000
LONGEST = 100_000_000  # instructions of a call: more, and the program does not end
# A machine without a C library has no math.h. What is not among the compiler's own functions is written here by those that are.
MATH_H = """\
#ifndef MATH_H
#define MATH_H
#define NAN __builtin_nanf("")
#define INFINITY __builtin_inff()
#define isfinite(x) (!__builtin_isnan((x) - (x)))
#define isinf(x) __builtin_isinf(x)
#define isnan(x) __builtin_isnan(x)
static inline float fmaf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
float expf(float), logf(float), sinf(float), cosf(float), floorf(float), sqrtf(float), fabsf(float);
static inline float tanhf(float x) { return x > 9.0f ? 1.0f : x < -9.0f ? -1.0f : x * x < 1e-4f ? x - x * x * x / 3.0f : 1.0f - 2.0f / (expf(2.0f * x) + 1.0f); }
#endif
"""
MAIN = """\
#include "{name}.h"
{name}_state state;
float input[{NAME}_INPUTS], output[{NAME}_OUTPUTS];
#define DOOR __attribute__((noinline))
DOOR int test(void) {{ return {name}_self_test(&state); }}
DOOR void reset(void) {{ {name}_reset(&state); }}
DOOR int step(void) {{ return {name}_step(&state, input, output); }}
void start(void) {{ test(); reset(); step(); }}
"""


# How numbers are stored, and the options of `tenuto.compress`; small layers are shown in the first two forms.
FORMS: dict[str, dict[str, str] | None] = {"fp32": None, "int8, multiplied as int8": {"activations": "int8"}, "int8": {"weights": "int8"}, "int4": {"weights": "int4"}}


def models() -> Iterator[tuple[str, str, StepModel]]:
    """The models of the table: title, how it is stored, and the model."""
    sizes = {"Elman 12 to 32": (Elman(), 32), "GRU 12 to 32": (GRU(), 32), "LSTM 12 to 32": (LSTM(), 32), "LSTM 12 to 64": (LSTM(), 64)}
    for title, (cell, hidden) in sizes.items():
        torch.manual_seed(0)
        layer = Recurrent(cell, 12, hidden, engine="reference").eval()
        for form, options in FORMS.items() if hidden == 64 else list(FORMS.items())[:2]:
            yield title, form, of_layer(layer if options is None else tenuto.compress(layer, **options))
    for hidden, layers in ((64, 1), (96, 2)):
        torch.manual_seed(0)
        classifier = SequenceClassifier("lstm", hidden_size=hidden, num_layers=layers, bidirectional=False, halvings=0, epochs=1, engine="reference", random_state=0).fit(read_splits(path_of("japanese_vowels")).train)
        for form, options in list(FORMS.items())[:2]:
            yield f"LSTM classifier, 12 to {hidden}, {layers} layers, 9 classes", form, (classifier if options is None else tenuto.compress(classifier, **options)).steps()


def built(model: StepModel, name: str, folder: Path) -> Path:
    """A program for the microcontroller with a model in it."""
    for file, text in print_checked(model, name).files.items():
        (folder / file).write_text(text, encoding="ascii")
    main = folder / "device.c"
    main.write_text(MAIN.format(name=name, NAME=name.upper()), encoding="ascii")
    return for_device([folder / f"{name}.c", main], folder / f"{name}.elf")


def for_device(sources: Sequence[Path], target: Path) -> Path:
    """Builds a program that begins at `start`, from sources beside each other."""
    (target.parent / "math.h").write_text(MATH_H, encoding="ascii")
    link = [word.format(entry="start") for word in LINK]
    return compile_c(zig(), sources, target, "-std=c99", *TARGET, *link, f"-I{target.parent}")


def sections(program: Path) -> dict[str, int]:
    """Bytes of code, of constants, and of memory that a program holds all the time."""
    from elftools.elf.elffile import ELFFile

    found = {"code": 0, "constants": 0, "memory": 0}
    with program.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            flags = section["sh_flags"]
            if flags & 2:  # it is loaded
                kind = "memory" if flags & 1 else "code" if flags & 4 else "constants"
                found[kind] += section["sh_size"]
    return found


class Device:
    """The program in an emulator."""

    def __init__(self, program: Path) -> None:
        import unicorn
        from elftools.elf.elffile import ELFFile
        from unicorn import arm_const

        self.registers, self.machine = arm_const, unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        with program.open("rb") as file:
            elf = ELFFile(file)
            self.places = {symbol.name: symbol["st_value"] for symbol in elf.get_section_by_name(".symtab").iter_symbols()}
            parts = [(part["p_vaddr"], part["p_memsz"], part.data()) for part in elf.iter_segments() if part["p_type"] == "PT_LOAD"]
        pages = sorted({page for place, size, _ in parts for page in range(place // 4096, (place + size) // 4096 + 1)})
        for page in pages:
            self.machine.mem_map(page * 4096, 4096)
        for place, _, data in parts:
            self.machine.mem_write(place, data)
        self.machine.mem_map(STACK - 0x10000, 0x10000)
        self.machine.mem_map(END, 4096)
        access = self.machine.reg_read(arm_const.UC_ARM_REG_C1_C0_2)
        self.machine.reg_write(arm_const.UC_ARM_REG_C1_C0_2, access | 0xF << 20)  # the floating-point unit is switched on
        self.machine.reg_write(arm_const.UC_ARM_REG_FPEXC, 0x40000000)
        self.count, self.lowest = 0, STACK
        self.machine.hook_add(unicorn.UC_HOOK_CODE, self._counted)

    def _counted(self, machine: Any, address: int, size: int, user: Any) -> None:
        self.count += 1
        if self.count % 64 == 0:
            self.lowest = min(self.lowest, machine.reg_read(self.registers.UC_ARM_REG_SP))

    def call(self, name: str) -> tuple[int, int]:
        """What a function returns, and how many instructions it took."""
        self.machine.reg_write(self.registers.UC_ARM_REG_SP, STACK - 16)
        self.machine.reg_write(self.registers.UC_ARM_REG_LR, END | 1)
        self.count = 0
        self.machine.emu_start(self.places[name] | 1, END, count=LONGEST)
        if self.machine.reg_read(self.registers.UC_ARM_REG_PC) & ~1 != END:
            raise RuntimeError(f"{name}() has not come to its end after {LONGEST:,} instructions")
        return self.machine.reg_read(self.registers.UC_ARM_REG_R0), self.count

    def numbers(self, name: str, count: int) -> list[float]:
        """The numbers in an array of the program."""
        return list(struct.unpack(f"<{count}f", self.machine.mem_read(self.places[name] & ~1, 4 * count)))

    def give(self, name: str, values: Sequence[float]) -> None:
        """Writes numbers into an array of the program."""
        self.machine.mem_write(self.places[name] & ~1, struct.pack(f"<{len(values)}f", *values))

    @property
    def stack(self) -> int:
        """Bytes of stack that were used, as far as they were looked at."""
        return STACK - self.lowest


def row(title: str, form: str, model: StepModel) -> str:
    """A line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        program = built(model, "model", Path(folder))
        found, device = sections(program), Device(program)
        wrong, _ = device.call("test")
        assert wrong == 0, f"the answer after step {wrong} is another than the model's"
        device.call("reset")
        device.give("input", [0.1 * (k + 1) for k in range(inputs_of(model))])
        device.call("step")
        _, count = device.call("step")
    flash = found["code"] + found["constants"]
    return f"| {title} | {form} | {found['code']:,} | {found['constants']:,} | {flash:,} | {found['memory']:,} | {device.stack:,} | {count:,} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    head = (
        "# The export to C on a Cortex-M4\n\n`zig cc -O2`, hard float, no C library. Whole numbers of 8 and 4 bits are those of `tenuto compress`. Flash is code and constants, the self-test's sequence included; memory is the state with its scratch, one input and one output. "
        "Instructions were counted by the emulator unicorn over one step; **they are not cycles**. In each program the self-test ran in the emulator and gave the model's answers.\n\n"
        "| model | numbers | code, bytes | constants, bytes | flash, bytes | memory, bytes | stack, bytes | instructions a step |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    )
    out, text = parser.parse_args().out, head
    for title, form, model in models():
        text += row(title, form, model) + "\n"
        print(text.splitlines()[-1], flush=True)
    if out is not None:
        out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
