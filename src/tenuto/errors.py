"""What tenuto says when something is wrong: a few classes, one message template.

Every message answers four questions: what happened, what was expected, what came, how to mend it.
Inner code raises with the short reason; the public call adds its own name with `TenutoError.called`. What Python and the command line say in other
words is marked (`tongues.py`): `str(error)` is for Python, `error.said(flags)` for the command line. This file loads no torch, so that
the commands answer `--help` at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from tenuto.tongues import Flags, either, in_command, in_python

if TYPE_CHECKING:
    import torch
    from typing_extensions import Self


class TenutoError(Exception):
    """The base of all errors that tenuto raises on purpose.

    Args:
        what: one sentence, what happened.
        expected: what would have been right, for example "x [T, B, 64]".
        received: what came instead, for example "x [120, 8, 40] float32 cpu".
        fix: what to do about it.
    """

    def __init__(
        self,
        what: str,
        *,
        expected: str | None = None,
        received: str | None = None,
        fix: str | None = None,
    ) -> None:
        self._told = {"what": what, "expected": expected, "received": received, "fix": fix}
        super().__init__(str(self))  # Keras and others tell an error again from its first argument

    @property
    def what(self) -> str:
        """What happened, as Python says it."""
        return in_python(self._told["what"] or "")

    @what.setter
    def what(self, said: str) -> None:
        self._tell(what=said)

    @property
    def expected(self) -> str | None:
        """What would have been right."""
        return self._in_python("expected")

    @property
    def received(self) -> str | None:
        """What came instead."""
        return self._in_python("received")

    @property
    def fix(self) -> str | None:
        """What to do about it."""
        return self._in_python("fix")

    @fix.setter
    def fix(self, said: str | None) -> None:
        self._tell(fix=said)

    def __str__(self) -> str:
        return self._whole(in_python)

    def said(self, flags: Flags) -> str:
        """The message as the command line says it.

        Args:
            flags: how arguments are typed there, see `tongues.Flags`.
        """
        return self._whole(lambda text: in_command(text, flags))

    def within(self, place: str) -> TenutoError:
        """The same error with the place where it happened before it: a file, a part of the data."""
        return self._begun(place, f"{place}: ")

    def called(self, call: str) -> TenutoError:
        """The same error, told by the public call `call`, for example "Recurrent(LSTM)"; the command line does not name it."""
        return self._begun(call, either(f"{call}: ", ""))

    def at(self, place: str) -> Self:
        """The same error with the place in the user's file, "lstm.py, line 38: ..."."""
        what = self._told["what"] or ""
        return self._tell(what=f"{what}\n  at        {place}") if place and "\n  at  " not in what else self

    def also(self, fix: str) -> Self:
        """The same error with one thing more that can be done about it."""
        return self._tell(fix=f"{self._told['fix']}; {fix}" if self._told["fix"] else fix)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), *self._told.values())

    def _begun(self, name: str, beginning: str) -> TenutoError:
        return self if self.what.startswith(f"{name}: ") else self._tell(what=f"{beginning}{self._told['what']}")

    def _tell(self, **told: str | None) -> Self:
        self._told |= told
        self.args = (str(self),)
        return self

    def _in_python(self, part: str) -> str | None:
        said = self._told[part]
        return None if said is None else in_python(said)

    def _whole(self, tongue: Callable[[str], str]) -> str:
        rows = [_readable(tongue(self._told["what"] or ""))]
        return "\n".join(rows + [f"  {name:<9} {_readable(tongue(text))}" for name, text in self._told.items() if text and name != "what"])


class ShapeError(TenutoError, ValueError):
    """A tensor has the wrong shape, dtype or device for the call that received it."""


class ArgumentError(TenutoError, ValueError):
    """An option has a value that the call does not know."""


class DataError(TenutoError, ValueError):
    """A data file or data set cannot be used as it is."""


class CellError(TenutoError, TypeError):
    """A cell's declaration is wrong: gates, states, parameters, streams or fields."""


class TraceError(TenutoError):
    """A cell's step cannot be traced; the message names the line of the user's file."""


class EngineError(TenutoError, RuntimeError):
    """The engine that was asked for cannot run this cell on this problem, or failed to."""


class RunError(TenutoError, RuntimeError):
    """A run folder is missing, damaged, or not one of ours."""


class NotFittedError(TenutoError, RuntimeError):
    """A task was asked to predict before it was fitted."""


def describe(tensor: torch.Tensor) -> str:
    """A tensor's shape, dtype and device as messages show them.

    Example:
        >>> import torch
        >>> describe(torch.zeros(2, 3))
        '[2, 3] float32 cpu'
    """
    return f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')} {tensor.device}"


# A message quotes files, and a file may hold anything: a word or a line of ten thousand characters says no more than its beginning and its end.
_LONG_WORD, _LONG_LINE = re.compile(r"[^\s/\\]{161,}"), 1_000


def _readable(text: str) -> str:
    """A text of a message, with words and lines that are too long cut in the middle.

    Example:
        >>> len(_readable("x" * 10_000)), _readable("a fine film")
        (98, 'a fine film')
    """
    text = _LONG_WORD.sub(lambda word: f"{word[0][:75]}...{word[0][-20:]}", str(text))
    return "\n".join(line if len(line) <= _LONG_LINE else f"{line[: _LONG_LINE - 300]} ... {line[-200:]}" for line in text.split("\n"))


def _rebuild(kind, what, expected, received, fix):  # type: ignore[no-untyped-def]
    return kind(what, expected=expected, received=received, fix=fix)
