"""Keras's own tests of its recurrent layers, run unmodified on tenuto's: Keras's names lead to our layers, and this program notes which engine ran each loop.

    python tests/adapters/run_keras_tests.py [FOLDER] [pytest options]

FOLDER holds Keras's `*_test.py` files of the layers (default: those in the installed keras package). Takes about half a minute.
Prints passed and failed, which engine ran how many loops, and each loop that Keras's own code ran, with the reason.
Exit code 1 if a test fails, or if a loop ran in Keras's code for a reason that is not in MEANT.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import tenuto.keras as ours  # before Keras: it chooses the torch backend

import keras  # isort: skip

from tenuto.keras.recurrent import TenutoLoop
from tenuto.keras.report import KERAS_LOOP

FILES = ("simple_rnn", "lstm", "gru", "rnn", "stacked_rnn_cells", "bidirectional", "time_distributed", "dropout_rnn_cell")
# Reasons for which Keras's loop is the right one: the cell is the test's own Keras code, or no numbers were asked for.
MEANT = ("is a Keras cell that tenuto does not know", "the call was symbolic")


class Watch:
    """A pytest plugin: which engine ran each loop of each test, and how the tests ended."""

    def __init__(self) -> None:
        self.test, self.loops, self.outcomes, self.messages = "", [], Counter(), []

    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", "requires_trainable_backend: Keras's own marker")
        loop = TenutoLoop.inner_loop

        def watched(layer: Any, *args: Any, **options: Any) -> Any:
            result = loop(layer, *args, **options)
            self.loops.append((self.test, layer.engine_report()))
            return result

        TenutoLoop.inner_loop = watched

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.test = item.nodeid.rpartition("/")[2]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.outcome] += 1
            if report.outcome != "passed":
                self.messages.append(f"{report.outcome}: {report.nodeid.rpartition('/')[2]}: {_last_line(report)}")


def _last_line(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    lines = [line for line in str(report.longrepr).splitlines() if line.startswith("E ")]
    return lines[0] if lines else str(report.longrepr)[-200:]


def main() -> int:
    """Runs the tests; the exit code says whether all is well."""
    folder = Path(keras.__file__).parent / "src" / "layers" / "rnn"
    arguments = sys.argv[1:]
    if arguments and not arguments[0].startswith("-"):
        folder = Path(arguments.pop(0))
    files = [folder / f"{name}_test.py" for name in FILES]
    found = [file for file in files if file.is_file()]
    if not found:
        print(f"no *_test.py of the recurrent layers in {folder}: this build of Keras leaves its tests out; pass a folder of its source")
        return 2
    watch = Watch()
    for name in ("SimpleRNN", "LSTM", "GRU", "RNN"):  # the tests take them from keras.src.layers
        for module in (keras.layers, keras.src.layers):
            setattr(module, name, getattr(ours.layers, name))
    pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir", str(folder), "-c", "/dev/null", *map(str, found), *arguments], plugins=[watch])
    unmeant = []
    by_engine: Counter[str] = Counter()
    for test, report in watch.loops:
        by_engine.update(report.engines)
        if report.chosen == KERAS_LOOP and not any(reason in report.reason for reason in MEANT):
            unmeant.append(f"{test}: {report.reason}")
    reasons = Counter(report.reason for _, report in watch.loops if report.chosen == KERAS_LOOP)
    print(f"\nKeras {keras.__version__}, files: {', '.join(file.name for file in found)}")
    print("tests: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(watch.outcomes.items())))
    print("loops: " + ", ".join(f"{count} by {engine}" for engine, count in by_engine.most_common()))
    for reason, count in reasons.most_common():
        print(f"  in Keras's loop, {count} times: {reason}")
    print(*watch.messages, sep="\n")
    if unmeant:
        print("these loops should have run on an engine of tenuto's:", *sorted(set(unmeant)), sep="\n  ")
    return int(bool(unmeant or watch.outcomes["failed"] or not by_engine))


if __name__ == "__main__":
    sys.exit(main())
