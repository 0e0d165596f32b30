"""A finished run on a test split: its loss, its accuracy, and what it takes for what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from archspec.data.feed import make_batches, open_data
from archspec.data.load import Progress
from archspec.data.plan import check_classes
from archspec.data.suits import check_known_data, input_plan, outputs_of
from archspec.diagnostics import listing
from archspec.train.confusion import Confusion, Tally
from archspec.train.finished import FinishedRun
from archspec.train.loop import evaluate
from archspec.train.metrics import Metrics
from archspec.train.prepare import Machine, batch_options, stored_shape
from archspec.train.settings import float32_products

EVALUATION_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Evaluation:
    """metrics: loss and accuracy. data, source: which images, and where they were found."""

    metrics: Metrics
    confusion: Confusion
    data: str
    source: str
    notices: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The versioned JSON form."""
        figures = {"images": self.metrics.images, "loss": self.metrics.loss, "accuracy": self.metrics.accuracy}
        about = {"format": EVALUATION_FORMAT, "data": {"name": self.data, "split": "test", "source": self.source}}
        return about | figures | {key: v for key, v in self.confusion.to_json().items() if key != "format"}


def evaluate_run(run: FinishedRun, machine: Machine, *, progress: Progress | None = None) -> Evaluation:
    """Evaluate a finished run on the test split of its recipe's `data`, in batches of its `batch_size`.

    Raises SpecError: RUN303 where data and network do not suit each other, and the errors of `FinishedRun.model`
    and of `archspec.data`.
    """
    recipe, graph = run.recipe, run.graph
    input_shape, outputs = graph.inputs[0][1].shape[1:], outputs_of(graph)
    check_known_data(recipe, input_shape, outputs)
    model = run.model(machine.device, recipe.batch_size, machine.settings)
    split = open_data(
        recipe.data, "test", input_shape[0], root=machine.data_root, limit=machine.limit_test, progress=progress
    )
    check_classes(recipe.data, len(split.classes), outputs)
    plan = input_plan(recipe.data, stored_shape(split), input_shape, recipe)
    batches = make_batches(
        split, plan, batch_options(recipe, machine, model, training=False), progress=progress
    )
    tally = Tally()
    try:
        with float32_products(machine.settings.precision, machine.device):
            metrics = evaluate(model, batches, machine.device, machine.settings, tally)
    finally:
        batches.close()
    notices = [*(f"note: {notice}" for notice in plan.notices), *_other_classes(run, split.classes)]
    return Evaluation(metrics, tally.confusion(split.classes), recipe.data, split.source, tuple(notices))


def _other_classes(run: FinishedRun, classes: tuple[str, ...]) -> list[str]:
    """Data may have the right number of classes and yet others than those that were learnt."""
    learnt = run.names[: len(classes)]
    if learnt == classes or learnt[0] == "output 0":
        return []
    return [
        f"warning: the run learnt other classes ({listing(learnt, 4)}) than these ({listing(classes, 4)}): "
        "what is right and wrong is told by their numbers alone, and means little"
    ]
