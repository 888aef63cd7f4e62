"""A layer's step as a function of C, which reads as the cell's maths does.

The schedule in `program/` says what is done in which order: products, reductions, and passes over the channels. A value that is read once is written
where it is read; one that is read more often gets a name. States change where they stand, unless something later still reads the old value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from tenuto.export.c.arrays import constant
from tenuto.export.c.expressions import ATOM, EXPRESSIONS, LOOSE, REDUCTIONS, within, written
from tenuto.export.c.integers import PLACE, exact_expressions
from tenuto.export.c.matrices import Table
from tenuto.export.c.model import Layer
from tenuto.export.c.names import comment, identifier
from tenuto.layers.stored import Matrix, together
from tenuto.program.schedule import Pass, Product, Reduction, Slot, uniform

_LONGEST = 96  # letters of a line that is put together from several values


class LayerText:
    """What is printed for one layer: `arrays`, `function`, the members of the state, how much scratch memory its step needs, and how many whole numbers it reads at once, by their bits."""

    def __init__(self, layer: Layer, name: str) -> None:
        self.layer, self.name = layer, name
        self.schedule = layer.schedule.inference
        self.nodes = self.schedule.nodes
        self.arrays: list[str] = []
        self.scratch, self.numbers = 0, {8: 0, 16: 0}
        self.expressions = exact_expressions() if layer.integers else EXPRESSIONS
        self._places: dict[str, str] = {}  # where an array or a column of one begins, by the name that the function has for it
        self._pointers: list[str] = []
        self._columns = self._place_columns()
        self._new = self._place_states()
        self.function = self._function()

    # --- where things stand ----------------------------------------------------------------------------------------------

    @property
    def members(self) -> list[tuple[str, int]]:
        """The members of the state that this layer keeps from step to step, and their sizes; and its output, where that is no state."""
        kept = [(self._member(name), width) for name, width in self.layer.states.items()]
        return [*kept, (f"layer_{self.layer.number}_output", self.layer.output_width)] if self._writes_output else kept

    def _member(self, state: str) -> str:
        return f"layer_{self.layer.number}_{identifier(state)}"

    @property
    def _writes_output(self) -> bool:
        return self.layer.traced.output_state is None or self.layer.residual

    def initial(self) -> Iterator[str]:
        """The statements that set the states to what they are before the first step."""
        for name, width in self.layer.states.items():
            value = self.layer.initial[name]
            if value is None:
                yield f"fill(state->{self._member(name)}, 0.0f, {width});"
            else:
                yield f"copy(state->{self._member(name)}, {self._constant(f'initial_{identifier(name)}', value, f'the initial state {name}')}, {width});"

    def _constant(self, name: str, values: np.ndarray, title: str) -> str:
        full = f"layer_{self.layer.number}_{name}"
        self.arrays.append(constant(full, values, f"Layer {self.layer.number}: {title}"))
        return full

    def _take(self, name: str, width: int) -> str:
        """A place in the scratch memory, for this step only."""
        self._pointers.append(f"float *const {name} = state->scratch + {self.scratch};" if self.scratch else f"float *const {name} = state->scratch;")
        self.scratch += width
        return name

    def _place_columns(self) -> dict[Slot, tuple[str, int]]:
        """The name and width of each column of "gates" and "work"."""
        gates = {slot: f"gate_{identifier(name)}" for name, slot in self.layer.schedule.gates.items()}
        products = {
            slot: f"product_{identifier(name)}"
            for part in self.schedule.operations if isinstance(part, Product)
            for slot, name in zip(part.results, part.rows)
        }  # fmt: skip
        found = {}
        for array in ("gates", "work"):
            for column, width in enumerate(self.schedule.columns.get(array, [])):
                slot = Slot(array, column)
                name = (products | gates).get(slot, f"work_{column}") if array == "gates" else f"work_{column}"
                found[slot] = (self._take(name, self.layer.size(width)), self.layer.size(width))
        return found

    def _place_states(self) -> dict[str, str]:
        """Where each new state is written: in place where no later operation, and no other channel of this one, reads the old value."""
        found = {}
        operations = self.schedule.operations
        for state, width in self.layer.states.items():
            old, new = Slot(f"old.{state}"), Slot(f"new.{state}")
            (written,) = (place for place, part in enumerate(operations) if isinstance(part, Pass) and new in dict((slot, 1) for _, slot in part.stores))
            later = operations[written + 1 :]
            others = any(old in self._read(part) for part in later)
            found[state] = identifier(state) if not others else self._take(f"new_{identifier(state)}", width)
        return found

    @staticmethod
    def _read(part: Product | Reduction | Pass) -> tuple[Slot, ...]:
        if isinstance(part, Product):
            return part.operands
        return (part.source,) if isinstance(part, Reduction) else tuple(slot for _, slot in part.loads)

    def _at(self, slot: Slot) -> str:
        """The name of the array that a slot stands for."""
        kind, _, name = slot.array.partition(".")
        if kind in ("gates", "work"):
            return self._columns[slot][0]
        if kind == "rows":
            return f"row_{slot.column}"
        if kind == "old":
            return self._state_pointer(name)
        if kind == "new":
            return self._state_pointer(name) if self._new[name] == identifier(name) else self._new[name]
        if kind == "output":
            return "output"
        if kind == "stream" and name in self.layer.streams:
            return f"stream_{identifier(name)}"
        if slot.array not in self._places:
            values = self.layer.tensors[slot.array].reshape(-1)
            title = f"the parameter {name}" if kind == "p" else f"the stream {name}, which is the same at each step"
            self._places[slot.array] = self._constant(f"{'p' if kind == 'p' else 'stream'}_{identifier(name)}", values, title)
        return self._places[slot.array]

    def _state_pointer(self, state: str) -> str:
        name = f"s_{identifier(state)}"
        if name not in self._places:
            self._places[name] = name
            self._pointers.insert(0, f"float *const {name} = state->{self._member(state)};")
        return name

    def _value(self, slot: Slot, channel: str) -> str:
        """The number that a slot has in a channel."""
        kind, _, name = slot.array.partition(".")
        if kind == "rows" or (kind == "stream" and name in self.layer.streams):
            return self._at(slot)
        return f"{self._at(slot)}[{channel}]"

    # --- the function ----------------------------------------------------------------------------------------------------

    def _function(self) -> str:
        layer = self.layer
        body = [*self._normalised(), *self._projection()]
        for part in self.schedule.operations:
            if isinstance(part, Product):
                body += self._product(part)
            elif isinstance(part, Reduction):
                source, width = self._at(part.source), layer.size(part.width)
                body.append(f"const float {self._at(part.target)} = {REDUCTIONS[part.kind]}({source}, {width});")
            else:
                body += self._pass(part)
        for state, width in layer.states.items():
            if self._new[state] != identifier(state):
                body.append(f"copy({self._state_pointer(state)}, {self._new[state]}, {width});")
        body += self._result()
        if layer.traced.output_state is None or layer.residual:
            self._pointers.append(f"float *const output = state->layer_{layer.number}_output;")
        text = "\n".join(body)
        self.streams = tuple(name for name in layer.streams if re.search(rf"\bstream_{identifier(name)}\b", text))  # those that the step uses
        streams = "".join(f", float stream_{identifier(name)}" for name in self.streams)
        told = f"/* Layer {layer.number}: {comment(repr(layer.traced.cell))}, {layer.input_width} numbers to {layer.hidden} units. It returns its output. */"
        head = f"static const float *layer_{layer.number}(struct {self.name}_state *state, const float *x{streams})"
        pointers = [line for line in self._pointers if re.search(rf"\b{line.split(' = ')[0].split('const ')[1]}\b", text)]
        lines = [*pointers, "", *body]
        return "\n".join([told, head, "{", *(f"  {line}" if line else "" for line in lines), "}", ""])

    def _normalised(self) -> list[str]:
        norm, width = self.layer.norm, self.layer.input_width
        if norm is None:
            return []
        weight, bias = self._constant("norm_weight", norm.weight, "the normalisation of what it reads, weight"), self._constant("norm_bias", norm.bias, "bias of the normalisation")
        return [f"normalise({self._take('read', width)}, x, {weight}, {bias}, {written(norm.epsilon)[0]}, {width});"]

    def _projection(self) -> list[str]:
        """The input projection of the gates, in as few products as their columns allow."""
        layer, x = self.layer, "x" if self.layer.norm is None else "read"
        gates = list(layer.traced.cell.widths("gates"))
        weights, height = layer.matrices["weight_ih"], layer.hidden
        bias = layer.tensors["bias"].reshape(len(gates), -1) if "bias" in layer.tensors else None
        by_column = {slot.column: name for name, slot in layer.schedule.gates.items()}
        lines = self._rounded(x, layer.input_width, "weight_ih")
        for columns in _runs(sorted(by_column)):
            names = [by_column[column] for column in columns]
            places, rows = [gates.index(name) for name in names], len(names) * layer.hidden
            to, tail = self._columns[Slot("gates", columns[0])][0], "_".join(map(identifier, names))
            if bias is None:
                lines.append(f"fill({to}, 0.0f, {rows});")
            else:
                lines.append(f"copy({to}, {self._constant(f'bias_{tail}', bias[places], 'bias of ' + ' '.join(names))}, {rows});")
            matrix = together([weights.rows(place * height, (place + 1) * height) for place in places])
            lines += self._table(f"W_{tail}", matrix, f"W of {' '.join(names)}").times(to, self._operand(x))
        return lines

    def _product(self, part: Product) -> list[str]:
        """The recurrent products of one value, in as few calls as the order of their rows allows."""
        layer, stack = self.layer, part.stack
        weight, operand = layer.matrices[f"U.{stack.name}"], self._at(part.operands[0])
        if operand.startswith("stream_"):  # a number, not an array
            operand = f"&{operand}"
        ends = np.cumsum([0, *(layer.size(width) for width in stack.widths)]).tolist()
        rows = {name: weight.rows(ends[k], ends[k + 1]) for k, name in enumerate(stack.products)}
        lines = self._rounded(operand, weight.columns * stack.heads, f"U.{stack.name}")
        runs = _runs([slot.column for slot in part.results]) if stack.heads == 1 else [[slot.column] for slot in part.results]
        by_column = {slot.column: name for slot, name in zip(part.results, part.rows)}
        for run in runs:
            names = [by_column[column] for column in run]
            matrix, to, tail = together([rows[name] for name in names]), self._columns[Slot("gates", run[0])][0], "_".join(map(identifier, names))
            if part.fresh:
                lines.append(f"fill({to}, 0.0f, {matrix.shape[0]});")
            blocks = f", in {stack.heads} blocks on the diagonal" if stack.heads > 1 else ""
            lines += self._table(f"U_{tail}", matrix, f"U of {' '.join(names)}{blocks}", stack.heads).times(to, self._operand(operand))
        return lines

    def _table(self, name: str, matrix: Matrix, title: str, heads: int = 1) -> Table:
        return Table(self._constant, name, matrix, title, integers=self._bits, heads=heads)

    @property
    def _bits(self) -> int:
        """Of the whole numbers that it reads; 0: it reads floats."""
        return self.layer.static or 8 if self.layer.integers else 0

    def _rounded(self, operand: str, width: int, weight: str) -> list[str]:
        """The statement that rounds what is multiplied next by a weight, where products are of whole numbers."""
        if not self._bits:
            return []
        first, self.numbers[self._bits] = "" if self.numbers[self._bits] else "float ", max(self.numbers[self._bits], width)
        if not self.layer.static:
            return [f"{first}quantum = to_integers({PLACE[8]}, {operand}, {width});"]
        count, most = np.float32(2 ** (self._bits - 1) - 1), np.float32(self.layer.most[weight])
        told = f"from {-most:.4g} to {most:.4g}"
        return [f"{first}quantum = to_{self._bits}_bits({PLACE[self._bits]}, {operand}, {width}, {written(float(count / most))[0]}, {written(float(most / count))[0]});  // {told}"]

    def _operand(self, operand: str) -> str:
        return PLACE[self._bits] if self._bits else operand

    def _result(self) -> list[str]:
        layer = self.layer
        state, width = layer.traced.output_state, layer.output_width
        if state is not None and not layer.residual:
            return [f"return {self._state_pointer(state)};"]
        lines = []
        if layer.residual:
            made = "output" if state is None else self._state_pointer(state)
            lines.append(f"for (int u = 0; u < {width}; u++) output[u] = {made}[u] + x[u];")
        return [*lines, "return output;"]

    # --- passes over the channels ----------------------------------------------------------------------------------------

    def _pass(self, part: Pass) -> list[str]:
        return _PassText(self, part).lines()


class _PassText:
    """One pass: a loop over the channels, with what all channels share before it."""

    def __init__(self, layer: LayerText, part: Pass) -> None:
        self.layer, self.part, self.nodes = layer, part, layer.nodes
        self.wide = part.width != 1
        self.loads = dict(part.loads)
        self.width = layer.layer.size(part.width)
        ends = [number for number, _ in part.stores]
        uses = [arg for number in part.nodes for arg in self.nodes[number].args] + ends
        self.uses = {number: uses.count(number) for number in set(uses)}
        self.texts: dict[int, tuple[str, int]] = {}
        self.steady = {number for number in self.loads if uniform(self.nodes[number])}
        for number in part.nodes:
            if all(arg in self.steady or self.nodes[arg].kind == "const" for arg in self.nodes[number].args):
                self.steady.add(number)

    def lines(self) -> list[str]:
        before: list[str] = []
        inside: list[str] = []
        changed = {slot.array.removeprefix("new.") for _, slot in self.part.stores if slot.array.startswith("new.")}
        for number, slot in self.part.loads:
            steady = number in self.steady or not self.wide
            text = self.layer._value(slot, "0" if steady else "u")
            name = slot.array.removeprefix("old.")
            if slot.array.startswith("old.") and name in changed and self.layer._new[name] == identifier(name):
                (before if steady else inside).append(f"const float old_{identifier(name)} = {text};")
                text = f"old_{identifier(name)}"
            self.texts[number] = (text, ATOM)
        for number in self.part.nodes:
            self._node(number, before if number in self.steady or not self.wide else inside)
        for number, slot in self.part.stores:
            text = self._text(number, LOOSE)
            target = self.layer._value(slot, "u" if self.wide else "0")
            (inside if self.wide else before).append(f"{target} = {text};{_place(self.nodes[number].source)}")
        if self.wide:
            loop = f"for (int u = 0; u < {self.width}; u++) {{"
            inside = [loop, *(f"  {line}" for line in inside), "}"]
        return ["{", *(f"  {line}" for line in [*before, *inside]), "}"] if before and (self.wide or len(before) > 1) else [*before, *inside]

    def _text(self, number: int, least: int) -> str:
        if number not in self.texts:
            self.texts[number] = written(self.nodes[number].value)
        return within(*self.texts[number], least)

    def _node(self, number: int, lines: list[str]) -> None:
        node = self.nodes[number]
        form, rank, ranks = self.layer.expressions[node.kind]
        width = f"{float(self.layer.layer.size(node.width))}f"
        text = form.format(*(self._text(arg, least) for arg, least in zip(node.args, ranks)), width=width)
        if node.kind == "expand":
            rank = self.texts[node.args[0]][1]
        shared = self.wide and number in self.steady
        if (self.uses.get(number, 0) > 1 or len(text) > _LONGEST or shared) and not re.fullmatch(r"[\w.]+", text):
            name = f"v{number}"
            lines.append(f"const {'int' if node.gives == 'bool' else 'float'} {name} = {text};{_place(node.source)}")
            text, rank = name, ATOM
        self.texts[number] = (text, rank)


def _runs(columns: list[int]) -> list[list[int]]:
    """Numbers, cut where one is not the next of the one before."""
    found: list[list[int]] = []
    for column in columns:
        if found and column == found[-1][-1] + 1:
            found[-1].append(column)
        else:
            found.append([column])
    return found


def _place(source: str) -> str:
    """The line of the author's file that a value comes from, as a comment."""
    return f"  // {re.sub(r'[^A-Za-z0-9_.:-]', '?', source)}" if source else ""
