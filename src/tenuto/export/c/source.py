"""A model of steps as one header and one source of C99."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tenuto.engines.cpp.library import lanes
from tenuto.export.c.arrays import BYTES, constant
from tenuto.export.c.exactness import tolerance_elsewhere
from tenuto.export.c.expressions import BLOCK, FUNCTIONS, written
from tenuto.export.c.integers import GUARD, PLACE, exact_functions
from tenuto.export.c.layer import LayerText
from tenuto.export.c.matrices import Table
from tenuto.export.c.model import inputs_of, layers_of, outputs_of, pooling_of
from tenuto.export.c.names import comment, literal
from tenuto.layers.stored import Matrix
from tenuto.tasks.stepped import Channels, EachStep, Linear, Outputs, PooledClasses, StepModel, Symbols


@dataclass(frozen=True)
class SelfTest:
    """What the self-test holds: inputs [T, C] or [T], and what the model answers after each step, [T, K]."""

    inputs: np.ndarray
    answers: np.ndarray


@dataclass(frozen=True)
class Sources:
    """The texts of the header and of the source; how many bytes the numbers in the source take, and those that a state takes."""

    header: str
    source: str
    constant_bytes: int
    state_bytes: int


def print_c(model: StepModel, name: str, test: SelfTest) -> Sources:
    """The header and the source of a model that is called `name` in C.

    Raises:
        ArgumentError: a layer looks ahead, or a weight is not finite.
    """
    return _Printer(model, name, test).sources()


class _Printer:
    def __init__(self, model: StepModel, name: str, test: SelfTest) -> None:
        self.model, self.name, self.test = model, name, test
        self.inputs, self.outputs = inputs_of(model), outputs_of(model)
        self.layers = [LayerText(layer, name) for layer in layers_of(model)]
        self.arrays: list[str] = []
        self.tables: dict[str, Table] = {}
        self.members = [member for layer in self.layers for member in layer.members]
        self.scratch = max(layer.scratch for layer in self.layers)
        self.numbers = {bits: -(-max(layer.numbers[bits] for layer in self.layers) // 4) * 4 for bits in PLACE}
        self.functions = exact_functions() if any(self.numbers.values()) else FUNCTIONS
        self.reset = [line for layer in self.layers for line in layer.initial()]
        self.step = [*self._front(), *self._encoder(), *self._head()]

    # --- what a step does ------------------------------------------------------------------------------------------------

    def _constant(self, name: str, values: np.ndarray, title: str) -> str:
        self.arrays.append(constant(name, values, title))
        return name

    def _front(self) -> list[str]:
        front = self.model.front
        if isinstance(front, Symbols):
            return self._symbols(front)
        if isinstance(front, Channels):
            return self._channels(front)
        return ["const float *x = input;"]

    def _symbols(self, front: Symbols) -> list[str]:
        count, width = front.vectors.shape
        lines = [f"if (symbol < 0 || symbol >= {count}) return 1;"]
        if not self._tied(front) and front.vectors.form == "float":
            vectors = self._constant("embedding", front.vectors.numbers, f"The vector of each of {count} symbols, {width} wide")
            return [*lines, f"const float *x = {vectors} + (long)symbol * {width};"]
        self._take("embedded", width)
        table = self._table("head" if self._tied(front) else "embedding", front.vectors, "The vector of each symbol")
        return [*lines, table.row("state->embedded", "symbol"), "const float *x = state->embedded;"]

    def _tied(self, front: Symbols) -> bool:
        """Whether the last map is the embedding's matrix, which is then stored once."""
        head = self.model.head
        return isinstance(head, EachStep) and front.vectors.equals(head.linear.weight)

    def _take(self, member: str, width: int) -> None:
        self.members.append((member, width))

    def _channels(self, front: Channels) -> list[str]:
        count, lines = len(front.names), []
        refused = "!isfinite(input[k])" if front.missing == "error" else "isinf(input[k])"
        lines += [f"for (int k = 0; k < {count}; k++)", f"  if ({refused}) return 1;"]
        shift, scale = self._constant("shift", front.shift, "What is subtracted from each channel"), self._constant("scale", front.scale, "and what it is divided by then")
        self._take("channels", count)
        value = f"(float)(((double)input[k] - {shift}[k]) / {scale}[k])"
        if front.missing == "error":
            lines.append(f"for (int k = 0; k < {count}; k++) state->channels[k] = {value};")
        else:
            usual = self._constant("usual", front.usual, "What stands in each channel before there was a value")
            self.reset.append(f"copy(state->channels, {usual}, {count});")
            missing = "" if front.missing == "forward" else f" else state->channels[k] = {usual}[k];"
            lines.append(f"for (int k = 0; k < {count}; k++)")
            lines.append(f"  if (!isnan(input[k])) state->channels[k] = {value};{missing}")
        if front.inputs == tuple(range(count)):
            return [*lines, "const float *x = state->channels;"]
        self._take("read", len(front.inputs))
        moves = [f"state->read[{to}] = state->channels[{place}];" for to, place in enumerate(front.inputs)]
        return [*lines, *moves, "const float *x = state->read;"]

    def _encoder(self) -> list[str]:
        streams = lambda text: "".join(f", state->channels[{place}]" for name, place in text.layer.streams.items() if name in text.streams)  # noqa: E731
        return [f"x = layer_{text.layer.number}(state, x{streams(text)});" for text in self.layers]

    def _head(self) -> list[str]:
        head = self.model.head
        if isinstance(head, PooledClasses):
            return [*self._pooled(head), "return 0;"]
        if isinstance(head, Outputs):
            return [f"if (output) copy(output, x, {head.width});", "return 0;"]
        lines = ["if (!output) return 0;"]
        if head.before is not None:
            self._take("projected", head.before.weight.shape[0])
            lines += [*self._linear("projection", head.before, "state->projected", "x"), "x = state->projected;"]
        end = "to_logarithms" if head.logarithms else "to_probabilities"
        return [*lines, *self._linear("head", head.linear, "output", "x"), f"{end}(output, {self.outputs});", "return 0;"]

    def _table(self, name: str, matrix: Matrix, title: str) -> Table:
        """The matrix of this name, which is printed once."""
        if name not in self.tables:
            self.tables[name] = Table(self._constant, f"{name}_weight", matrix, title)
        return self.tables[name]

    def _linear(self, name: str, linear: Linear, to: str, x: str) -> list[str]:
        rows, table = linear.weight.shape[0], self._table(name, linear.weight, f"The weights of the {name}")
        first = f"fill({to}, 0.0f, {rows});"
        if linear.bias is not None:
            first = f"copy({to}, {self._constant(f'{name}_bias', linear.bias, f'The bias of the {name}')}, {rows});"
        return [first, *table.times(to, x)]

    def _pooled(self, head: PooledClasses) -> list[str]:
        """The outputs pooled over the steps so far, side by side."""
        width, kinds = self.layers[-1].layer.output_width, head.pooling
        if kinds == ("last",):
            return ["if (!output) return 0;", *self._linear("head", head.linear, "output", "x"), f"to_probabilities(output, {self.outputs});"]
        self._take("pooled", width * len(kinds))
        place = {kind: f"state->pooled + {number * width}" if number else "state->pooled" for number, kind in enumerate(kinds)}
        cell = {kind: f"state->pooled[{number * width} + u]" if number else "state->pooled[u]" for number, kind in enumerate(kinds)}
        lines, inside = [], []
        if "mean" in kinds:
            lines.append("state->steps += 1.0f;")
            inside.append(f"{cell['mean']} += (x[u] - {cell['mean']}) / state->steps;")
            self.reset += ["state->steps = 0.0f;", f"fill({place['mean']}, 0.0f, {width});"]
        if "max" in kinds:
            inside.append(f"if (!({cell['max']} >= x[u])) {cell['max']} = x[u];")
            self.reset.append(f"fill({place['max']}, -INFINITY, {width});")
        lines += [f"for (int u = 0; u < {width}; u++) {{", *(f"  {line}" for line in inside), "}"]
        if "last" in kinds:
            lines.append(f"copy({place['last']}, x, {width});")
        return [*lines, "if (!output) return 0;", *self._linear("head", head.linear, "output", "state->pooled"), f"to_probabilities(output, {self.outputs});"]

    # --- the two files ---------------------------------------------------------------------------------------------------

    def sources(self) -> Sources:
        self_test = self._self_test()
        functions = "\n".join([*(text.function for text in self.layers), self._reset_function(), self._step_function(), self_test])
        used = _called(functions, self.functions)
        texts = "\n".join(self.functions[name] for name in self.functions if name in used)
        defines = {"BLOCK": (BLOCK, "sums that are made side by side"), "LANES": (lanes() if "LANES" in texts else 0, "in how many parts sums are made by the engine that this was compared with")}
        define = [f"#define {name} {value}  /* {why} */" for name, (value, why) in defines.items() if re.search(rf"\b{name}\b", texts)]
        arrays = [array for layer in self.layers for array in layer.arrays] + self.arrays
        source = "\n".join(
            [
                f"/* {self.name}: printed by tenuto. See {self.name}.h. */",
                f'#include "{self.name}.h"', "", "#include <math.h>", *["#include <stdint.h>"] * ("int8_t" in texts or "int32_t" in texts), "", *define, *[""] * bool(define), *[GUARD] * any(self.numbers.values()),
                *(f"{self.functions[name]}\n" for name in self.functions if name in used),
                *arrays, *self._names(), functions,
            ]
        )  # fmt: skip
        state = 4 * (sum(width for _, width in self.members) + self.scratch + self._counts_steps) + sum(bits // 8 * count for bits, count in self.numbers.items())
        constants = sum(int(size) * BYTES[kind] for kind, size in re.findall(rf"static const ({'|'.join(BYTES)}) \w+\[(\d+)\] = \{{", source))
        return Sources(self._header(constants, state), source, constants, state)

    @property
    def _counts_steps(self) -> bool:
        return "mean" in pooling_of(self.model)

    @property
    def _argument(self) -> str:
        return "int symbol" if isinstance(self.model.front, Symbols) else "const float *input"

    def _reset_function(self) -> str:
        return "\n".join([f"void {self.name}_reset({self.name}_state *state)", "{", *(f"  {line}" for line in self.reset), "}", ""])

    def _step_function(self) -> str:
        return "\n".join([f"int {self.name}_step({self.name}_state *state, {self._argument}, float *output)", "{", *(f"  {line}" for line in self.step), "}", ""])

    def _names(self) -> list[str]:
        head, name = self.model.head, self.name
        names = [] if isinstance(head, Outputs) else [literal(each) for each in head.names]
        if not names:
            return []
        return [f"const char *const {name}_output_names[{name.upper()}_OUTPUTS] = {{", "  " + ",\n  ".join(names), "};", ""]

    def _self_test(self) -> str:
        steps, name = len(self.test.inputs), self.name
        symbols = isinstance(self.model.front, Symbols)
        if symbols:
            given = f"  static const int inputs[{steps}] = {{{', '.join(str(int(one)) for one in self.test.inputs)}}};"
        else:
            given = "  " + constant("inputs", self.test.inputs.astype(np.float32), "What is read").replace("\n", "\n  ").rstrip()
        expected = "  " + constant("expected", self.test.answers.astype(np.float32), "What the model answers after each step").replace("\n", "\n  ").rstrip()
        tolerance = written(tolerance_elsewhere(self.model) * max(1.0, float(np.abs(self.test.answers).max())))[0]
        read = "inputs[t]" if symbols else f"inputs + t * {self.inputs}"
        return "\n".join(
            [
                f"int {name}_self_test({name}_state *state)", "{", given, expected, f"  float output[{self.outputs}];", "",
                f"  {name}_reset(state);",
                f"  for (int t = 0; t < {steps}; t++) {{",
                f"    if ({name}_step(state, {read}, output)) return t + 1;",
                f"    for (int k = 0; k < {self.outputs}; k++)",
                f"      if (!(fabsf(output[k] - expected[t * {self.outputs} + k]) <= {tolerance})) return t + 1;",
                "  }", f"  {name}_reset(state);", "  return 0;", "}", "",
            ]
        )  # fmt: skip

    def _header(self, constants: int, state: int) -> str:
        name, big = self.name, self.name.upper()
        members = [f"  float {member}[{width}];" for member, width in self.members]
        members += ["  float steps;"] * self._counts_steps + [f"  float scratch[{self.scratch}];"] + [f"  int{bits}_t {PLACE[bits].partition('->')[2]}[{count}];" for bits, count in self.numbers.items() if count]
        head = self.model.head
        names = [] if isinstance(head, Outputs) else [f"extern const char *const {name}_output_names[{big}_OUTPUTS];  /* what each number of output stands for, in UTF-8 */"]
        return "\n".join(
            [
                f"/* {name}: a recurrent network that reads one step at a time. Printed by tenuto.", "",
                *(f"   {line}" for line in self._described()),
                f"   Constants take {constants:,} bytes, beside the code, and a state {state:,} bytes of memory.", "*/",
                f"#ifndef {big}_H", f"#define {big}_H", "", *["#include <stdint.h>", ""] * any(self.numbers.values()), "#ifdef __cplusplus", 'extern "C" {', "#endif", "",
                f"#define {big}_INPUTS {self.inputs}", f"#define {big}_OUTPUTS {self.outputs}", "",
                "/* All that is kept from step to step, and the memory that a step works in: one for each sequence that is read at the same time. */",
                f"typedef struct {name}_state {{", *members, f"}} {name}_state;", "",
                *names, *[""] * bool(names),
                "/* Begins a sequence. */", f"void {name}_reset({name}_state *state);", "",
                "/* Reads one step and, where output is not NULL, answers into it. Returns 0; or 1 where the input cannot be read: the state is then as it was. */",
                f"int {name}_step({name}_state *state, {self._argument}, float *output);", "",
                "/* Reads a sequence that is stored with what the model answers to it. Returns 0 where the answers are the same, else the number of the step",
                "   that differs. The state is used and then reset. */",
                f"int {name}_self_test({name}_state *state);", "",
                "#ifdef __cplusplus", "}", "#endif", "", "#endif", "",
            ]
        )  # fmt: skip

    def _described(self) -> list[str]:
        """What is read and what is answered, in words."""
        front, head = self.model.front, self.model.head
        if isinstance(front, Symbols):
            read = f"symbol: the number of one of {len(front.names)} symbols ({self.name}.json has them)."
        elif isinstance(front, Channels):
            shown = ", ".join(front.names[:12]) + (", ..." if len(front.names) > 12 else "")
            missing = {"error": "A NaN cannot be read.", "forward": "A NaN is the last value once more.", "mean": "A NaN is the mean of its channel."}[front.missing]
            read = comment(f"input: {len(front.names)} numbers as they were measured; they are standardised here. {shown}", 400) + f"\n   {missing}"
        else:
            read = f"input: {self.inputs} numbers."
        if isinstance(head, PooledClasses):
            answer = "output: the probability of each class, given the steps so far."
        elif isinstance(head, EachStep):
            answer = f"output: the {'natural logarithm of the ' if head.logarithms else ''}probability of each of {len(head.names)} names after this step."
        else:
            answer = f"output: {head.width} numbers, what the last layer puts out."
        return [read, answer, "C99; needs <math.h> and nothing else, takes no memory but the state and a small stack, keeps nothing between calls."]


def _called(text: str, functions: Mapping[str, str]) -> set[str]:
    """The functions of the table that a text calls, and those that they call."""
    found: set[str] = set()
    todo = [text]
    while todo:
        words = set(re.findall(r"\b(\w+)\(", todo.pop()))
        new = (words & set(functions)) - found
        found |= new
        todo += [functions[name] for name in new]
    return found
