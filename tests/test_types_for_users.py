"""What a type checker says of a user's file: nothing where the code is right, and the line where a name is misspelt."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What `mypy --strict` asks of one file. (With the option itself mypy would read all of torch again; this way it uses the cache that `make lint` has left.)
STRICT = (
    "# mypy: disallow-any-generics, disallow-subclassing-any, disallow-untyped-calls, disallow-untyped-defs, disallow-incomplete-defs,"
    " disallow-untyped-decorators, warn-return-any, warn-unused-ignores, no-implicit-reexport, strict-equality, extra-checks\n"
)

# A line that ends in `# error: TEXT` must be refused with TEXT in the message; every other line must pass.
USER = STRICT + '''
from typing import Any

import torch
from torch import Tensor

from tenuto import GRU, LSTM, RNN, Activation, Cell, GRUCell, LSTMCell, Recurrent, RNNCell, State


class Leaky(Cell):
    gates = "h"
    state = "h"
    parameters = "scale"
    rate: float = 0.1
    activation: Activation = "relu"

    def step(self, x: Any, U: Any, s: Any) -> Any:
        return State(h=(1 - self.rate) * s.h + self.p.scale * self.activation(x.h + U.h @ s.h))


class Noisy(Cell):
    gates = "h"
    state = "h"
    streams = "noise"

    def step(self, x: Any, U: Any, s: Any, *, noise: Tensor) -> Any:
        return State(h=torch.tanh(x.h + U.h @ s.h) + noise)


layer = Recurrent(Leaky(rate=0.5, activation="tanh", heads=2), 3, hidden_size=4)
output, state = layer(torch.zeros(5, 2, 3))
Leaky(rat=0.5)  # error: Unexpected keyword argument "rat"
Leaky(rate="fast")  # error: incompatible type "str"
Recurrent(Noisy(), 3, hiden_size=4)  # error: Unexpected keyword argument "hiden_size"

LSTM(3, 4, 2, True, batch_first=True, proj_size=2, device="cpu", dtype=torch.float64)
GRU(3, hidden_size=4, num_layers=2, bidirectional=True)
RNN(3, 4, 1, "relu", False)
LSTMCell(3, 4), GRUCell(3, 4, bias=False), RNNCell(3, 4, nonlinearity="relu")
LSTM(3, hiden_size=4)  # error: Unexpected keyword argument "hiden_size"
GRU(3, 4, num_layer=2)  # error: Unexpected keyword argument "num_layer"
GRU(3, 4, proj_size=2)  # error: incompatible type "Literal[2]"
RNN(3, 4, nonlinearty="relu")  # error: Unexpected keyword argument "nonlinearty"
LSTMCell(3, hiden_size=4)  # error: Unexpected keyword argument "hiden_size"
GRUCell(3, hiden_size=4)  # error: Unexpected keyword argument "hiden_size"
RNNCell(3, 4, nonlinearty="relu")  # error: Unexpected keyword argument "nonlinearty"
output, (h, c) = LSTM(3, 4)(torch.zeros(5, 2, 3), lengths=[5, 2])
'''


def test_a_users_file_is_checked_as_it_should_be(tmp_path: Path) -> None:
    path = tmp_path / "user.py"
    path.write_text(USER)
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--no-error-summary", "--hide-error-context", str(path)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    found: dict[int, str] = {}
    for line, text in re.findall(r"user\.py:(\d+): error: (.*)", told):
        found[int(line)] = found.get(int(line), "") + text
    expected = {
        number: line.split("# error: ")[1] for number, line in enumerate(USER.splitlines(), start=1) if "# error: " in line
    }
    assert found.keys() == expected.keys() and len(expected) > 2, told
    for number, text in expected.items():
        assert text in found[number]
