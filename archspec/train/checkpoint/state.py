"""Captures the complete state of a run between two steps, and restores it."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from torch import Tensor

from archspec.diagnostics import SpecError, error, listing
from archspec.train.checkpoint.rng import random_state, set_random_state
from archspec.train.distributed.fsdp import fill, whole
from archspec.train.run import Run
from archspec.train.summary import StoredEpoch

FORMAT: Final = 1
Count = Annotated[int, Field(ge=0)]
Number = bool | int | float


class _Data(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, ser_json_inf_nan="constants")


class OptimizerData(_Data):
    """The optimizer. kind: its class. numbers: its state beside tensors, parameter → name → value."""

    kind: str
    numbers: dict[str, dict[str, Number]] = {}


class MeterData(_Data):
    """The training pass in progress. images: of each step so far. seconds: since its start."""

    images: list[Count]
    seconds: Annotated[float, Field(ge=0)]


class SavedState(_Data):
    """The state of a run except for tensors, as stored in `state.json`.

    step: updates done. results: one per finished epoch. rng: states of torch's generators, base64.
    digest, conditions: see `compatibility`. micro_batch: see `TrainingState`. world: the number of processes that
    trained together. best: the checkpoint of the best epoch so far. parts: see `train.state.Part`.
    """

    format: Literal[1]
    step: Count
    steps_per_epoch: Annotated[int, Field(ge=1)]
    results: list[StoredEpoch]
    rng: dict[str, str]
    scaler: dict[str, Number]
    optimizer: OptimizerData
    meter: MeterData | None
    micro_batch: Annotated[int, Field(ge=1)] | None
    parts: dict[str, JsonValue]
    world: Annotated[int, Field(ge=1)] = 1
    digest: str = ""
    conditions: dict[str, JsonValue] = {}
    best: str | None = None

    @property
    def position(self) -> int:
        """Updates done since the last finished epoch."""
        return self.step - len(self.results) * self.steps_per_epoch


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run's state.

    weights: the model's state_dict. training: tensors of the optimizer (`optimizer/momentum_buffer/conv.weight`),
    of the meter, and of parts (`part/ema/conv.weight`).
    """

    state: SavedState
    weights: dict[str, Tensor]
    training: dict[str, Tensor]

    def about(self, *, digest: str, conditions: Mapping[str, JsonValue], best: str | None) -> Snapshot:
        """The same state with the data for a comparison when it is resumed, and the best checkpoint."""
        fields = {"digest": digest, "conditions": dict(conditions), "best": best}
        return replace(self, state=self.state.model_copy(update=fields))

    def last_loss(self) -> float | None:
        """The highest of the latest losses: training and evaluation of the last epoch, and the last step after it."""
        losses = [loss for row in self.state.results[-1:] for loss in (row.train_loss, row.evaluated_loss)]
        if "meter/losses" in self.training:
            losses += self.training["meter/losses"][-1:].tolist()
        return max(losses, default=None)


def capture(run: Run) -> Snapshot:
    """The state of a run between two steps. The tensors are not copied: the next step changes them."""
    parameters = dict(run.state.model.named_parameters())
    training: dict[str, Tensor] = {}
    numbers: dict[str, dict[str, Number]] = {}
    for name, parameter in parameters.items():
        for key, value in run.state.optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                training[f"optimizer/{key}/{name}"] = value
            elif value is not None:
                numbers.setdefault(name, {})[key] = value
    meter = None
    if run.state.position:
        meter = MeterData(images=run.state.meter.sizes, seconds=time.perf_counter() - run.state.meter.started)
        training |= {f"meter/{key}": tensor for key, tensor in run.state.meter.tensors().items()}
    for name, part in run.state.parts.items():
        training |= {f"part/{name}/{key}": tensor for key, tensor in part.tensors().items()}
    state = SavedState(
        format=FORMAT, step=run.state.step, steps_per_epoch=run.state.steps_per_epoch, results=list(run.state.results),
        rng=_rng(run.runtime.device), scaler=run.state.scaler.state_dict(),
        optimizer=OptimizerData(kind=type(run.state.optimizer).__name__, numbers=numbers), meter=meter,
        micro_batch=run.state.micro_batch, world=run.runtime.group.size,
        parts={name: part.data() for name, part in run.state.parts.items()},
    )
    processes = run.runtime.group
    return Snapshot(state, whole(run.state.model.state_dict(), processes), whole(training, processes))


def restore(run: Run, saved: Snapshot) -> None:
    """Load a saved state into a new run, except for the random numbers (see `restore_rng`).

    If the recipe has changed, whatever still fits is loaded: nothing of a different optimizer, and only whole epochs
    if an epoch has a different number of steps. Raises SpecError RUN315 if the tensors belong to another network.
    """
    state = saved.state
    _copy(dict(run.state.model.state_dict()), saved.weights, "the network")
    if state.optimizer.kind == type(run.state.optimizer).__name__:
        _restore_optimizer(run, saved)
    if run.state.scaler.is_enabled() and state.scaler:
        run.state.scaler.load_state_dict(state.scaler)
    run.state.results[:] = state.results
    run.state.micro_batch = None if run.runtime.group.sharded else state.micro_batch
    run.state.saved_parts = {
        name: (_under(saved.training, f"part/{name}/"), data) for name, data in state.parts.items()
    }
    whole = state.steps_per_epoch == run.state.steps_per_epoch
    run.state.step = state.step if whole else run.state.epoch * run.state.steps_per_epoch
    if whole and state.meter is not None:
        _restore_meter(run, state.meter, _under(saved.training, "meter/"))


def restore_rng(run: Run, saved: Snapshot) -> None:
    """Restore the random numbers, so that they continue as in the saved run."""
    for name, text in saved.state.rng.items():
        try:
            numbers = torch.frombuffer(bytearray(base64.b64decode(text, validate=True)), dtype=torch.uint8)
            set_random_state(run.runtime.device, {name: numbers})
        except (binascii.Error, RuntimeError, ValueError, TypeError) as problem:
            raise _misfit(f"the state of the random numbers ({name}) is not valid") from problem


def _rng(device: torch.device) -> dict[str, str]:
    states = random_state(device).items()
    return {name: base64.b64encode(state.numpy().tobytes()).decode() for name, state in states}


def _restore_optimizer(run: Run, saved: Snapshot) -> None:
    """Load the state of each parameter, with the memory layout of the parameter, as fused kernels require."""
    fresh = run.state.optimizer.state_dict()
    parameters = [p for group in run.state.optimizer.param_groups for p in group["params"]]
    numbers = {parameter: number for number, parameter in enumerate(parameters)}
    states: dict[int, dict[str, object]] = {}
    for name, parameter in run.state.model.named_parameters():
        if parameter not in numbers:
            continue
        state: dict[str, object] = dict(saved.state.optimizer.numbers.get(name, {}))
        for key, tensor in _optimizer_tensors(saved, name).items():
            if tensor.shape not in (parameter.shape, torch.Size()):
                raise _misfit(f"{key} of {name} has the shape {tuple(tensor.shape)}")
            like = parameter if tensor.shape == parameter.shape else tensor
            state[key] = found = torch.empty_like(like, dtype=tensor.dtype)
            fill(found, tensor)
        if state:
            states[numbers[parameter]] = state
    run.state.optimizer.load_state_dict({"state": states, "param_groups": fresh["param_groups"]})


def _optimizer_tensors(saved: Snapshot, parameter: str) -> dict[str, Tensor]:
    found = {}
    for name, tensor in saved.training.items():
        head, _, rest = name.partition("/")
        key, _, owner = rest.partition("/")
        if head == "optimizer" and owner == parameter:
            found[key] = tensor
    return found


def _restore_meter(run: Run, data: MeterData, tensors: dict[str, Tensor]) -> None:
    state = run.state
    if not 0 < state.position == len(data.images) <= state.steps_per_epoch:
        raise _misfit(f"step {state.position} of an epoch of {state.steps_per_epoch}, with {len(data.images)} measured")
    state.meter = run.new_meter()
    run.state.meter.sizes[:] = data.images
    run.state.meter.allocate(tensors)
    targets = run.state.meter.tensors()
    if "norms" not in tensors:  # of archspec 0.1
        del targets["norms"]
    _copy(targets, tensors, "the measured steps")
    run.state.meter.started -= data.seconds


@torch.no_grad()
def _copy(targets: dict[str, Tensor], sources: Mapping[str, Tensor], what: str) -> None:
    """Copy each source into the existing target of the same name, of any device and layout."""
    if missing := targets.keys() - sources.keys():
        raise _misfit(f"{what} has {listing(sorted(missing), 4)}, the checkpoint does not")
    if extra := sources.keys() - targets.keys():
        raise _misfit(f"the checkpoint has {listing(sorted(extra), 4)}, {what} does not")
    for name, target in targets.items():
        if target.shape != sources[name].shape:
            theirs, ours = tuple(sources[name].shape), tuple(target.shape)
            raise _misfit(f"{name} is {theirs} in the checkpoint, {ours} in {what}")
    for name, target in targets.items():
        fill(target, sources[name])


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _misfit(message: str) -> SpecError:
    return error("RUN315", f"the checkpoint belongs to another network: {message}",
                 hint="start a new run: leave --resume out")
