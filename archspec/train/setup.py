"""Builds everything that a run needs from a graph and a recipe, and rejects what cannot work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import torch
from torch import nn

from archspec.analysis.padding_only import columns_of_padding
from archspec.analysis.parts import check_parts, frozen_tensors, part_lines, untrained_parts, untrained_text
from archspec.backends.device import place
from archspec.backends.init import initialise
from archspec.backends.own_kernels import use_own_kernels
from archspec.backends.step import check_step_fits
from archspec.backends.torch import build
from archspec.data.augment import Augmentation
from archspec.data.batches import Batches, BatchOptions
from archspec.data.feed import make_batches
from archspec.data.folder import ImageFolder
from archspec.data.images import ImageData
from archspec.data.load import Progress
from archspec.data.outputs import check_for_classes, check_for_targets, losses_of
from archspec.data.plan import ImageShape, InputPlan, check_classes
from archspec.data.registry import FOLDER_PREFIX, OWN_PREFIX, TABLE_PREFIX, RunSplit, check_name
from archspec.data.splits import Source, open_splits, targets_of
from archspec.data.suits import check_known_data, idle_outputs, image_shape_of, input_plan, outputs_of, probabilities
from archspec.data.validation import resolve_validation
from archspec.diagnostics import Diagnostic, SpecError, error
from archspec.execution import Setting
from archspec.ir import Graph
from archspec.language.recipe import Recipe, kept_states
from archspec.train.class_weights import balanced, need_targets
from archspec.train.distributed.batch_shares import uneven_batch
from archspec.train.distributed.fsdp import check_sharding, shard
from archspec.train.distributed.process_group import ALONE, ProcessGroup
from archspec.train.finetune import set_parts
from archspec.train.objective import Objective
from archspec.train.pretrained.initial import InitialWeights, check_frozen, initial_weights
from archspec.train.step.batch_sizes import check_steps, check_trainable, least_per_step
from archspec.train.step.precision import Settings

FP32: Final = Settings()


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a run computes, and on how many images: whatever does not belong in a recipe.

    limit_train, limit_test: the most images to use. settings: how to compute. group: the processes that train
    together. workers: how many processes decode a folder's images; None chooses a number.
    """

    device: torch.device
    data_root: Path | None = None
    limit_train: int | None = None
    limit_test: int | None = None
    settings: Settings = field(default_factory=Settings)
    group: ProcessGroup = ALONE
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """The arguments of `fit`.

    validation: None if the test set is evaluated after each epoch. recipe: with its `validation` resolved.
    sources: where each split was found. notices: lines for the user. classes: the names of the labels. initial: the
    trained weights that it starts from. samples: what a batch consists of, images or samples.
    """

    model: nn.Module
    train: Batches
    validation: Batches | None
    test: Batches
    recipe: Recipe
    machine: Machine
    sources: dict[str, str]
    notices: tuple[str, ...]
    classes: tuple[str, ...] = ()
    initial: InitialWeights | None = None
    objective: Objective = field(default_factory=Objective)
    samples: str = "images"

    def batches(self) -> dict[RunSplit, Batches]:
        """The batches of each split of the run, by its name."""
        held: dict[RunSplit, Batches] = {} if self.validation is None else {"validation": self.validation}
        return {"train": self.train, **held, "test": self.test}

    def close(self) -> None:
        """End the worker processes of the data, if there are any."""
        for batches in self.batches().values():
            batches.close()


def prepare(
    graph: Graph, recipe: Recipe, machine: Machine, *, progress: Progress | None = None, resumed: bool = False
) -> Task:
    """Check, load, build and initialise. Mistakes that can be found without data are reported before any is read.

    resumed: whether a checkpoint replaces the weights, so that those that `init` names are not looked for.
    Raises SpecError: RUN304 for data given in Python, RUN303 if the data does not match the network, RUN311 if the
    network is not a classifier, RUN318 if an epoch has no step, RUN323 or RUN326 if the recipe's `loss` does not match
    network or data, RUN332 if the batch cannot be divided among the processes, RUN334 if FSDP does not support the
    recipe or the settings, BUILD201 if the run would not fit into memory, BUILD203 if a batch is too small for a norm,
    BUILD204 if there is nothing to train, SPEC063 if `freeze`, `lr_scale` or `recompute` does not suit the network,
    RUN363 and RUN364 if the weights that `init` names cannot be used, and the errors of `archspec.data`.
    """
    group = machine.group
    if recipe.data.startswith(OWN_PREFIX):
        check_name(recipe.data)
    check_shares(recipe, group)
    check_accumulation(recipe, machine.settings)
    check_trainable(graph, recipe, group)
    check_parts(graph, recipe)
    if group.sharded:
        check_sharding(recipe, machine.settings)
    losses = losses_of(recipe, graph)
    table = recipe.data.startswith(TABLE_PREFIX)
    if not table:
        check_for_classes(recipe.data, losses, graph)
    input_shape, outputs = image_shape_of(graph), outputs_of(graph)
    check_known_data(recipe, input_shape, outputs)
    if not group.sharded:
        check_memory(graph, recipe, machine.device, group, machine.settings)
    with group.one_first_per_machine():  # opening a split may download it
        splits = open_splits(run_source(recipe, machine, input_shape[0], progress))
    recipe, test = resolve_validation(recipe), splits.test
    if table:
        check_for_targets(recipe.data, losses, graph, test.classes)
    else:
        check_classes(recipe.data, len(test.classes), outputs)
    parts = {"train": splits.train, "test": test} | ({"validation": splits.validation} if splits.validation else {})
    plans = {name: input_plan(recipe.data, stored_shape(part), input_shape, recipe) for name, part in parts.items()}
    options = {name: batch_options(recipe, machine, graph, training=name == "train") for name in parts}
    steps = {name: options[name].step_sizes(len(part)) for name, part in parts.items()}
    left = check_steps(graph, steps, len(splits.train), group)
    begun = recipe.model_copy(update={"init": recipe.init.rules()}) if resumed else recipe
    initial = initial_weights(graph, begun.init)
    model = fresh_model(graph, begun, machine, initial)
    made = _make_all(parts, plans, options, machine, progress)
    idle = idle_outputs(test.name, len(test.classes), outputs)
    others = (*_worker_notices(recipe, machine), *probabilities(graph, recipe), *_layout_notices(graph, machine))
    planned = dict.fromkeys(notice for chosen in plans.values() for notice in chosen.notices)
    start = start_notices(graph, recipe, initial, resumed=resumed)
    notices = (*planned, *splits.notices, *idle, *others, *left, *start)
    sources = {name: part.source for name, part in parts.items()}
    targets = targets_of(splits.train) if need_targets(losses) else None
    weights = {} if targets is None else balanced(losses, targets, dict.fromkeys(losses, outputs))
    return Task(
        model, made["train"], made.get("validation"), made["test"], recipe, machine, sources, notices, test.classes,
        initial, Objective.of(recipe, losses, weights),
    )


def start_notices(
    graph: Graph, recipe: Recipe, initial: InitialWeights | None, *, resumed: bool = False
) -> list[str]:
    """Lines for the user: the trained weights that a run starts from, and what is frozen or scaled."""
    loaded = [] if initial is None else initial.notices()
    untrained = [] if resumed else list(untrained_parts(graph, recipe))
    return [*loaded, *part_lines(graph, recipe), *([untrained_text(untrained)] if untrained else [])]


def _make_all(
    parts: Mapping[str, ImageData | ImageFolder], plans: Mapping[str, InputPlan], options: Mapping[str, BatchOptions],
    machine: Machine, progress: Progress | None,
) -> dict[str, Batches]:
    """The batches of each split. Raises one SpecError with the errors of `make_batches` for all splits."""
    made: dict[str, Batches] = {}
    problems: list[Diagnostic] = []
    for name, part in parts.items():
        try:
            made[name] = make_batches(
                part, plans[name], options[name], progress=progress, sharers=machine.group.local_size,
                workers=machine.workers,
            )
        except SpecError as bad:
            problems += bad.diagnostics
    if problems:
        raise SpecError(problems)
    return made


def run_source(recipe: Recipe, machine: Machine, channels: int, progress: Progress | None) -> Source:
    """The data source of a run on this machine. channels: of the network's input."""
    limits = (machine.limit_train, machine.limit_test)
    return Source(recipe, channels, machine.data_root, *limits, progress, machine.workers)


def _worker_notices(recipe: Recipe, machine: Machine) -> list[str]:
    if machine.workers is None or recipe.data.startswith((FOLDER_PREFIX, TABLE_PREFIX)):
        return []
    return [f"--workers has no effect on {recipe.data}, which is kept in memory: batches are cut and augmented there, "
            "without loader workers. For a folder of images it sets the number of processes that decode them"]


def fresh_model(
    graph: Graph, recipe: Recipe, machine: Machine, initial: InitialWeights | None = None
) -> nn.Module:
    """A new network on the machine's device, initialised by the recipe's seed and `init`; frozen as it says.

    initial: the trained weights of `init`, if they are found already. Errors: those of `initial_weights`.
    """
    with torch.random.fork_rng([]):
        model = build(graph, recompute=recipe.recompute or ())
    initialise(model, recipe.init, recipe.seed)
    initial = initial or initial_weights(graph, recipe.init)
    if initial is not None:
        check_frozen(graph, recipe, initial)
        initial.load_into(model)
    set_parts(model, graph, recipe)
    settings = machine.settings
    if settings.own_kernels:
        use_own_kernels(model, graph, channels_last=settings.channels_last)
    if machine.group.sharded:
        return shard(model, machine.device)
    return place(model, machine.device, channels_last=settings.channels_last)


def check_shares(recipe: Recipe, group: ProcessGroup) -> None:
    """Raise SpecError RUN332 unless the recipe's batch divides evenly among the processes."""
    uneven = uneven_batch(recipe.batch_size, group.size)
    if uneven is not None:
        raise SpecError([uneven])


def check_accumulation(recipe: Recipe, settings: Settings) -> None:
    """Raise SpecError RUN320 where CUDA graphs would compute steps of several passes: replaying overwrites gradients.
    """
    if recipe.accumulate > 1 and settings.cuda_graphs:
        raise error("RUN320", "CUDA graphs do not support `accumulate`",
                    hint="use --compile without --cuda-graphs, or remove `accumulate`")


def check_memory(
    graph: Graph, recipe: Recipe, device: torch.device, group: ProcessGroup = ALONE, settings: Settings = FP32
) -> None:
    """Raise SpecError BUILD201 if a step of this run would not fit. Nothing is allocated."""
    check_step_fits(
        graph, recipe.batch_size // group.size, device, states=kept_states(recipe), accumulate=recipe.accumulate,
        frozen=frozen_tensors(graph, recipe), recompute=recipe.recompute or (),
        copies=group.local_size if device.type == "cpu" else 1,
        like=Setting(precision=settings.precision, channels_last=settings.channels_last),
    )


def stored_shape(split: ImageData | ImageFolder) -> ImageShape:
    """(C, H, W) of a split's images as they are stored; None for a size that is not the same in all images."""
    if isinstance(split, ImageFolder):
        return split.shape
    _, channels, height, width = split.images.shape
    return channels, height, width


def batch_options(recipe: Recipe, machine: Machine, graph: Graph, *, training: bool) -> BatchOptions:
    """How to make the batches of this process. training: shuffled, augmented, each with the images of a whole step."""
    group = machine.group
    size = (recipe.images_per_step if training else recipe.batch_size) // group.size
    return BatchOptions(
        size, shuffle=training, device=machine.device, seed=recipe.seed,
        augment=_augmentation(recipe) if training else None, rank=group.rank, world_size=group.size,
        at_least=least_per_step(graph) if training else 0,
        memory_format=torch.channels_last if machine.settings.channels_last else None,
    )


def _augmentation(recipe: Recipe) -> Augmentation | None:
    if recipe.augment is None:
        return None
    wanted = recipe.augment
    return Augmentation(wanted.random_crop or 0, wanted.horizontal_flip or 0.0, wanted.random_erase or 0.0)


def _layout_notices(graph: Graph, machine: Machine) -> list[str]:
    if not machine.settings.channels_last or machine.device.type != "cpu":
        return []
    return [
        f"`{path}` sees only padding along the width: with --channels-last torch may crash at such a layer; "
        "leave --channels-last out" for path in columns_of_padding(graph)[:1]
    ]
