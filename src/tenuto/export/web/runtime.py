"""Runs an exported WebAssembly program outside of a browser, to compare its answers with the model's: in Node.js, where that is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np

from tenuto.export.comparison import Differs

_SCRIPT = """
const fs = require("fs"), [path, outputs] = [process.argv[2], Number(process.argv[3])];
WebAssembly.instantiate(fs.readFileSync(path), {}).then(({ instance: { exports: program } }) => {
  if (program._initialize) program._initialize();
  if (program.self_test()) throw "the program's own test finds a difference";
  const read = given => {
    if (program.input) new Float32Array(program.memory.buffer, program.input(), given.length).set(given);
    if (program.input ? program.step() : program.step(given)) throw "a step cannot be read";
    return [...new Float32Array(program.memory.buffer, program.output(), outputs)];
  };
  const sequences = JSON.parse(fs.readFileSync(0, "utf8"), (key, value) => value === "nan" ? NaN : value);
  console.log(JSON.stringify(sequences.map(sequence => { program.reset(); return sequence.map(read); })));
}).catch(reason => { console.error(String(reason)); process.exit(1); });
"""


def runtime() -> str | None:
    """The name of what can run a program here; None where nothing can."""
    return "Node.js" if shutil.which("node") else None


def run(program: Path, sequences: list[np.ndarray], outputs: int) -> list[np.ndarray]:
    """What the program answers to some sequences, after each step; see `runtime`.

    Raises:
        Differs: it does not run.
    """
    script = program.with_suffix(".cjs")
    script.write_text(_SCRIPT, encoding="ascii")
    rows = json.dumps([json.loads(json.dumps(one.tolist()).replace("NaN", '"nan"')) for one in sequences])
    done = subprocess.run([str(shutil.which("node")), str(script), str(program), str(outputs)], input=rows.encode(), capture_output=True, timeout=600, check=False)
    if done.returncode:
        raise Differs("the exported WebAssembly does not run, so it is not written.", received=done.stderr.decode("utf-8", "replace").strip()[:300])
    return [np.array(one).reshape(-1, outputs) for one in json.loads(done.stdout)]
