"""Evaluates a finished run on a split of its data: loss, accuracy and confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from archspec.data.feed import make_batches
from archspec.data.folder import ImageFolder
from archspec.data.images import ImageData
from archspec.data.load import Progress
from archspec.data.outputs import check_for_classes, check_for_targets, losses_of
from archspec.data.plan import check_classes
from archspec.data.registry import TABLE_PREFIX, RunSplit
from archspec.data.splits import Source, training_splits
from archspec.data.suits import check_known_data, image_shape_of, input_plan, outputs_of
from archspec.data.validation import default_to_test
from archspec.diagnostics import SpecError, error, listing
from archspec.inference.trained_run import FinishedRun
from archspec.train.loop import evaluate
from archspec.train.metrics import Metrics
from archspec.train.objective import Objective
from archspec.train.report.confusion import Confusion, Tally
from archspec.train.run_dir.run_spec import explained
from archspec.train.setup import Machine, batch_options, run_source, stored_shape
from archspec.train.step.batch_sizes import check_evaluated
from archspec.train.step.precision import float32_products

EVALUATION_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result. confusion: None without classes. data, split: the images. source: where they were found."""

    metrics: Metrics
    confusion: Confusion | None
    data: str
    split: RunSplit
    source: str
    notices: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The versioned JSON form."""
        figures = {"images": self.metrics.images, **self.metrics.figures()}
        about = {"format": EVALUATION_FORMAT, "data": {"name": self.data, "split": self.split, "source": self.source}}
        classes = {} if self.confusion is None else self.confusion.to_json()
        return about | figures | {key: v for key, v in classes.items() if key != "format"}


def evaluate_run(
    run: FinishedRun, machine: Machine, *, split: RunSplit = "test", progress: Progress | None = None
) -> Evaluation:
    """Evaluate a finished run on a split of its recipe's `data`, in batches of its `batch_size`.

    Training and validation set are those of the run if the limits of the machine are the same.
    Raises SpecError: RUN303 if the data does not match the network, RUN371 if there is no validation set, BUILD203 if
    a batch is too small for a norm, and the errors of `FinishedRun.model` and of `archspec.data`.
    """
    recipe, graph = run.recipe, run.graph
    input_shape, outputs = image_shape_of(graph), outputs_of(graph)
    try:
        check_known_data(recipe, input_shape, outputs, trained=True)
    except SpecError as problem:
        raise explained(problem, run.path) from problem
    model = run.model(machine.device, recipe.batch_size, machine.settings)
    images = _images(run_source(default_to_test(recipe), machine, input_shape[0], progress), split)
    losses = losses_of(recipe, graph)
    if recipe.data.startswith(TABLE_PREFIX):
        check_for_targets(recipe.data, losses, graph, images.classes)
    else:
        check_for_classes(recipe.data, losses, graph)
        check_classes(recipe.data, len(images.classes), outputs, trained=True)
    plan = input_plan(recipe.data, stored_shape(images), input_shape, recipe)
    options = batch_options(recipe, machine, graph, training=False)
    check_evaluated(graph, options.step_sizes(len(images)))
    batches = make_batches(images, plan, options, progress=progress)
    tally, objective = Tally(), Objective.of(recipe, losses)
    try:
        with float32_products(machine.settings.precision, machine.device):
            metrics = evaluate(
                model, batches, machine.device, machine.settings, tally if objective.classifies else None,
                objective=objective,
            )
    finally:
        batches.close()
    notes = (*plan.notices, *(images.notices if isinstance(images, ImageFolder) else ()))
    notices = [*(f"note: {notice}" for notice in notes), *_other_classes(run, images.classes)]
    return Evaluation(metrics, tally.confusion(images.classes), recipe.data, split, images.source, tuple(notices))


def _images(source: Source, split: RunSplit) -> ImageData | ImageFolder:
    """The images of a split of the run."""
    if split == "test":
        return source.read(split)
    train, validation, _ = training_splits(source)
    if split == "train":
        return train
    if validation is None:
        raise error(
            "RUN371", f"there is no validation set in {source.recipe.data}",
            hint="choose --split train or --split test; a run that is trained with `validation: 0.1` has one",
        )
    return validation


def _other_classes(run: FinishedRun, classes: tuple[str, ...]) -> list[str]:
    """A warning if the data has the right number of classes, but not the classes that the run learned."""
    learned = run.names[: len(classes)]
    if learned == classes or learned[0] == "output 0":
        return []
    return [
        f"warning: the run learned other classes ({listing(learned, 4)}) than these ({listing(classes, 4)}): "
        "classes are compared by their numbers only, so the figures mean little"
    ]
