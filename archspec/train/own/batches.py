"""Batches from the user's data: a torch Dataset, a DataLoader, or any iterable of batches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from archspec.data.batches import Batch, BatchOptions, evenly
from archspec.data.counter import key_of
from archspec.data.nested import Nested, each, joined, part, size, tensors
from archspec.data.registry import RunSplit
from archspec.diagnostics import SpecError, error, listing, plural
from archspec.text import shape_text
from archspec.train.scores import IGNORED
from archspec.types import TensorType

_INTEGERS: Final = (torch.int64, torch.int32, torch.int16, torch.int8)


@dataclass(frozen=True, slots=True)
class Arguments:
    """The inputs of a network.

    names: of the inputs, in order. types: those that are known. by_name: whether named inputs are passed as keyword
    arguments instead of in order.
    """

    names: tuple[str, ...]
    types: tuple[TensorType, ...] = ()
    by_name: bool = False


class OwnBatches:
    """Batches of the user's data set.

    data: a map-style Dataset (anything except a list with `__getitem__` and `__len__`), whose samples are shuffled like
    those of archspec's data sets; an IterableDataset; or a DataLoader or other iterable of batches, in its own order.
    A batch is a tuple (inputs …, targets), or a mapping with the network's inputs and the targets. Several inputs or
    targets may be in a tuple or a mapping. workers: the number of processes that load samples. steps: the number of
    batches in an epoch, for data without a length.
    Errors: RUN322.
    """

    def __init__(
        self, data: Any, options: BatchOptions, arguments: Arguments, split: RunSplit, *, workers: int = 0,
        steps: int | None = None,
    ) -> None:
        self._options, self._arguments, self._split, self._workers = options, arguments, split, workers
        self._device = torch.device(options.device)
        self.limits: Mapping[str, int] = {}  # output → number of classes, of a loss that takes labels
        self.shares: Collection[str] = ()  # outputs whose loss takes targets from 0 to 1
        self._data = _source(data, options, split, workers)
        self._samples = len(data) if is_map_style(data) else None
        self._what = type(data).__name__
        self.step_sizes = self._sizes(data, steps)
        if not self.step_sizes:
            raise _wrong(split, "has no batch", "give it at least one sample")
        self._check_size(min(self.step_sizes))
        self.description = f"{self._what} of {self._samples:,} samples" if self._samples else self._what

    def __len__(self) -> int:
        return len(self.step_sizes)

    def _sizes(self, data: Any, steps: int | None) -> list[int]:
        """Samples of each step; for an iterable whose batches are not known yet, the expected size."""
        options = self._options
        if self._samples is not None:
            return options.step_sizes(self._samples)
        try:
            found = len(self._data)
        except TypeError:
            found = 0 if steps is None else steps
            if steps is None:
                hint = "pass `steps_per_epoch`" if self._split == "train" else "give a list of its batches"
                raise _wrong(self._split, f"has no length ({self._what})", hint) from None
        count = found if steps is None or self._split != "train" else min(found, steps)
        return _loader_sizes(data)[:count] or [options.batch_size] * count

    def batches(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from a step on."""
        steps = self._options.steps(self._samples, epoch)[start_step:] if self._samples is not None else None
        if steps is not None:
            loaded: Iterable[Any] = DataLoader(
                self._data, batch_sampler=[step.tolist() for step in steps], num_workers=self._workers,
                collate_fn=_collate, generator=self._generator(epoch),
            )
        else:
            loaded = islice(iter(self._data), start_step, len(self))
        done, seen = start_step, sum(self.step_sizes[:start_step])
        for raw in loaded:
            x, y = self._split_up(raw)
            self.check(y)
            self._check_size(size(y))
            indices = torch.arange(seen, seen + size(y)) if steps is None else steps[done - start_step]
            seen, done = seen + size(y), done + 1
            yield Batch(each(self._sent, x), each(self._sent, y), indices)
        if done < len(self):
            raise _wrong(self._split, f"ended after {done} of {len(self)} batches",
                         "return as many batches in each pass as `len` says, or pass `steps_per_epoch`")

    def _check_size(self, samples: int) -> None:
        if samples < self._options.at_least:
            few = f"has a batch with {plural(samples, 'sample')}"
            raise _wrong(self._split, f"{few}, and the network's batch norm needs {self._options.at_least}",
                         "leave it out: `DataLoader(…, drop_last=True)`")

    def _generator(self, epoch: int) -> torch.Generator:
        """A generator that seeds the workers, so that a pass does not use the global random state."""
        return torch.Generator().manual_seed(key_of(self._options.seed, epoch, f"workers {self._split}"))

    def some(self, count: int) -> Batch:
        """At most `count` samples: evenly spaced in a map-style data set, otherwise the first ones."""
        if self._samples is not None:
            indices = evenly(self._samples, count)
            x, y = self._split_up(_collate([self._data[k] for k in indices.tolist()]))
            return Batch(each(self._sent, x), each(self._sent, y), indices)
        found: list[Batch] = []
        for batch in self.batches(0):
            found.append(batch)
            if sum(size(one.y) for one in found) >= count:
                break
        x, y = (part(joined(column), 0, count) for column in ([b.x for b in found], [b.y for b in found]))
        return Batch(x, y, torch.arange(size(y)))

    def alone(self) -> OwnBatches:
        """The same object, which is for a single process anyway."""
        return self

    def digests(self) -> None:
        """None, because they are not known."""

    def close(self) -> None:
        """Do nothing: workers end with each pass."""

    def check(self, targets: Nested) -> None:
        """Raise SpecError RUN323 for labels that are not classes of the network, and shares that are not from 0 to 1.

        Does not wait for the device.
        """
        for output in self.shares:
            self._check_shares(_of(output, targets))
        for output, classes in self.limits.items():
            labels = _of(output, targets)
            if labels.is_floating_point() or labels.dtype == torch.bool:
                kind = str(labels.dtype).removeprefix("torch.")
                raise error("RUN323", f"cross_entropy takes class numbers, the {self._split} data has {kind} targets",
                            hint="convert the labels to int64, or choose a `loss` of numbers: bce, mse, l1 or huber")
            if labels.device.type != "cpu":
                continue
            labels = labels.long()
            known = labels[labels != IGNORED]
            if len(known) and not 0 <= int(known.min()) <= int(known.max()) < classes:
                wrong = next(int(label) for label in known.flatten() if not 0 <= int(label) < classes)
                message = f"the {self._split} data has the label {wrong}, the network has {classes} outputs"
                ignore = f"; give labels to ignore the value {IGNORED}" if labels.ndim > 1 else ""
                raise error("RUN323", message, hint=f"count labels from 0, and have an output for each class{ignore}")

    def _check_shares(self, targets: Tensor) -> None:
        if targets.device.type != "cpu":
            return
        wrong = targets[~((targets >= 0) & (targets <= 1))]  # NaN too
        if len(wrong):
            raise error("RUN323", f"bce takes targets from 0 to 1, the {self._split} data has {wrong[0].item():g}",
                        hint="give 1 where a label holds and 0 where not, or choose another `loss`: mse, l1 or huber "
                             "for numbers, cross_entropy for classes")

    def _sent(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._device, non_blocking=True)

    def _split_up(self, raw: Any) -> tuple[Nested, Nested]:
        """Inputs and targets of a batch in the form for network and loss, on the CPU."""
        x, y = self._parts(raw)
        x, y = self._as_tensors(x, "inputs"), self._as_tensors(y, "targets")
        sizes = {len(tensor) if tensor.ndim else 0 for values in (x, y) for tensor in tensors(values)}
        if len(sizes) != 1 or 0 in sizes:
            raise _wrong(self._split, f"has a batch whose tensors have {listing(map(str, sorted(sizes)))} samples",
                         "give inputs and targets the same number of samples, at least 1")
        return self._in_order(x), y

    def _parts(self, raw: Any) -> tuple[Any, Any]:
        names = self._arguments.names
        if isinstance(raw, Mapping):
            x = {name: raw[name] for name in names if name in raw}
            y = {name: value for name, value in raw.items() if name not in x}
            if len(x) < len(names) - self._optional(x) or not x or not y:
                raise _wrong(self._split, f"has batches with {listing(map(str, raw))}; the network's inputs are "
                             f"{listing(names)}", "name the inputs as the network does; all other keys are targets")
            return x, next(iter(y.values())) if len(y) == 1 else y
        if isinstance(raw, (tuple, list)) and len(raw) >= 2:
            *inputs, targets = raw
            return inputs[0] if len(inputs) == 1 else tuple(inputs), targets
        got = f"{type(raw).__name__} of {len(raw)}" if isinstance(raw, (tuple, list)) else type(raw).__name__
        raise _wrong(self._split, f"has batches of another form ({got})",
                     "make each one a tuple (inputs, targets), or a mapping with the names of the network's inputs")

    def _optional(self, x: Mapping[str, Any]) -> int:
        """The number of inputs that may be omitted: those of a module with keyword arguments that have defaults."""
        return len(self._arguments.names) - len(x) if self._arguments.by_name else 0

    def _as_tensors(self, values: Any, what: str) -> Nested:
        if isinstance(values, Mapping):
            return {name: self._tensor(value, f"{what} `{name}`") for name, value in values.items()}
        if isinstance(values, (tuple, list)):
            return tuple(self._tensor(value, what) for value in values)
        return self._tensor(values, what)

    def _tensor(self, value: Any, what: str) -> Tensor:
        if hasattr(value, "__array__") and not isinstance(value, Tensor):
            value = torch.as_tensor(value)
        if not isinstance(value, Tensor):
            raise _wrong(self._split, f"has {what} of the type {type(value).__name__}", "convert them to tensors")
        if what.startswith("inputs") and value.dtype == torch.uint8:
            hint = "convert images in the data set: `x.float() / 255`"
            raise _wrong(self._split, f"has {what} of the type uint8", hint)
        return value.float() if value.dtype == torch.float64 else value

    def _in_order(self, x: Nested) -> Nested:
        """The inputs in the form for the call of the network, checked if its types are known."""
        arguments = self._arguments
        if isinstance(x, Mapping) and not arguments.by_name:
            x = tuple(x[name] for name in arguments.names)
            x = x[0] if len(x) == 1 else x
        if not arguments.types:
            return x
        given = list(tensors(x))
        if len(given) != len(arguments.types):
            raise _wrong(self._split, f"has {len(given)} inputs, the network takes {listing(arguments.names)}",
                         "make each batch a tuple of the inputs in order and the targets")
        for name, tensor, wanted in zip(arguments.names, given, arguments.types, strict=True):
            self._check(name, tensor, wanted)
        return x

    def _check(self, name: str, tensor: Tensor, wanted: TensorType) -> None:
        if tuple(tensor.shape[1:]) != tuple(wanted.shape[1:]):
            got = shape_text(tensor.shape[1:])
            raise _wrong(self._split, f"has samples {got} for the input `{name}`, the network's is "
                         f"{shape_text(wanted.shape[1:])}", "change the data set, or the spec's `input`")
        if (tensor.dtype in _INTEGERS) != wanted.dtype.startswith("int"):
            kind = str(tensor.dtype).removeprefix("torch.")
            raise _wrong(self._split, f"has {kind} for the input `{name}`, the network takes {wanted.dtype}",
                         "convert it in the data set")
        if wanted.below is not None and not 0 <= int(tensor.min()) <= int(tensor.max()) < wanted.below:
            raise _wrong(self._split, f"has {int(tensor.min())} … {int(tensor.max())} in the input `{name}`, which the "
                         f"network takes below {wanted.below}", "change the data set, or `below` of the spec's input")


def _of(output: str, targets: Nested) -> Tensor:
    """The targets of an output: those of its name, or the first."""
    named = isinstance(targets, Mapping) and output in targets
    return targets[output] if named else next(tensors(targets))


def is_map_style(data: Any) -> bool:
    """Whether a data set returns samples by index."""
    if isinstance(data, (list, tuple, str, bytes, Mapping, Tensor, DataLoader, IterableDataset)):
        return False
    return isinstance(data, Dataset) or (hasattr(data, "__getitem__") and hasattr(data, "__len__"))


def _source(data: Any, options: BatchOptions, split: RunSplit, workers: int) -> Any:
    """The source of batches."""
    if isinstance(data, IterableDataset):
        return DataLoader(data, batch_size=options.batch_size, num_workers=workers, collate_fn=_collate)
    if is_map_style(data) or isinstance(data, DataLoader):
        return data
    if isinstance(data, Tensor | str | bytes | Mapping) or not hasattr(data, "__iter__"):
        raise _wrong(split, f"is of the type {type(data).__name__}",
                     "give a torch Dataset, a DataLoader or an iterable of batches (inputs, targets)")
    if isinstance(data, Iterator):
        raise _wrong(split, f"is an iterator ({type(data).__name__}), which ends after one pass",
                     "give something that can be iterated again: a list, a Dataset or a DataLoader")
    return data


def _loader_sizes(data: Any) -> list[int]:
    """Samples of each batch of a DataLoader, as far as it says; else empty."""
    if not isinstance(data, DataLoader) or data.batch_size is None or isinstance(data.dataset, IterableDataset):
        return []
    full, rest = divmod(len(data.sampler), data.batch_size)  # type: ignore[arg-type]
    return [data.batch_size] * full + [rest] * (rest > 0 and not data.drop_last)


def _collate(samples: Sequence[Any]) -> Any:
    """Samples as a batch. Errors: RUN322 instead of torch's error, which does not mention the data set."""
    try:
        return default_collate(list(samples))
    except (TypeError, RuntimeError) as problem:
        raise error("RUN322", f"the samples of the data set do not make a batch: {str(problem).splitlines()[0]}",
                    hint="give samples of equal shapes, or a DataLoader with a `collate_fn`") from problem


def _wrong(split: RunSplit, message: str, hint: str) -> SpecError:
    return error("RUN322", f"the {split} data {message}", hint=hint)
