"""Opens a finished run: the network with its weights, and the meaning of its outputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from archspec.backends.device import place
from archspec.backends.step import check_forward_fits
from archspec.backends.torch import build
from archspec.data.registry import OWN_PREFIX, check_name, known_dataset
from archspec.data.suits import outputs_of
from archspec.ir import Graph
from archspec.language.recipe import Recipe
from archspec.train.checkpoint.run_weights import run_weights
from archspec.train.report.confusion import output_names
from archspec.train.run_dir.run_spec import load_run
from archspec.train.run_dir.saved_options import read_json
from archspec.train.run_dir.weights import load_weights
from archspec.train.step.precision import Settings


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """The contents of a run folder. names: of the outputs of the network.

    weights: the file with the weights, whose names start with `prefix`. notices: lines for the user about them.
    test_images: the number of test images; None if the run did not record it.
    """

    path: Path
    name: str
    graph: Graph
    recipe: Recipe
    names: tuple[str, ...]
    weights: Path
    prefix: str = ""
    notices: tuple[str, ...] = ()
    test_images: int | None = None

    def was_tested_on(self, data: str, images: int) -> bool:
        """Whether the run was tested on this many test images of this data set."""
        return data == self.recipe.data and images == self.test_images

    def with_recipe(self, **changes: Any) -> FinishedRun:
        """The run with changes in its recipe; None keeps a value."""
        given = {key: value for key, value in changes.items() if value is not None}
        return replace(self, recipe=self.recipe.model_copy(update=given))

    def model(self, device: torch.device, batch_size: int, settings: Settings | None = None) -> nn.Module:
        """The network with the weights of the run, on `device`, in eval mode.

        Raises SpecError BUILD201 if it would not fit, RUN361 for weights that cannot be used.
        """
        check_forward_fits(self.graph, batch_size, device)
        with torch.random.fork_rng([]):
            model = build(self.graph)
        load_weights(model, self.weights, self.prefix)
        return place(model, device, channels_last=settings is not None and settings.channels_last).eval()


def open_run(path: Path, *, with_data: bool = False) -> FinishedRun:
    """Read a run folder except for its weights. Its contents are not trusted.

    with_data: the run's data will be read too; RUN304 if it was given in Python.

    The weights of a stopped run are those of its newest valid checkpoint. Raises SpecError RUN360 if the folder has no
    run or no weights, RUN314 if no checkpoint is valid, RUN365 if a plugin is missing, RUN366 if the run has no spec,
    RUN311 if the network is not a classifier, and the errors of a spec.
    """
    loaded = load_run(path)
    recipe = loaded.recipe()
    if with_data and recipe.data.startswith(OWN_PREFIX):
        check_name(recipe.data)
    outputs = outputs_of(loaded.graph)
    classes, images = _noted(path / "environment.json")
    names = output_names(_classes(classes, recipe, outputs), outputs)
    return FinishedRun(path, loaded.name, loaded.graph, recipe, names, *run_weights(path), images)


def _classes(noted: tuple[str, ...], recipe: Recipe, outputs: int) -> tuple[str, ...]:
    """The class names that the run recorded, or those of a known data set, or none."""
    if 0 < len(noted) <= outputs:
        return noted
    info = known_dataset(recipe.data)
    return info.classes if info is not None and info.num_classes <= outputs else ()


def _noted(path: Path) -> tuple[tuple[str, ...], int | None]:
    """`data.classes` and `data.test_images` of an environment.json; empty and None if they are missing."""
    try:
        data: Any = read_json(path)
        classes, images = data["data"]["classes"], data["data"].get("test_images")
    except (KeyError, TypeError, AttributeError):
        return (), None
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        classes = []
    return tuple(classes), images if isinstance(images, int) else None
