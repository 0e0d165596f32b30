"""Whether a network fits into memory, for training and inference, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from archspec.analysis import lone_value, smallest_batch
from archspec.analysis.step_memory import step_memory
from archspec.analysis.weights import weights
from archspec.capacity.largest import MOST, largest_batch
from archspec.capacity.options import Low, Option, options_for
from archspec.capacity.simulate import WORK, Price, Simulated
from archspec.devices import Device
from archspec.diagnostics import error
from archspec.execution import Execution, Setting
from archspec.ir import Graph
from archspec.printing.shown import Shown

if TYPE_CHECKING:
    from rich.console import Console

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    memory: bytes. setting: how it trains; its batch size is not used. batch_size: the batch that shall fit, or None.
    usual: the recipe's batch, which is asked about besides where `batch_size` is None. price: of a step in time. low:
    the precision of autocast that the device computes in, or None. name: of the network. device: None if only an amount
    of memory is known. samples: what the network takes, in words.
    """

    memory: int
    setting: Setting
    batch_size: int | None = None
    usual: int | None = None
    price: Price = WORK
    low: Low | None = "bf16"
    name: str = "network"
    device: Device | None = None
    samples: str = "images"


@dataclass(frozen=True, slots=True)
class Use:
    """Training or inference with a limit of memory.

    largest_batch: 0 if not even the smallest batch fits. batch_size: the one asked for, or else the largest one, or the
    smallest one if none fits. peak_bytes, parts, workspace_bytes: of that batch. parts: as in a `StepMemory`.
    workspace_bytes: what libraries may take beside the tensors. least: the smallest batch, and its peak in bytes.
    """

    memory: int
    largest_batch: int
    batch_size: int
    peak_bytes: int
    parts: dict[str, int]
    workspace_bytes: int
    least: tuple[int, int]

    @property
    def fits(self) -> bool:
        """Whether the batch fits."""
        return self.peak_bytes <= self.memory

    @property
    def searched_to_the_end(self) -> bool:
        """Whether a larger batch than `largest_batch` may fit: the search ends there."""
        return self.largest_batch >= MOST

    @property
    def spare_bytes(self) -> int:
        """What is left of the memory; negative if the batch does not fit."""
        return self.memory - self.peak_bytes

    @property
    def bound(self) -> str:
        """The largest part."""
        return max(self.parts, key=lambda name: self.parts[name])

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "fits": self.fits, "largest_batch": self.largest_batch, "batch_size": self.batch_size,
            "peak_bytes": self.peak_bytes, "spare_bytes": self.spare_bytes, "bound": self.bound, "parts": self.parts,
            "workspace_bytes": self.workspace_bytes,
        }


@dataclass(frozen=True, slots=True)
class Answer(Shown):
    """The answer to a request. It prints as `archspec fit` does.

    training: None for a network without parameters. usual: training with the recipe's batch. options: what makes the
    batch that is asked about fit, if it does not. estimated: the paths of layers whose memory is an estimate, because
    their ops have no `kernels`.
    """

    request: Request
    training: Use | None
    usual: Use | None
    inference: Use
    options: tuple[Option, ...]
    estimated: tuple[str, ...] = ()

    @property
    def asked(self) -> Use | None:
        """Training with the batch that is asked about."""
        return self.usual or self.training

    @override
    def show(self, console: Console) -> None:
        """The answer in one line, then inference, what it is about, and the options."""
        from archspec.printing.capacity import show

        show(self, console)

    def to_json(self) -> dict[str, Any]:
        """Plain data: the figures of training, or else of inference, at the top."""
        first, device = self.training or self.inference, self.request.device
        return {
            "name": self.request.name, "device": None if device is None else device.key,
            "format": FORMAT, "memory_bytes": self.request.memory, **first.to_json(),
            "options": [option.to_json() for option in self.options], "price": self.request.price.unit,
            "training": None if self.training is None else self.training.to_json(),
            "recipe": None if self.usual is None else self.usual.to_json(),
            "inference": self.inference.to_json(),
            "estimated": list(self.estimated),
        }


def answer(graph: Graph, request: Request) -> Answer:
    """Search the largest batches, and the options for a batch that does not fit. Imports no torch.

    Raises SpecError BUILD203 if the batch asked for, or else the recipe's, is too small for a norm in training.
    """
    learns = any(spec.learned for _, spec in weights(graph))
    asked = request.batch_size or request.usual
    if learns and asked is not None and (path := lone_value(graph, asked, training=True)):
        hint = "ask for a batch of 2 or more" if request.batch_size else "set batch_size to 2 or more"
        raise error(
            "BUILD203", f"`{path}` needs 2 {graph.samples} or more to train: with one, a channel has a single value, "
            "and no variance", span=graph.origin(path), hint=hint,
        )
    search = _Search(graph, request)
    training = search.use(training=True) if learns else None
    usual = None
    if training is not None and request.batch_size is None and request.usual is not None:
        usual = search.at(request.usual, training.largest_batch, training=True)
    result = Answer(request, training, usual, search.use(training=False), (), search.estimated())
    use = result.asked
    if use is None or use.fits:
        return result
    setting = replace(request.setting, batch_size=use.batch_size, training=True)
    found = options_for(graph, setting, request.memory, request.price, request.low)
    return replace(result, options=tuple(found))


class _Search:
    def __init__(self, graph: Graph, request: Request) -> None:
        self.graph, self.request = graph, request
        training = Simulated(graph, replace(request.setting, training=True))
        alone = replace(training.setting, training=False, recompute=frozenset(), accumulate=1)
        self.simulated = {True: training, False: training.under(alone)}

    def use(self, *, training: bool) -> Use:
        """The largest batch, and the use with the batch asked for."""
        simulated, least = self.simulated[training], smallest_batch(self.graph, training=training)
        largest = largest_batch(lambda size: simulated.peak(batch_size=size), self.request.memory, least)
        return self.at(self.request.batch_size or largest or least, largest, training=training)

    def estimated(self) -> tuple[str, ...]:
        """The paths of layers whose ops have no `kernels`."""
        return next(run for run in self.simulated[False].known.values() if not run.setting.training).estimated

    def at(self, batch_size: int, largest: int, *, training: bool) -> Use:
        """The use with a batch."""
        simulated, least = self.simulated[training], smallest_batch(self.graph, training=training)
        run = simulated.run(batch_size=batch_size)
        return Use(
            self.request.memory, largest, batch_size, run.peak_bytes, _parts(run), run.workspace_bytes,
            (least, simulated.peak(batch_size=least)),
        )


def _parts(run: Execution) -> dict[str, int]:
    if run.setting.training:
        return step_memory(run).parts
    held = {"weights": run.weight_bytes, "inputs": run.input_bytes}
    return held | {"activations": run.peak_bytes - sum(held.values())}
