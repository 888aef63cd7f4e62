"""The export to C on a microcontroller: flash and memory by section, and instructions a step, for a Cortex-M4 with its floating-point unit.

    python bench/microcontroller.py --out bench/results/microcontroller.md

Built by `zig cc` (the package ziglang) without an operating system or a C library, read by pyelftools, run by the emulator unicorn; neither is installed with
tenuto. The emulator counts instructions, which are no cycles: a multiplication waits for memory, a division takes 14 cycles.
"""

from __future__ import annotations

import argparse
import struct
import tempfile
from pathlib import Path
from typing import Any

import torch

from tenuto import Recurrent
from tenuto.cells import GRU, LSTM, Elman
from tenuto.export.c.compiler import compile_c, zig
from tenuto.export.c.model import of_layer
from tenuto.export.c.write import print_checked
from tenuto.tasks.stepped import StepModel

TARGET = ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4+vfp4d16sp", "-O2", "-ffunction-sections", "-fdata-sections", "-fno-unwind-tables")
LINK = ("-Wl,--gc-sections", "-Wl,-e,{entry}", "-static")
STACK, END = 0x2010_0000, 0x0F00_0000
# A machine without a C library has no math.h. What is not among the compiler's own functions is written here by those that are.
MATH_H = """\
#ifndef MATH_H
#define MATH_H
#define NAN __builtin_nanf("")
#define INFINITY __builtin_inff()
#define isfinite(x) (!__builtin_isnan((x) - (x)))
#define isinf(x) __builtin_isinf(x)
#define isnan(x) __builtin_isnan(x)
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


def models() -> dict[str, StepModel]:
    """The models of the table."""
    torch.manual_seed(0)
    sizes = {"Elman 12 to 32": (Elman(), 32), "GRU 12 to 32": (GRU(), 32), "LSTM 12 to 32": (LSTM(), 32), "LSTM 12 to 64": (LSTM(), 64)}
    return {name: of_layer(Recurrent(cell, 12, hidden, engine="reference").eval()) for name, (cell, hidden) in sizes.items()}


def built(model: StepModel, name: str, folder: Path) -> Path:
    """A program for the microcontroller with a model in it."""
    for file, text in print_checked(model, name).files.items():
        (folder / file).write_text(text, encoding="ascii")
    (folder / "math.h").write_text(MATH_H, encoding="ascii")
    main = folder / "device.c"
    main.write_text(MAIN.format(name=name, NAME=name.upper()), encoding="ascii")
    link = [word.format(entry="start") for word in LINK]
    return compile_c(zig(), [folder / f"{name}.c", main], folder / f"{name}.elf", "-std=c99", *TARGET, *link, f"-I{folder}")


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
        self.machine.emu_start(self.places[name] | 1, END)
        return self.machine.reg_read(self.registers.UC_ARM_REG_R0), self.count

    def numbers(self, name: str, count: int) -> list[float]:
        """The numbers in an array of the program."""
        return list(struct.unpack(f"<{count}f", self.machine.mem_read(self.places[name] & ~1, 4 * count)))

    @property
    def stack(self) -> int:
        """Bytes of stack that were used, as far as they were looked at."""
        return STACK - self.lowest


def row(title: str, model: StepModel) -> str:
    """A line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        program = built(model, "model", Path(folder))
        found, device = sections(program), Device(program)
        wrong, _ = device.call("test")
        assert wrong == 0, f"the answer after step {wrong} is another than the model's"
        device.call("reset")
        device.call("step")
        _, count = device.call("step")
    flash = found["code"] + found["constants"]
    return f"| {title} | {found['code']:,} | {found['constants']:,} | {flash:,} | {found['memory']:,} | {device.stack:,} | {count:,} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    head = (
        "# The export to C on a Cortex-M4\n\nfp32, `zig cc -O2`, hard float, no C library. Flash is code and constants, the self-test's sequence included; memory is the state with its scratch, one input and one output. "
        "Instructions were counted by the emulator unicorn over one step; **they are not cycles**. In each program the self-test ran in the emulator and gave the model's answers.\n\n"
        "| model | code, bytes | constants, bytes | flash, bytes | memory, bytes | stack, bytes | instructions a step |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    )
    out, text = parser.parse_args().out, head
    for title, model in models().items():
        text += row(title, model) + "\n"
        print(text.splitlines()[-1], flush=True)
    if out is not None:
        out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
