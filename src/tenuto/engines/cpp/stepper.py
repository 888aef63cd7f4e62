"""One step per call: weights are packed once, no memory is taken, the state changes in place.

Two launches take turns: each reads the states that the other wrote. What a call costs besides the arithmetic is one address
written into a table and one call of a C function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from tenuto import process
from tenuto.engines.cpp import forward
from tenuto.engines.cpp.arrange import arrange
from tenuto.engines.cpp.calls import fixed_streams, transposed
from tenuto.engines.cpp.launch import Sizes
from tenuto.engines.cpp.memory import address, empty, in_main_memory, readable, zeros
from tenuto.engines.cpp.units import units
from tenuto.engines.problem import Buffers, Form, hidden_size, output_width, size_of

ALONE = 1 << 18  # weights times rows that one thread works through in about the time of a barrier; measured on a Xeon (AVX-512)


class CppStepper:
    """See `engines.problem.Stepper`."""

    def __init__(self, form: Form, inputs: Buffers, invariant: bool, bfloat16: bool) -> None:
        _, batch_size, input_size = inputs["x"].shape
        hidden, dtype = hidden_size(form, inputs), inputs["x"].dtype
        inputs, self._dtype = readable({name: tensor.detach() for name, tensor in inputs.items()}, dtype), dtype
        weights = sum(inputs[name].numel() for name in form.names if name == "weight_ih" or name.startswith("U."))
        threads = process.threads() if weights * batch_size > ALONE else 1
        split = threads > 1 and all(width != 1 for width in form.cell.widths("state").values())
        chosen = units(form, batch_size, input_size, hidden, False, dtype, invariant or bfloat16)
        sizes = Sizes(batch_size, input_size, hidden, dtype, threads if split else 1, split, chosen, form.integers, form.static, form.sparse, bfloat16, transposed(form, inputs))
        fixed = fixed_streams(form, inputs)
        rows, self._given = arrange(form, inputs, fixed)
        width = size_of(output_width(form), hidden)
        names = {name: sizes.width(declared) for name, declared in form.cell.widths("state").items()}
        self._outputs = [zeros(batch_size, width, dtype=dtype) for _ in range(2)]
        self._states = [
            [self._outputs[turn] if name == form.traced.output_state else zeros(batch_size, size, dtype=dtype)
             for name, size in names.items()]
            for turn in range(2)
        ]  # fmt: skip
        self._launches, self._runs, self._turn = [], [], 0
        for turn in range(2):
            launch = forward.build(form, sizes, False, fixed)
            if turn:  # one copy of the weights for both: two may outgrow the second-level cache
                launch.share_weights(self._launches[0])
            arrays = {"output": self._outputs[turn], **{f"final.{name}": empty(batch_size, size, dtype=dtype) for name, size in names.items()}}
            for name, here, before in zip(names, self._states[turn], self._states[1 - turn], strict=True):
                arrays |= {f"{role}.{name}": here for role in ("new", "old", "before")} | {f"s.{name}": before}
            launch.run(self._given | arrays, rows)
            self._launches.append(launch)
            self._runs.append(launch.again("x", turn))
        self.set_state([inputs[f"s.{name}"] for name in names])

    def __call__(self, x: Tensor, streams: Mapping[str, Tensor] = {}) -> Tensor:
        if x.dtype is not self._dtype or not in_main_memory(x):
            x = readable({"x": x}, self._dtype)["x"]
        turn = self._turn
        for name, value in streams.items():
            self._given[f"stream.{name}"].view(value.shape).copy_(value.detach())
        self._turn = 1 - turn
        self._runs[turn](address(x))
        return self._outputs[turn]

    def state(self) -> list[Tensor]:
        return [value.clone() for value in self._states[1 - self._turn]]

    def set_state(self, values: Sequence[Tensor]) -> None:
        for place, value in zip(self._states[1 - self._turn], values, strict=True):
            place.copy_(value.detach())
