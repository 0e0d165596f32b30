"""Builds everything for a run on the user's data, with the network of a spec or any module."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Subset

from archspec.analysis.parts import check_parts
from archspec.backends.device import place
from archspec.data.batches import BatchOptions
from archspec.data.counter import key_of
from archspec.data.nested import call, each, part, tensors
from archspec.data.outputs import losses_of
from archspec.data.registry import RunSplit
from archspec.diagnostics import SpecError, error
from archspec.ir import Graph
from archspec.language.loss import BinaryCrossEntropy, CrossEntropy, takes_classes
from archspec.language.recipe import Recipe
from archspec.train.class_weights import all_targets, balanced, need_targets
from archspec.train.losses import OutputLoss, OwnLoss
from archspec.train.objective import Objective
from archspec.train.own.batches import Arguments, OwnBatches, is_map_style
from archspec.train.pretrained.initial import initial_weights
from archspec.train.scores import SCORES, Score
from archspec.train.setup import Machine, Task, check_memory, fresh_model, start_notices
from archspec.train.step.batch_sizes import check_trainable, least_per_step

_PROBED = 2  # samples for the trial call of the network


@dataclass(frozen=True, slots=True)
class OwnData:
    """Data sets for `OwnBatches`. validation: None if `test` is evaluated after each epoch."""

    train: Any
    test: Any
    validation: Any = None
    workers: int = 0
    steps_per_epoch: int | None = None


@dataclass(frozen=True, slots=True)
class OwnObjective:
    """The user's loss functions.

    functions: by output; the key `""` is for a function of everything that the network returns. metric: the name of
    the metric for the first of them, or None.
    """

    functions: Mapping[str, OwnLoss]
    metric: str | None = None


def own_task(
    network: Graph | nn.Module, recipe: Recipe, machine: Machine, data: OwnData, own: OwnObjective
) -> Task:
    """A run of `network` on the user's data. A Graph is built and initialised; a module is trained in place.

    Raises SpecError: RUN322 for data of the wrong form, RUN323, RUN325, RUN326 for targets, losses and outputs that do
    not match, BUILD201, BUILD203, BUILD204.
    """
    _check_recipe(recipe, data, network)
    graph = network if isinstance(network, Graph) else None
    if graph is not None:
        check_trainable(graph, recipe)
        check_parts(graph, recipe)
        check_memory(graph, recipe, machine.device, settings=machine.settings)
    elif isinstance(network, nn.Module) and not any(parameter.requires_grad for parameter in network.parameters()):
        raise error("BUILD204", "the network has no parameters to train", hint="let parameters have requires_grad=True")
    data = _with_validation(data, recipe)
    least = _least(network)
    parts: dict[RunSplit, Any] = {"train": data.train, "test": data.test}
    if data.validation is not None:
        parts["validation"] = data.validation
    made = {
        split: OwnBatches(
            given, _options(recipe, machine, least, training=split == "train"), arguments_of(network), split,
            workers=data.workers, steps=data.steps_per_epoch if split == "train" else None,
        ) for split, given in parts.items()
    }
    initial = None if graph is None else initial_weights(graph, recipe.init)
    notices = () if graph is None else tuple(start_notices(graph, recipe, initial))
    model = fresh_model(network, recipe, machine, initial) if isinstance(network, Graph) else place(
        network, machine.device, channels_last=machine.settings.channels_last
    )
    task = Task(
        model, made["train"], made.get("validation"), made["test"], recipe, machine,
        {split: batches.description for split, batches in made.items()}, notices,
        initial=initial, objective=_objective(recipe, graph, own),
    )
    return _tried(task, own)


def arguments_of(network: Graph | nn.Module) -> Arguments:
    """The inputs of a graph, or the arguments of a module's `forward`."""
    if isinstance(network, Graph):
        ports = network.inputs
        return Arguments(tuple(port.name for port in ports), tuple(port.type for port in ports))
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(network.forward).parameters.values()
    return Arguments(tuple(p.name for p in parameters if p.kind in kinds), by_name=True)


def _check_recipe(recipe: Recipe, data: OwnData, network: Graph | nn.Module) -> None:
    """Raise SpecError RUN322 for fields that have no effect on this data or network."""
    for name in ("augment", "normalize"):
        if getattr(recipe, name) is not None:
            raise error("RUN322", f"`{name}` works on the data sets that archspec reads, not on your own",
                        hint=f"do it in the data set, and pass `{name}=None`")
    own_init = "init" in recipe.model_fields_set
    for name, given in (
        ("freeze", recipe.freeze), ("lr_scale", recipe.lr_scale), ("recompute", recipe.recompute), ("init", own_init)
    ):
        if given and not isinstance(network, Graph):
            raise error("RUN322", f"`{name}` is for networks of a spec, and this is a module",
                        hint="change the module itself: its weights, or `requires_grad` of its parameters")
    if data.test is None:
        raise error("RUN322", "there is no test data", hint="pass `test`; torch.utils.data.random_split makes one")
    if recipe.accumulate > 1 and not is_map_style(data.train):
        raise error("RUN322", "`accumulate` needs a data set with samples, these are batches",
                    hint="pass a Dataset, or make larger batches and let `accumulate` be 1")


def _with_validation(data: OwnData, recipe: Recipe) -> OwnData:
    """The data with the validation set that the recipe holds out of the training set."""
    wanted = recipe.validation
    if data.validation is not None or wanted in (None, "test"):
        return data
    if isinstance(wanted, str) or not is_map_style(data.train):
        raise error("RUN371", f"`validation: {wanted}` takes samples out of a Dataset",
                    hint="pass a validation set: `validation=dataset`")
    samples = len(data.train)
    held = wanted if isinstance(wanted, int) else max(1, round(wanted * samples))
    if held >= samples:
        raise error("RUN370", f"`validation: {wanted}` takes {held} of {samples} training samples",
                    hint="write a smaller one")
    generator = torch.Generator().manual_seed(key_of(recipe.seed, 0, "validation"))
    order = torch.randperm(samples, generator=generator).tolist()
    kept, out = sorted(order[held:]), sorted(order[:held])
    return replace(data, train=Subset(data.train, kept), validation=Subset(data.train, out))


def _least(network: Graph | nn.Module) -> int:
    """The fewest samples of a training batch: 2 if a norm takes its statistics from the batch."""
    if isinstance(network, Graph):
        return least_per_step(network)
    norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    return 2 if any(isinstance(module, norms) for module in network.modules()) else 0


def _options(recipe: Recipe, machine: Machine, least: int, *, training: bool) -> BatchOptions:
    size = recipe.images_per_step if training else recipe.batch_size
    return BatchOptions(
        size, shuffle=training, device=machine.device, seed=recipe.seed, at_least=least if training else 0
    )


def _objective(recipe: Recipe, graph: Graph | None, own: OwnObjective) -> Objective:
    """The losses of the recipe, with the user's functions for their outputs."""
    score = Score() if own.metric is None else SCORES[own.metric]()
    if "" in own.functions:
        function = OutputLoss(CrossEntropy(), own=own.functions[""], score=score)
        return replace(Objective.of(recipe), losses={"": function})
    losses = recipe.loss if graph is None else losses_of(recipe, graph)
    objective = Objective.of(recipe, losses)
    found = dict(objective.all_losses)
    for name, own_loss in own.functions.items():
        found[name] = replace(found[name], own=own_loss, score=score)
    return replace(objective, losses=found)


def _tried(task: Task, own: OwnObjective) -> Task:
    """The task, after checking with one batch that data, network and losses match. The network does not change."""
    train = task.train
    assert isinstance(train, OwnBatches)
    with torch.random.fork_rng(), torch.no_grad():
        batch = next(iter(train.batches(0)))
        task = replace(task, samples="images" if _are_images(batch.x) else "samples")
        if task.recipe.mixup or task.recipe.cutmix:
            _check_mixing(batch.x, batch.y, task.recipe)
        outputs = _try(task.model, part(batch.x, 0, _PROBED))
    outputs, targets = each(Tensor.float, outputs), part(batch.y, 0, _PROBED)
    channels = _channels(outputs)
    _limit_labels(task, channels)
    train.check(batch.y)
    with torch.no_grad():
        task.objective.evaluated(outputs, targets)
        task.objective.deciding(outputs, targets)
    if not need_targets(task.recipe.loss):
        return task
    first = next(iter(task.objective.all_losses))
    channels = {name: channels.get(name, channels.get("", 0)) for name in task.recipe.loss} or {first: 0}
    weights = balanced(task.recipe.loss, all_targets(train), channels)
    losses = {
        name: replace(loss, class_weights=weights.get(name, loss.class_weights))
        for name, loss in task.objective.all_losses.items()
    }
    return replace(task, objective=replace(task.objective, losses=losses))


def _try(model: nn.Module, inputs: Any) -> Any:
    training = model.training
    model.eval()
    try:
        return call(model, inputs)
    except (TypeError, RuntimeError, ValueError, IndexError) as problem:
        if isinstance(problem, SpecError):
            raise
        text = (str(problem).strip() or type(problem).__name__).splitlines()[0]
        raise error("RUN322", f"the network cannot take a batch of the train data: {text}",
                    hint="compare the batches' inputs with the arguments of `forward`") from problem
    finally:
        model.train(training)


def _check_mixing(inputs: Any, targets: Any, recipe: Recipe) -> None:
    if recipe.cutmix and any(tensor.ndim > 2 for tensor in tensors(targets)):
        raise error("RUN322", "cutmix is for images with one label; these have targets in places of their own",
                    hint="remove `cutmix`")
    if not _are_images(inputs):
        raise error("RUN322", "mixup and cutmix need one input with images (N, C, H, W)",
                    hint="remove `mixup` and `cutmix`")


def _are_images(inputs: Any) -> bool:
    return isinstance(inputs, Tensor) and inputs.is_floating_point() and inputs.ndim == 4


def _channels(outputs: Any) -> dict[str, int]:
    """The size of dimension 1 of each output, by name; the name of a single output is `""`."""
    named = outputs if isinstance(outputs, Mapping) else {"": next(tensors(outputs))}
    return {name: output.shape[1] if output.ndim > 1 else 1 for name, output in named.items()}


def _limit_labels(task: Task, channels: Mapping[str, int]) -> None:
    """Make every batch of the run check the values of its targets against network and losses."""
    limits: dict[str, int] = {}
    for name, loss in task.objective.all_losses.items():
        found = channels.get(name, channels.get("", 0))
        if loss.own is None and found and takes_classes(loss.loss):
            limits[name] = found
    named = [(name, loss.loss) for name, loss in task.objective.all_losses.items() if loss.own is None]
    shares = frozenset(name for name, loss in named if isinstance(loss, BinaryCrossEntropy))
    for batches in task.batches().values():
        assert isinstance(batches, OwnBatches)
        batches.limits, batches.shares = limits, shares
