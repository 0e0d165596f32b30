"""Predicts the classes of image files with a finished run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from archspec.analysis import check_batch
from archspec.data.decode import REPLACE, SUFFIXES, BadImage, Facts, decode, look
from archspec.data.plan import InputPlan
from archspec.data.suits import image_shape_of, input_plan
from archspec.data.transform import scale
from archspec.diagnostics import Diagnostic, error
from archspec.inference.trained_run import FinishedRun
from archspec.text import shell
from archspec.train.step.precision import float32_products


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for one image.

    classes: the most likely ones with their probabilities, best first; empty if there is a `problem`. facts: the
    properties of the file; None if it cannot be used.
    """

    path: Path
    classes: tuple[tuple[str, float], ...] = ()
    problem: Diagnostic | None = None
    facts: Facts | None = None

    def to_json(self) -> dict[str, object]:
        """Plain data."""
        if self.problem is not None:
            return {"image": str(self.path), "error": self.problem.to_json()}
        return {"image": str(self.path), "classes": [{"class": name, "probability": p} for name, p in self.classes]}


def predict(
    run: FinishedRun, paths: Sequence[Path], device: torch.device, *, top: int, batch_size: int
) -> Iterator[Prediction]:
    """The most likely classes of each image, in the order of `paths`. A broken image does not affect the others.

    The same decoder as in training decodes, resizes and scales the images.
    Raises SpecError RUN303 if the network's input is not an image, BUILD203 if a batch is too small for a norm, and
    the errors of `FinishedRun.model`.
    """
    input_shape = image_shape_of(run.graph)
    channels = input_shape[0]
    if channels not in (1, 3):
        raise error("RUN303", f"image files have 1 or 3 channels, the network's input has {channels}",
                    hint="predict with a network whose input has 1 or 3 channels")
    plan = input_plan(run.recipe.data, (channels, None, None), input_shape, run.recipe)
    model = run.model(device, min(batch_size, len(paths)))
    for start in range(0, len(paths), batch_size):
        yield from _predicted(run, model, plan, paths[start : start + batch_size], device, top)


def _predicted(
    run: FinishedRun, model: nn.Module, plan: InputPlan, paths: Sequence[Path], device: torch.device, top: int
) -> list[Prediction]:
    found: dict[int, torch.Tensor] = {}
    facts: dict[int, Facts] = {}
    problems: dict[int, Diagnostic] = {}
    for k, path in enumerate(paths):
        try:
            facts[k] = look(path)
            found[k] = torch.from_numpy(decode(path, plan.channels, plan.size))
        except BadImage as bad:
            problems[k] = _problem(path, bad)
    if found:
        check_batch(run.graph, len(found), "name 2 or more intact images, and another --batch-size if one would be "
                                           "left")
    best = dict(zip(found, _best(model, run.names, plan, list(found.values()), device, top), strict=True))
    return [
        Prediction(path, best[k], facts=facts[k]) if k in best else Prediction(path, problem=problems[k])
        for k, path in enumerate(paths)
    ]


def _problem(path: Path, bad: BadImage) -> Diagnostic:
    """The diagnostic for a file that the user named, in contrast to a file of a data set."""
    message, hint = f"{path} {bad.message}", bad.hint
    if path.is_dir():
        message, hint = f"{path} is a folder, not an image", f"name the images in it, for example `{shell(path)}/*.png`"
    elif bad.code == "RUN307" and not os.path.lexists(path):
        message, hint = f"{path}: no such file", "name a file that exists"
    elif hint == REPLACE:
        hint = f"name intact images: {', '.join(SUFFIXES)}"
    return Diagnostic(bad.code, message, hint=hint)


@torch.no_grad()
def _best(
    model: nn.Module, names: tuple[str, ...], plan: InputPlan, images: list[torch.Tensor], device: torch.device,
    top: int,
) -> list[tuple[tuple[str, float], ...]]:
    """The most likely classes of each image, uint8 (C, H, W)."""
    if not images:
        return []
    x = scale(torch.stack(images).to(device), plan.channels, mean=plan.mean, std=plan.std)
    with float32_products("fp32", device):
        logits = model(x)
    shares, places = logits.double().softmax(1).topk(min(top, len(names)))
    return [
        tuple((names[k], p) for k, p in zip(row, chances, strict=True))
        for row, chances in zip(places.tolist(), shares.tolist(), strict=True)
    ]
