"""A live stream: one step per call, as samples arrive, with the numbers of the whole sequence; saved as a file and continued from it.

Prints the time of a step, and the largest difference from the layer's output over the whole sequence, before and after a stop.
Takes about 5 s on one core.
"""

import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import tenuto

torch.manual_seed(0)
layer = tenuto.Recurrent(tenuto.cells.GRU(), input_size=12, hidden_size=64, num_layers=2).eval()
samples = torch.randn(500, 1, 12)  # [time, batch, features]
with torch.no_grad():
    whole = layer(samples).output

stream = layer.stream(batch_size=1)  # weights packed once, state in place
started = time.perf_counter()
outputs = torch.stack([layer.step(sample, stream).clone() for sample in samples[:300]])
print(f"{(time.perf_counter() - started) / 300 * 1e6:.0f} microseconds a step")
print(f"largest difference from the whole sequence: {(outputs - whole[:300]).abs().max():.1e}")

with tempfile.TemporaryDirectory() as folder:  # stop here ...
    save_file({name: getattr(stream.state, name) for name in stream.state._fields}, Path(folder) / "state.safetensors")
    kept = load_file(Path(folder) / "state.safetensors")

state = type(stream.state)(**kept)  # ... and go on, later or elsewhere
stream = layer.stream(state=state)
outputs = torch.stack([layer.step(sample, stream).clone() for sample in samples[300:]])
print(f"after the stop, the same:                   {(outputs - whole[300:]).abs().max():.1e}")
