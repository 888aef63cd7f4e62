"""Who runs the time loop.

In: a `Form` (cell, direction, masks) and buffers by name. Out: the output and the final states, differentiable.
`choose` asks the engines in order of expected speed, and says in words why the others do not run. Engines never import each
other, except for the reference, which all are tested against. Imports `program`; no `torch.nn` module, no layer.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from tenuto.choices import unknown_name
from tenuto.engines import autograd, contest, members, notices
from tenuto.engines.autograd import time_loop
from tenuto.engines.cpp import Cpp
from tenuto.engines.problem import Buffers, Engine, Form, No, Problem, Result, Yes
from tenuto.engines.reference import Reference
from tenuto.engines.vendor import NarrowVendor, Vendor
from tenuto.errors import ArgumentError, EngineError
from tenuto.tongues import argument

__all__ = [
    "Buffers", "Engine", "EngineReport", "Form", "No", "Problem", "Result", "Yes", "choose", "engine_names", "invariant", "report", "settled",
    "time_loop",
]  # fmt: skip

ENVIRONMENT = "TENUTO_ENGINE"
_KEY = os.environ.encodekey(ENVIRONMENT)
_ORDER: tuple[Engine, ...] = (Cpp(), Vendor(), Reference())  # by expected speed
_NARROW: tuple[Engine, ...] = (NarrowVendor(torch.bfloat16), NarrowVendor(torch.float16))  # "auto" alone takes these, where they are faster
_AFTER: dict[str, tuple[Engine, ...]] = {engine.name: (*_ORDER[place + 1 :], *_NARROW) for place, engine in enumerate(_ORDER)}
_PROMISING: dict[str, Engine] = {"cpp": Cpp(invariant=True)}  # what runs instead of an engine inside `invariant()`
_ROUNDING: dict[str, Engine] = {"cpp": Cpp(bfloat16=True), "invariant cpp": Cpp(invariant=True, bfloat16=True)}  # what takes an engine's place where a layer's numbers have 16 bits
_AFTER |= {engine.name: _AFTER["cpp"] for engine in _ROUNDING.values()}
for _engine in (*_ORDER, *_NARROW, *_PROMISING.values(), *_ROUNDING.values()):
    autograd.register(_engine)
_IN = " in "  # what is put between an engine asked for and a 16-bit dtype
_INVARIANT = "invariant "  # what is put before the engine asked for inside `invariant()`


class _Thread(threading.local):
    """What this thread asked for. (Dynamo sees a thread's own attributes and recompiles when they change; it cannot see a ContextVar.)"""

    def __init__(self) -> None:
        self.invariant = False


_thread = _Thread()


_NAMES = tuple(engine.name for engine in _ORDER)


def engine_names() -> tuple[str, ...]:
    """The engines by name, in order of expected speed."""
    return _NAMES


def wanted(engine: str, otherwise: str = "auto") -> str:
    """The engine asked for: the argument; if that is "auto", the environment variable TENUTO_ENGINE, where it is set; else `otherwise`.

    Raises:
        ArgumentError: no engine has that name.
    """
    source = argument("engine")
    if engine == "auto" and os.environ.get(ENVIRONMENT):
        engine, source = os.environ[ENVIRONMENT], f"the environment variable {ENVIRONMENT}"
    if engine != "auto" and engine not in engine_names():
        raise unknown_name(f"{source} is {engine!r}.", engine, ("auto", *engine_names()))
    return otherwise if engine == "auto" else engine


def left_open() -> bool:
    """Whether nothing but a call's own `engine` asks for an engine: no environment variable, no `invariant()`. Takes no time that counts."""
    return not (_thread.invariant or by_environment())


def by_environment() -> bool:
    """Whether an environment variable asks for an engine. Takes no time that counts."""
    return bool(os.environ._data.get(_KEY))  # type: ignore[attr-defined]  # `os.environ.get` raises an error inside itself, which takes ten times as long


@contextmanager
def invariant() -> Iterator[None]:
    """Within this block, and this thread, a sequence has the same bits whatever it is computed with.

    Alone or in any batch, whole or in chunks or as a stream, with any padding and any number of threads: the output, the
    states, and the gradients of x and of the initial states are the same numbers to the last bit. (Gradients of weights are
    sums over the batch: the same for the same batch.) "auto" then takes only an engine that promises this, never torch's
    own kernels, whose bits depend on the size of the batch and on the threads.

    Raises:
        EngineError: raised by a layer's call inside the block: no engine that promises this can run it, or another engine was named.
    Note:
        Modules around a layer (`nn.Linear`, a normalisation) are torch's own and promise nothing.
    Example:
        >>> import tenuto, torch
        >>> layer, x = tenuto.LSTM(3, 4), torch.randn(5, 2, 3)
        >>> with tenuto.invariant():
        ...     torch.equal(layer(x)[0][:, :1], layer(x[:, :1])[0])
        True
    """
    before, _thread.invariant = _thread.invariant, True
    try:
        yield
    finally:
        _thread.invariant = before


def settled(engine: str) -> str:
    """The engine asked for, with the word "invariant" before it inside `invariant()`. Nothing else looks whether a call is inside.

    `run_layer` calls this where torch.compile sees it, so that a compiled call follows `invariant()`. Calling it twice adds the
    word once.
    """
    return _INVARIANT + engine if _thread.invariant and not engine.startswith(_INVARIANT) else engine


def narrowed(engine: str, problem_dtype: torch.dtype, result: torch.dtype) -> str:
    """The engine asked for with the 16-bit dtype of a layer's numbers behind it, as a graph holds it; see `asked`."""
    return engine if result == problem_dtype else f"{engine}{_IN}{str(result).removeprefix('torch.')}"


def asked(engine: str) -> tuple[str, torch.dtype | None]:
    """The engine asked for, and the 16-bit dtype of the layer's numbers where they have 16 bits, from what `narrowed` gave."""
    name, _, dtype = engine.partition(_IN)
    return name, getattr(torch, dtype) if dtype else None


def refuse_operations(engine: str) -> None:
    """Where the loop is made of torch's own operations (`autograd.by_operations`), which promise nothing.

    Raises:
        EngineError: inside `invariant()`.
    """
    if settled(engine).startswith(_INVARIANT):
        raise EngineError(
            "forward mode (jvp, jacfwd, dual tensors) and functionalize do not give a sequence the same bits in any batch, which tenuto.invariant() asks for.",
            fix="leave tenuto.invariant() for them; derivatives in reverse mode (grad, vjp, jacrev) keep the promise",
        )


def choose(problem: Problem, engine: str = "auto") -> Engine:
    """The engine that runs this problem: the one asked for, or the fastest that can.

    Raises:
        EngineError: the engine asked for cannot run it; the message says why, and which engine can. Inside `invariant()`: no engine
            that promises the same bits can.
    """
    name = settled(engine)
    if name.startswith(_INVARIANT):
        return _choose_invariant(problem, wanted(name.removeprefix(_INVARIANT)))
    name = wanted(name)
    hindered = ""
    for candidate in _ORDER:
        if name not in ("auto", candidate.name):
            continue
        answer = candidate.supports(problem)
        if isinstance(answer, Yes):
            if hindered:
                _say_slower(candidate, hindered)
            candidate = _rounding(problem, candidate)
            return candidate if name != "auto" else _fastest(problem, candidate)
        hindered = hindered or (answer.reason if answer.slower else "")
        if name != "auto":
            able = [other.name for other in _ORDER if other.supports(problem)]
            reason, _, details = answer.reason.partition("\n")
            error = EngineError(f"the engine {name!r} cannot run this: {reason.removesuffix('.')}.", fix=f"{argument('engine', able[0])} can, or leave it at 'auto'")
            error.what = f"{error.what}\n{details}".rstrip()
            error.args = (str(error),)
            raise error
    raise AssertionError("the reference engine runs everything.")


def _rounding(problem: Problem, engine: Engine) -> Engine:
    """The engine, or the one that multiplies this problem's 16-bit numbers in 16 bits, where there is one."""
    rounding = _ROUNDING.get(engine.name) if problem.narrow is not None else None
    return rounding if rounding is not None and rounding.supports(problem) else engine


def _say_slower(engine: Engine, obstacle: str) -> None:
    reason, _, details = obstacle.partition("\n")
    reason = reason.removesuffix(".")
    text = f"tenuto runs without compiled kernels, several times slower: {reason} (engine {engine.name!r} instead)"
    notices.once(f"{text}\n{details}".rstrip(), f"slower: {reason}")


def _choose_invariant(problem: Problem, name: str) -> Engine:
    """The first engine that promises the same bits and can run this; `name`: the only one allowed, or "auto"."""
    if name not in ("auto", *_PROMISING):
        raise EngineError(
            f"the engine {name!r} does not give a sequence the same bits in any batch, which tenuto.invariant() asks for.",
            expected="auto, " + ", ".join(_PROMISING), fix="leave engine at 'auto' inside the block, or leave the block",
        )  # fmt: skip
    answers = {engine: engine.supports(problem) for instead_of, engine in _PROMISING.items() if name in ("auto", instead_of)}
    for engine, answer in answers.items():
        if answer:
            return _rounding(problem, engine)
    reasons = "; ".join(f"{engine.name}: {answer.reason}" for engine, answer in answers.items())
    raise EngineError(
        f"no engine that gives a sequence the same bits in any batch can run this ({reasons}).",
        fix="leave tenuto.invariant(), or mend what the reason names",
    )


def _fastest(problem: Problem, first: Engine) -> Engine:
    """The first engine that can, unless one after it was measured to be clearly faster on this machine."""
    if problem.symbolic or problem.form.integers or problem.form.sparse:  # there is no such problem to measure, or no rival
        return first
    for rival in _AFTER[first.name]:
        if rival.rivals(problem):
            known = contest.remembered(problem)
            if known is None and rival.supports(problem):
                return contest.winner(problem, first, rival, first.measurements())
            return rival if known == rival.name else first
    return first


@dataclass(frozen=True)
class EngineReport:
    """Which engine runs a problem, and each engine's answer; print it to read it."""

    problem: Problem
    chosen: str
    answers: Mapping[str, Yes | No]

    def __str__(self) -> str:
        p, form = self.problem, self.problem.form
        extras = [word for word in ("lengths", "packed", "resets", "reverse") if getattr(form, word)]
        shape = f"T={p.time_steps} B={p.batch_size} I={p.input_size} H={p.hidden_size}"
        setting = f"{str(p.dtype).removeprefix('torch.')} {p.device}" + (", training" if p.gradients else ", inference")
        lines = [f"{form.cell!r}", f"  {shape}, {setting}" + "".join(f", {word}" for word in extras)]
        width = max(10, *map(len, self.answers))
        for name, answer in self.answers.items():
            verdict = "runs" if name == self.chosen else "could run" if answer else "cannot"
            lines.append(f"  {name:<{width}} {verdict:<10} {answer.reason}".rstrip())
        return "\n".join(lines)


def report(problem: Problem, engine: str = "auto") -> EngineReport:
    """Which engine would run this problem and why not the others."""
    chosen = choose(problem, engine)
    engines = _ORDER if chosen in _ORDER else (chosen, *_ORDER)
    rounding = _ROUNDING["invariant cpp" if chosen.name.startswith(_INVARIANT) else "cpp"]
    if problem.narrow is not None and rounding not in engines:
        engines = (rounding, *engines)
    return EngineReport(problem, chosen.name, {candidate.name: candidate.supports(problem) for candidate in engines})


def needs_gradients(inputs: Mapping[str, Tensor]) -> bool:
    """Whether a backward pass may follow; what the tensors of a function transform hide (torch.vmap) does not show, so one may."""
    return torch.is_grad_enabled() and (any(tensor.requires_grad for tensor in inputs.values()) or members.transformed())
