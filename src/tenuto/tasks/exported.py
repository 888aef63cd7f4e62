"""`Exported`: what an export asks of an estimator beside its doors: which tensors its network reads, by name, and what it makes of them.

Each method has an answer here that fits many tasks; a task says at least what its network reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from tenuto.errors import ArgumentError
from tenuto.layers import Blocks
from tenuto.networks.anatomy import Network
from tenuto.networks.encoders import not_plain
from tenuto.networks.pooling import PooledHead
from tenuto.networks.port import Port
from tenuto.networks.reduction import ReducedRecurrent
from tenuto.tasks.stepped import Ahead, StepModel, Stepped, no_steps
from tenuto.tongues import argument

Heard = Callable[[Mapping[str, Tensor], Any], tuple[dict[str, Tensor], Any]]  # tensors by name and a state to tensors by name and a state


class Exported(Stepped):
    """The half of an estimator that exports ask."""

    network_: Network

    def ports(self) -> tuple[Port, ...]:
        """What the network reads of a batch, in order; "lengths" [batch] is among them where rows may end early.

        Raises:
            ArgumentError: the task does not say.
        """
        raise ArgumentError(f"{type(self).__name__} does not say what its network reads, so it cannot be exported.", expected="a task with `ports` and `batch_of`", fix="export its network_, with an example")

    def steps(self) -> StepModel:
        """As `Stepped.steps`."""
        other = not_plain(self.network_)
        if other is not None:
            raise no_steps(f"its encoder is {type(other).__name__}, and a model of steps has plain recurrent layers", f"train with {argument('encoder', 'recurrent')}")
        return super().steps()

    def functions(self) -> dict[str, tuple[Heard, tuple[Port, ...]]]:
        """The functions of tensors that stand for the model, each with what it reads: "sequence" first, where it runs over whole sequences."""
        other = not_plain(self.network_)
        if other is not None and not isinstance(other, Blocks):
            raise ArgumentError(f"the encoder {type(other).__name__} is not exported yet.", expected="an encoder of recurrent layers", fix=f"train with {argument('encoder', 'recurrent')}, or export the module with torch.export yourself")
        return {"sequence": (self.heard_at, self.ports())}

    def batch_of(self, values: Mapping[str, Tensor]) -> Any:
        """The batch that these tensors make, by the names of `ports`; what is raw in them is prepared here, as `inputs` prepares data."""
        self.ports()
        raise NotImplementedError

    def looks_ahead(self) -> Ahead | None:
        """As `Stepped.looks_ahead`, for the encoder and for a head that pools."""
        encoder: Any = self.network_.encoder
        if isinstance(encoder, ReducedRecurrent):
            return Ahead("convolutions before the recurrent layer put neighbouring steps together, and so read ahead", f"train with {argument('halvings', 0)}")
        if not getattr(encoder, "steps_alone", True):
            return Ahead("the encoder puts neighbouring steps together, and so reads ahead", "train with an encoder that only looks back")
        if getattr(encoder, "bidirectional", False):
            return Ahead("the encoder reads in both directions, so each sequence from its end too", "train it forward only")
        pooled = self.network_.head.looks_ahead if isinstance(self.network_.head, PooledHead) else None
        return None if pooled is None else Ahead(pooled, f"train with {argument('pooling')} of mean, max, last")

    def heard_at(self, values: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """What the network gives for these tensors, from this state on: tensors by name, and the state after the last step of each row.

        Where the network can answer step by step, the state has all that a later step needs, so that T steps at once are T steps one by one.
        """
        batch, network, lengths = self.batch_of(values), self.network_, values.get("lengths")
        streams = network.streams(batch)
        pooled = isinstance(network.head, PooledHead) and self.looks_ahead() is None
        before, gathered = (None, None) if state is None else state if pooled else (state, None)
        found = network.encoder(network.front(batch), before, lengths=lengths, **({"streams": streams} if streams else {}))
        if not pooled:
            return self.made_of(found.output, lengths), found.state
        raw, gathered = network.head.further(found.output, lengths, gathered)  # type: ignore[operator]
        return self.named(raw), (found.state, gathered)

    def made_of(self, output: Tensor, lengths: Tensor | None) -> dict[str, Tensor]:
        """What the head makes of the encoder's output, by name."""
        return self.named(self.network_.head(output, lengths))

    def named(self, raw: Tensor) -> dict[str, Tensor]:
        """What a head that pools gives, by name."""
        return {"logits": raw}

    def outside(self) -> dict[str, str]:
        """What a user of the network alone must do himself, before and after it: a sentence for each thing, by name. Empty where all of it is inside."""
        return {}
