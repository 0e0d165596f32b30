"""Checks that a network can compute all batch sizes of a run, before the run starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archspec.analysis import check_learns, lone_value, smallest_batch
from archspec.diagnostics import error, plural
from archspec.ir import Graph
from archspec.language.recipe import Recipe
from archspec.train.distributed.process_group import ALONE, ProcessGroup


def check_trainable(graph: Graph, recipe: Recipe, group: ProcessGroup = ALONE) -> None:
    """Raise SpecError BUILD204 if there is nothing to train, BUILD203 if a process's batch is too small for a norm.

    It needs no data.
    """
    check_learns(graph)
    path = lone_value(graph, recipe.batch_size // group.size, training=True)
    if path is not None:
        raise error(
            "BUILD203", f"`{path}` needs 2 {graph.samples} or more to train{_each(group)}: with one, a channel has a "
            "single value, and no variance", span=graph.origin(path),
            hint=f"set batch_size to {2 * group.size} or more",
        )


def check_steps(
    graph: Graph, steps: Mapping[str, Sequence[int]], images: int, group: ProcessGroup = ALONE
) -> list[str]:
    """A notice if the steps of an epoch leave out training images.

    steps: by split, the images of each step, over all processes. images: the size of the training set.
    Raises SpecError RUN318 if an epoch has no step, BUILD203 as `check_evaluated` does for the other splits.
    """
    check_epoch(graph, steps["train"], images, group)
    for split in steps.keys() - {"train"}:
        check_evaluated(graph, steps[split], group)
    return left_out(graph, images, steps["train"], group)


def check_epoch(graph: Graph, steps: Sequence[int], images: int, group: ProcessGroup = ALONE) -> None:
    """Raise SpecError RUN318 if a training set of `images` gives an epoch without steps."""
    if steps:
        return
    path = lone_value(graph, 1, training=True)
    amount = plural(images, f"training {graph.samples.removesuffix('s')}")
    raise error(
        "RUN318", f"an epoch of {amount} has no step: `{path}` needs "
        f"2 {graph.samples} or more at a time{_each(group)}", span=graph.origin(path or ""),
        hint=f"train on {2 * group.size} {graph.samples} or more",
    )


def check_evaluated(graph: Graph, steps: Sequence[int], group: ProcessGroup = ALONE) -> None:
    """Raise SpecError BUILD203 if an evaluation step is too small for a norm without running statistics.

    steps: the images of each step, over all processes.
    """
    path = lone_value(graph, 1, training=False)
    small = [size for size in steps if size // group.size <= 1]
    if path is None or not small:
        return
    images = sum(steps)
    fitting = _fitting(images, max(steps), group)
    other = f"set batch_size to {fitting}" if fitting else f"evaluate {2 * group.size} {graph.samples} or more"
    raise error(
        "BUILD203", f"`{path}` has no running statistics and needs 2 {graph.samples} or more at a time{_each(group)}: "
        f"of {images}, {small[-1]} would be left for the last batch",
        span=graph.origin(path), hint=f"{other}, or let the norm keep running statistics (`track_running_stats: true`)",
    )


def left_out(graph: Graph, images: int, steps: Sequence[int], group: ProcessGroup = ALONE) -> list[str]:
    """A notice if the training steps of an epoch leave out images."""
    left = images - sum(steps)
    if not left:
        return []
    one = f"the last {graph.samples.removesuffix('s')} of each epoch's order is"
    these = one if left == 1 else f"the last {left} of each epoch's order are"
    path = lone_value(graph, 1, training=True)
    return [f"{these} left out: `{path}` needs 2 {graph.samples} or more at a time{_each(group)}"]


def least_per_step(graph: Graph) -> int:
    """The least number of images of a process in a training step, smaller steps are left out; 0 if any number works."""
    smallest = smallest_batch(graph, training=True)
    return smallest if smallest > 1 else 0


def _fitting(images: int, size: int, group: ProcessGroup) -> int | None:
    """The largest batch size up to `size`, or else the smallest above it, with which no step is too small."""
    sizes: list[int] = [*range(size - size % group.size, 0, -group.size), *range(size, images + group.size)]
    for candidate in sizes:
        rest = images % candidate
        if candidate % group.size == 0 and candidate >= 2 * group.size and (not rest or rest >= 2 * group.size):
            return candidate
    return None


def _each(group: ProcessGroup) -> str:
    return "" if group.alone else " in each process"
