"""`StoredWeight`: a weight in a form of its own, as buffers of a module that stands where the parameter stood.

The first buffer has the form's name: `encoder.weight_ih_l0` as int8 is `encoder.weight_ih_l0.int8` and `encoder.weight_ih_l0.scale` in a file. So names tell which weights are kept how.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from typing_extensions import Self

FORMS: dict[str, type[StoredWeight]] = {}


class StoredWeight(nn.Module, ABC):
    """A weight as `form` keeps it. It does not learn.

    Attributes:
        form: the name of the form, and of its first buffer.
        buffers_of: the names of its buffers.
        shape: the weight's.
    """

    form: ClassVar[str]
    buffers_of: ClassVar[tuple[str, ...]]
    shape: torch.Size

    def __init__(self) -> None:
        super().__init__()
        self._whole: Tensor | None = None

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        FORMS[cls.form] = cls

    @classmethod
    @abstractmethod
    def of(cls, weight: Tensor) -> Self:
        """A weight in this form, as near as the form comes to it."""

    @classmethod
    @abstractmethod
    def empty(cls, weight: Tensor, tensors: Mapping[str, Tensor]) -> Self:
        """A form with buffers of the right shapes for such a weight, to be filled from a file.

        Args:
            tensors: the buffers that the file has, by name, for sizes that the weight does not tell.
        """

    @abstractmethod
    def made(self) -> Tensor:
        """The weight as floats, computed anew."""

    def whole(self) -> Tensor:
        """The weight as floats. It is computed once and kept as long as the buffers stay; no file and no copy has it."""
        if self._whole is None:
            with torch.inference_mode(False), torch.no_grad():
                self._whole = self.made()
        return self._whole

    def rows(self, indices: Tensor) -> Tensor:
        """Rows of the weight, [..., columns] for indices [...]."""
        return self.whole()[indices]

    def rows_of(self, buffer: str) -> Tensor:
        """A buffer as it goes with the weight's rows."""
        return self.get_buffer(buffer)

    def in_file(self, buffer: str) -> Tensor:
        """A buffer as a file has it: the same numbers, in no more bytes than they need."""
        return self.get_buffer(buffer)

    def forget(self) -> None:
        """Let go of the floats; the next use computes them again."""
        self._whole = None

    def size_bytes(self) -> int:
        """Of all buffers."""
        return sum(buffer.numel() * buffer.element_size() for buffer in self.buffers())

    def forward(self) -> Tensor:
        """As `whole`."""
        return self.whole()

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        self.forget()
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, *given: Any) -> None:
        self.forget()
        super()._load_from_state_dict(*given)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_whole": None}

    def extra_repr(self) -> str:
        return f"{list(self.shape)}, {self.size_bytes():,} bytes"
