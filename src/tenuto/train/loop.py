"""The training loop: it makes steps, validates, keeps the best weights, and writes a checkpoint now and then.

It knows no task: batches are whatever `batches` yields and `loss` takes. Randomness comes from the global generators (torch, numpy, Python),
which a checkpoint keeps, and from `batches(epoch)`; the caller seeds them.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from tenuto.files import NotWritten
from tenuto.layers import bound_spectrum
from tenuto.measures import measure, require_measure
from tenuto.tongues import argument
from tenuto.train.average import WeightAverage
from tenuto.train.checkpoint import Checkpoint, describe_weights
from tenuto.train.generators import generator_states, restore_generators
from tenuto.train.interrupt import Interrupt
from tenuto.train.launch import Launch, OneProcess, is_lost_process, total
from tenuto.train.lock import held
from tenuto.train.nested import detached
from tenuto.train.observers import Observer
from tenuto.train.optimiser import LossScale, build_optimiser, ready_gradients
from tenuto.train.options import TrainingOptions
from tenuto.train.outcome import Loss, Outcome, Position, TrainingError, lost_process
from tenuto.train.resume import Resumable
from tenuto.train.schedule import Schedule
from tenuto.train.shared_out import whole
from tenuto.train.turns import pass_on

B = TypeVar("B")


def train(
    model: nn.Module,
    options: TrainingOptions,
    *,
    batches: Callable[[int], Sequence[B]],
    loss: Callable[[nn.Module, B, Any], Loss],
    validate: Callable[[nn.Module], Mapping[str, float]],
    describe_batch: Callable[[B], str] = str,
    grain: float = 0.0,
    observers: Iterable[Observer] = (),
    launch: Launch | None = None,
    checkpoint: Checkpoint | None = None,
) -> Outcome:
    """Train `model` in place and leave it, in eval mode, with the weights of the best validation: by default the one with the lowest loss.

    After Ctrl-C or SIGTERM the current step is finished and a checkpoint is written; then training ends and the best weights so far are kept. Before
    the first validation there are none, and the caller gets a KeyboardInterrupt. After a second signal the step is not finished and no checkpoint is
    written.

    With a checkpoint, a run that was stopped or killed at any moment goes on from where its last checkpoint was written. It ends with the same bits
    as a run that never stopped (on the same machine, with the same versions), as long as `batches`, `loss` and `validate` depend on nothing but
    their arguments, the weights and the global generators. A finished run is not repeated: its outcome and weights are read.

    Args:
        batches: gives the batches of an epoch (1, 2, ...): this process's share of them, the same number in each process.
        loss: from (module, batch, carried) to a `Loss`; carried is what the last batch's loss returned, detached. It is None at the start of
            an epoch and after a skipped step.
        validate: from the module, in eval mode, to numbers, one of them "validation_loss". All processes use the main process's numbers.
        describe_batch: names a batch in an error message.
        grain: two validations that differ by no more than this count as equal, and of equal ones the last is kept. One item of n, for an accuracy, is 1 / n.
        observers: told of every step and validation, in the main process.
        launch: where to run; an `accelerate.Accelerator` fits. Default: only in this process.
        checkpoint: where to keep the run; if there is a checkpoint already, the run goes on from it.
    Raises:
        TrainingError: an epoch has no batches, a loss or gradient is not finite (with `non_finite="stop"`), every step between two validations
            was skipped, the validation loss was never finite, or another process of the run is gone.
        ArgumentError: a validation has no number of the name in `select_by`.
        RunError: the checkpoint cannot be read or belongs to another run, or another process trains in its folder. A checkpoint that does not fit
            on the disk is a warning, once: training goes on without it.
    """
    launch = launch or OneProcess()
    with nullcontext() if checkpoint is None or not launch.is_main_process else held(checkpoint.folder):
        return Training(model, options, batches, loss, validate, describe_batch, grain, tuple(observers), launch, checkpoint).run()


class Training(Resumable, Generic[B]):
    """One call of `train`, with all that it keeps between two steps."""

    def __init__(
        self,
        model: nn.Module,
        options: TrainingOptions,
        batches: Callable[[int], Sequence[B]],
        loss: Callable[[nn.Module, B, Any], Loss],
        validate: Callable[[nn.Module], Mapping[str, float]],
        describe_batch: Callable[[B], str],
        grain: float,
        observers: tuple[Observer, ...],
        launch: Launch,
        checkpoint: Checkpoint | None,
    ) -> None:
        self.options, self.batches, self.loss, self.validate = options, batches, loss, validate
        self.describe_batch, self.launch, self.checkpoint = describe_batch, launch, checkpoint
        self.grain = grain * (1 + 1e-6)  # a difference of just the grain is rounded
        self.observers = observers if launch.is_main_process else ()
        self.weights = describe_weights(model)
        self.wrapped, self.optimizer = launch.prepare(model, build_optimiser(model, options))
        self.given, self.model = model, launch.unwrap_model(self.wrapped)  # the same module, unless the launch shares its weights out
        before = generator_states()
        self.batches_per_epoch = len(batches(1))
        restore_generators(before)
        if not self.batches_per_epoch:
            raise TrainingError("an epoch has no batches.", expected="one or more batches in each process", fix="a smaller batch size")
        self.steps_per_epoch = -(-self.batches_per_epoch // options.accumulate)
        self.planned = min(options.epochs * self.steps_per_epoch, options.max_steps or math.inf)
        self.position, self.outcome = Position(), Outcome()
        self.schedule, self.scale = Schedule(options, int(self.planned)), LossScale(options.precision == "float16")
        self.average = WeightAverage(self.model, options.ema_decay) if options.average == "ema" else None
        self.best: dict[str, Tensor] | None = None
        self.carried: Any = None
        self.epoch_generators: Any = None
        self.interrupt = Interrupt()
        self.started = time.perf_counter()
        self.written_at, self.written_step = self.started, 0
        self.warned = False  # that a checkpoint could not be written

    def run(self) -> Outcome:
        """The whole run, from its beginning or from its checkpoint."""
        if self.checkpoint is not None and self.checkpoint.exists():
            state = self.checkpoint.read(self.identity())
            with self.checkpoint.judging():
                self.restore(state)
        elif self.launch.process_index:
            torch.manual_seed(torch.initial_seed() + self.launch.process_index)  # dropout then differs between processes
        if self.checkpoint is not None and self.launch.is_main_process:
            self.checkpoint.sweep()  # only now: a run that is refused changes nothing
        run = self.outcome
        for observer in self.observers:
            observer.started(epochs=-(-int(self.planned) // self.steps_per_epoch), steps_per_epoch=self.steps_per_epoch)
            if run.steps:
                observer.resumed(step=run.steps, metrics=run.metrics)
        reason = "error"  # what observers are told if an exception leaves the loop
        try:
            with self.interrupt:
                while not run.stopped:
                    self._epoch()
            reason = run.stopped
        except KeyboardInterrupt:
            if self.best is None:
                raise
            reason = run.stopped = "interrupted"
        except RuntimeError as error:
            if self.launch.num_processes == 1 or not is_lost_process(error):
                raise
            where = "there is no checkpoint" if self.checkpoint is None else f"the checkpoint is {self.checkpoint.path}"
            raise lost_process(self.launch.process_index, self.launch.num_processes, f"at step {run.steps + 1}; {where}") from error
        finally:
            run.seconds = time.perf_counter() - self.started
            for observer in self.observers:
                observer.ended(stopped=reason)
        if self.best is None:
            if run.stopped == "interrupted":
                raise KeyboardInterrupt
            raise TrainingError("the validation loss was not finite in any validation.", fix="lower the learning rate, or check the data")
        self.given.load_state_dict(self.best)
        self.given.eval()
        return run

    def _epoch(self) -> None:
        """Train on the batches of the epoch that are left."""
        at, options = self.position, self.options
        batches = self._batches_of_epoch()
        for first in range(at.batch, len(batches), options.accumulate):
            last = min(first + options.accumulate, len(batches))
            self._step([batches[number] for number in range(first, last)], len(batches))
            at.batch = last
            if ended := last == len(batches):
                at.epoch, at.batch, self.carried = at.epoch + 1, 0, None
            done = self.outcome.steps >= self.planned or at.epoch > options.epochs
            if done or (ended if options.validate_every is None else self.outcome.steps % options.validate_every == 0):
                self._validate(at.epoch - 1 + at.batch / len(batches))
            self._perhaps_stop(done)
            if self.outcome.stopped:
                return
            pass_on()

    def _batches_of_epoch(self) -> Sequence[B]:
        """The epoch's batches, drawn with the generators as they were when it began."""
        now = generator_states()
        if self.position.batch == 0:
            self.epoch_generators = now
            return self.batches(self.position.epoch)
        restore_generators(self.epoch_generators)
        batches = self.batches(self.position.epoch)
        restore_generators(now)
        return batches

    def _step(self, group: list[B], in_epoch: int) -> None:
        """One optimiser step on the gradients of these batches together."""
        at, options, run, launch = self.position, self.options, self.outcome, self.launch
        at.rate = self.schedule.rate(run.steps)
        for settings in self.optimizer.param_groups:
            settings["lr"] = at.rate
        self.optimizer.zero_grad(set_to_none=True)
        self.wrapped.train()
        loss_sum, count, first_count = 0.0, 0, 0
        for number, batch in enumerate(group, 1):
            with nullcontext() if number == len(group) else launch.no_sync(self.wrapped):
                with self._precision():
                    mean, own, carried, reported = self.loss(self.wrapped, batch, self.carried)
                self.carried = detached(carried)
                value = float(mean.detach() if reported is None else reported)
                all_counts, all_losses = total(launch, [own, value * own])
                first_count = first_count or int(all_counts) or 1
                # Every item has the same weight, whichever batch and process it is in. A single batch in a single process is multiplied by 1.
                launch.backward(mean * (own * launch.num_processes / first_count * self.scale.value))
            loss_sum, count = loss_sum + all_losses, count + int(all_counts)
        factor = first_count / (max(count, 1) * self.scale.value)
        norm, clipped = ready_gradients(self.wrapped.parameters(), options, launch, factor)
        amount = loss_sum / max(count, 1)
        run.steps += 1
        if not math.isfinite(amount) or not math.isfinite(norm):
            self._not_finite(amount, norm, group, in_epoch)
            return
        self.optimizer.step()
        if options.spectral_bound is not None:
            bound_spectrum(self.model, options.spectral_bound)
        self.scale.stepped()
        if self.average is not None:
            self.average.update(self.model)
        at.loss, at.count, at.steps = at.loss + loss_sum, at.count + count, at.steps + 1
        at.norms, at.norm_max, at.clipped = at.norms + norm, max(at.norm_max, norm), at.clipped + clipped
        for observer in self.observers:
            observer.step_ended(epoch=at.epoch, step=run.steps, loss=amount, gradient_norm=norm, learning_rate=at.rate)

    def _not_finite(self, amount: float, norm: float, group: list[B], in_epoch: int) -> None:
        """Skip the step, or stop with an error."""
        at, run = self.position, self.outcome
        kind = "gradient" if math.isfinite(amount) else "loss"
        batch = f"batch {at.batch + 1}" if len(group) == 1 else f"batches {at.batch + 1} to {at.batch + len(group)}"
        what = f"the {kind} is not finite at step {run.steps} (epoch {at.epoch}, {batch} of {in_epoch})"
        names = "; ".join(self.describe_batch(part) for part in group)
        received = f"loss {amount}, gradient norm {norm}, learning rate {at.rate:.3g}; batch of {names}"
        scale = self.scale.value
        overflow = kind == "gradient" and self.scale.overflowed()
        if not overflow and self.options.non_finite == "stop":
            raise TrainingError(
                f"{what}.",
                expected="finite numbers",
                received=received,
                fix=f"lower {argument('learning_rate')} or {argument('clip_norm')}, check the values in that batch, or skip such steps with {argument('non_finite', 'skip')}",
            )
        reason = f"{what}: {f'overflow at a loss scale of {scale:.0f}' if overflow else received}"
        self.carried = None
        at.skipped, run.skipped_steps = at.skipped + 1, run.skipped_steps + 1
        run.skipped += [reason] * (len(run.skipped) < 100)
        for observer in self.observers:
            observer.step_skipped(epoch=at.epoch, step=run.steps, reason=reason)

    def _validate(self, epoch: float) -> None:
        """Validate, keep the weights if they are the best so far, and tell the observers."""
        at, run = self.position, self.outcome
        if not at.steps and self.scale.may_fall:
            return  # every step since the last validation overflowed float16; the next ones have a lower loss scale
        if not at.steps:
            raise TrainingError(
                f"every step of epoch {math.ceil(epoch)} had a loss or gradient that is not finite.", fix="lower the learning rate"
            )
        self.wrapped.eval()
        with torch.no_grad(), nullcontext() if self.average is None else self.average.swapped(self.model):
            if self.given is not self.model:
                self.given.load_state_dict({name: whole(tensor) for name, tensor in self.model.state_dict().items()})
                self.given.eval()
            numbers = self._of_main_process(self.validate(self.given))
            loss, value = numbers["validation_loss"], self._lower_is_better(numbers)
            # Of validations that are equal, as accuracies often are, the last one counts: its weights have learnt for longer.
            if best := value <= at.best_value + self.grain and math.isfinite(value):
                self.best = {name: tensor.detach().clone() for name, tensor in self.given.state_dict().items()}
        epoch = int(epoch) if epoch == int(epoch) else epoch
        at.waited = 0 if value < at.best_value else at.waited + 1
        if best:
            at.best_value, run.best_epoch = min(value, at.best_value), epoch
        self.schedule.validated(loss)
        if self.schedule.triggered and self.average is None:
            self.average = WeightAverage(self.model, decay=None)
        seconds = time.perf_counter() - self.started
        line = {
            "epoch": epoch,
            "train_loss": at.loss / max(at.count, 1),
            "learning_rate": at.rate,
            "gradient_norm_mean": at.norms / at.steps,
            "gradient_norm_max": at.norm_max,
            "clipped_steps": at.clipped,
            "steps": run.steps,
            "count": at.count,
            "skipped_steps": at.skipped,
            **numbers,
            "averaging": self.average is not None,
            "seconds": seconds,
            "epoch_seconds": seconds - (run.metrics[-1]["seconds"] if run.metrics else 0.0),
            "best": best,
        }
        run.metrics.append(line)
        at.begin_measuring()
        for observer in self.observers:
            observer.epoch_ended(line)

    def _lower_is_better(self, numbers: Mapping[str, float]) -> float:
        """The number that decides which validation is best, with its sign turned where higher is better."""
        name = self.options.select_by
        require_measure(name, numbers)
        return -numbers[name] if measure(name).better == "higher" else numbers[name]

    def _perhaps_stop(self, done: bool) -> None:
        """Set `stopped` if there is a reason to stop, and write a checkpoint if it is time to. All processes decide alike."""
        at, options, run = self.position, self.options, self.outcome
        now = time.perf_counter()
        due = self.checkpoint is not None and (
            (self.checkpoint.every_s is not None and now - self.written_at >= self.checkpoint.every_s)
            or (self.checkpoint.every_steps is not None and run.steps - self.written_step >= self.checkpoint.every_steps)
        )
        late = options.time_limit_s is not None and now - self.started >= options.time_limit_s
        main = self.launch.is_main_process
        pressed, due_all, late_all = total(self.launch, [self.interrupt.pressed, due and main, late and main])
        if done:
            run.stopped = "all steps" if options.max_steps is not None and run.steps >= options.max_steps else "all epochs"
        elif options.patience is not None and at.waited >= options.patience:
            run.stopped = "early stopping"
        elif late_all and at.steps == 0:  # just validated
            run.stopped = "time limit"
        elif pressed:
            run.stopped = "interrupted"
        if self.checkpoint is not None and (due_all or run.stopped):
            run.seconds = now - self.started
            state = self.state()
            if main:
                self._keep(self.checkpoint, state)
            self.launch.wait_for_everyone()
            self.written_at, self.written_step = time.perf_counter(), run.steps

    def _keep(self, checkpoint: Checkpoint, state: Any) -> None:
        """Write the checkpoint, or warn once that it cannot be written: the run itself may fit where its checkpoint, several times as large, does not."""
        try:
            checkpoint.write(state, self.identity())
        except NotWritten as error:
            if not self.warned:
                warnings.warn(str(error), UserWarning, stacklevel=2)
            self.warned = True

    def _of_main_process(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """The main process's numbers."""
        main = self.launch.is_main_process
        return dict(zip(numbers, total(self.launch, [value if main else 0.0 for value in numbers.values()])))

    def _precision(self) -> Any:
        """torch's autocast, or nothing."""
        if self.options.precision == "float32":
            return nullcontext()
        device = next(self.model.parameters()).device.type
        return torch.autocast(device, getattr(torch, self.options.precision))
