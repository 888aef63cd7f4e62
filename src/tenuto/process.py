"""What a fork leaves behind, and the rule for it.

A child has its parent's memory, but of its threads only the one that forked. So in the child
- a lock that another thread held would be held for ever: every lock is made again (`in_child`);
- what another thread had begun is never finished: what is kept for the next call is forgotten (`in_child`);
- the threads that torch and our loops share their work with do not exist, and OpenMP would wait for them: we use one (`threads`).
"""

from __future__ import annotations

import inspect
import os
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

import torch

T = TypeVar("T")

_renewals: list[Callable[[], Callable[[], None] | None]] = []
_forked = False
_torch_knows = True


def in_child(renew: Callable[[], None]) -> Callable[[], None]:
    """Has `renew` called at the start of every child, before anything else of ours runs; a bound method while its object lives."""
    _renewals.append(weakref.WeakMethod(renew, _renewals.remove) if inspect.ismethod(renew) else lambda: renew)
    return renew


def threads() -> int:
    """How many threads a call may use: torch's number, or one in a child."""
    tell_torch()
    return 1 if _forked else torch.get_num_threads()


def tell_torch() -> None:
    """In a child, once: makes torch use one thread too, since its operations would wait for the parent's threads as ours would.

    A layer's first call does this, not the fork itself: most children run another program, or do not use torch.
    """
    global _torch_knows
    if not _torch_knows:
        torch.set_num_threads(1)
        _torch_knows = True


def _begin_child() -> None:
    global _forked, _torch_knows
    _forked, _torch_knows = True, False
    for renewal in tuple(_renewals):
        renew = renewal()
        if renew is not None:
            renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_child)


class kept_property(Generic[T]):
    """A property that is worked out once for each object; two threads at once may both work it out, and agree.

    Until Python 3.12, functools.cached_property has one lock for all objects of a class, which a child could not replace.
    """

    def __init__(self, function: Callable[[Any], T]) -> None:
        self._function, self.__doc__ = function, function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> kept_property[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> kept_property[T] | T:
        if instance is None:
            return self
        value: T = instance.__dict__.setdefault(self._name, self._function(instance))
        return value
