"""A finished run, found again in its folder: the network with its weights, and what its outputs mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from archspec.api import load
from archspec.backends.device import place
from archspec.backends.step import check_forward_fits
from archspec.backends.torch import build
from archspec.data.registry import DATASETS
from archspec.data.suits import outputs_of
from archspec.diagnostics import error
from archspec.files import is_regular
from archspec.ir import Graph
from archspec.language.recipe import Recipe
from archspec.train.checkpoint.run_weights import run_weights
from archspec.train.report.confusion import output_names
from archspec.train.run_dir.saved_options import no_run, read_json
from archspec.train.run_dir.weights import load_weights
from archspec.train.step.precision import Settings

SPEC: Final = "spec.yaml"


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """What a run's folder holds. names: of each output of the network.

    weights: the file that has them, under names with `prefix`. notices: messages for the user about them.
    test_images: how many it was tested on, as far as it noted that.
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
        """Whether so many test images of this data set are those of the run itself."""
        return data == self.recipe.data and images == self.test_images

    def with_recipe(self, **changes: Any) -> FinishedRun:
        """The run with other values in its recipe; None leaves a value as it is."""
        given = {key: value for key, value in changes.items() if value is not None}
        return replace(self, recipe=self.recipe.model_copy(update=given))

    def model(self, device: torch.device, batch_size: int, settings: Settings | None = None) -> nn.Module:
        """The network with the run's weights, on `device`, dropout off.

        Raises SpecError BUILD201 where it would not fit, RUN361 for weights that cannot be used.
        """
        check_forward_fits(self.graph, batch_size, device)
        with torch.random.fork_rng([]):
            model = build(self.graph)
        load_weights(model, self.weights, self.prefix)
        return place(model, device, channels_last=settings is not None and settings.channels_last).eval()


def open_run(path: Path) -> FinishedRun:
    """Read a run's folder, apart from its weights. Nothing in it is trusted.

    The weights of a run that was stopped are those of its newest sound checkpoint. Raises SpecError RUN360 where
    it holds no run, or one without weights; RUN314 where no checkpoint is sound; RUN311 where the network is no
    classifier; and the errors of a spec.
    """
    if not is_regular(path / SPEC):
        raise error("RUN360", f"there is no run in {path}: {no_run(path)}",
                    hint="name a folder that `archspec train` made")
    loaded = load(path / SPEC)
    recipe, outputs = loaded.recipe(), outputs_of(loaded.graph)
    classes, images = _noted(path / "environment.json")
    names = output_names(_classes(classes, recipe, outputs), outputs)
    return FinishedRun(path, loaded.name, loaded.graph, recipe, names, *run_weights(path), images)


def _classes(noted: tuple[str, ...], recipe: Recipe, outputs: int) -> tuple[str, ...]:
    """Names as the run noted them, else those of a known data set, else none."""
    if 0 < len(noted) <= outputs:
        return noted
    info = DATASETS.get(recipe.data)
    return info.classes if info is not None and info.num_classes <= outputs else ()


def _noted(path: Path) -> tuple[tuple[str, ...], int | None]:
    """`data.classes` and `data.test_images` of an environment.json; empty and None where they are not there."""
    try:
        data: Any = read_json(path)
        classes, images = data["data"]["classes"], data["data"].get("test_images")
    except (KeyError, TypeError, AttributeError):
        return (), None
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        classes = []
    return tuple(classes), images if isinstance(images, int) else None
