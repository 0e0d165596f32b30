"""Measurements that take some time, and are only made if the figures of an epoch call for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archspec.backends.built import layers_with, normalises_batch, training_mode
from archspec.data.batches import Batch, Batches
from archspec.ops.traits import Stochastic
from archspec.train.doctor.history import Contrast, Modes, Score
from archspec.train.run import Run

IMAGES: Final = 128  # of a batch to evaluate in several modes
CONTRASTED: Final = 2000  # images of each split to compare
FEWEST: Final = 100
MOST_VALUES: Final = 1 << 26  # in the images of a split: 256 MiB
SIDE: Final = 16  # pixels to which height and width are reduced for the linear model
RIDGE: Final = 0.1  # of the mean variance of a pixel


def modes(run: Run, train: Batch, evaluated: Batch | None) -> Modes:
    """Scores of the network in each mode, on a training batch and on images of the evaluated split.

    Random numbers, running statistics and the modes of the modules do not change.
    """
    random = draws(run.state.model)
    normed = normalises_batch(run.state.model)
    images, labels = train.x[:IMAGES], train.y[:IMAGES]
    with _undisturbed(run):
        training = _score(run, training_mode(run.state.model), images, labels)
        quiet = _without_dropout(run.state.model)
        without = _score(run, quiet, images, labels) if random else None
        own = running = average = None
        if evaluated is not None:
            x, y = evaluated.x[: 2 * IMAGES], evaluated.y[: 2 * IMAGES]
            own = _score(run, quiet, x, y) if normed and len(y) > 1 else None
            running = _score(run, run.state.eval_model.eval(), x, y)
        alone = _score(run, run.state.model.eval(), images, labels)
        if run.state.averaged is not None:
            average = _score(run, run.state.averaged.eval(), images, labels)
    return Modes(run.state.step, training, without, alone, average, running, own)


def draws(model: nn.Module) -> bool:
    """Whether the network draws random numbers in training."""
    return any(stochastic.share(layer.op) > 0 for layer, stochastic in layers_with(model, Stochastic))


def _score(run: Run, model: nn.Module, images: Tensor, labels: Tensor) -> Score:
    with run.runtime.autocast():
        logits = model(images)
    logits = logits.float()
    hits = (logits.argmax(1) == labels).float().mean()
    return Score(*torch.stack([F.cross_entropy(logits, labels), hits]).tolist())


def _without_dropout(model: nn.Module) -> nn.Module:
    for layer, _ in layers_with(training_mode(model), Stochastic):
        layer.module.eval()
    return model


@contextmanager
def _undisturbed(run: Run) -> Iterator[None]:
    networks = [run.state.model, *([run.state.averaged] if run.state.averaged is not None else [])]
    modules = [(module, module.training) for network in networks for module in network.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in run.state.model.buffers()]
    devices = [run.runtime.device] if run.runtime.device.type == "cuda" else []
    try:
        with torch.no_grad(), torch.random.fork_rng(devices), torch.compiler.set_stance("force_eager"):
            yield
    finally:
        for module, training in modules:
            module.training = training
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)


@torch.no_grad()
def contrast(train: Batches, evaluated: Batches, split: str) -> Contrast:
    """Compare the images of both splits, and fit a linear model of the labels to the training images."""
    pixels = train.some(1).x[0].numel()
    count = max(FEWEST, min(CONTRASTED, MOST_VALUES // pixels))
    ours, theirs = train.some(count), evaluated.some(count)
    x, other = ours.x.float(), theirs.x.float()
    classes = int(max(ours.y.max(), theirs.y.max())) + 1
    fit, held = slice(0, None, 2), slice(1, None, 2)
    small, others = _reduced(x), _reduced(other)
    held_out, across = _linear(
        small[fit], ours.y[fit], classes, [(small[held], ours.y[held]), (others, theirs.y)]
    )
    images = min(len(small), len(others))
    both = [torch.cat([small[:images][half], others[:images][half]]) for half in (fit, held)]
    origins = [torch.arange(len(rows), device=rows.device) // (len(rows) // 2) for rows in both]
    (apart,) = _linear(both[0], origins[0], 2, [(both[1], origins[1])])
    return Contrast(
        split, images, (float(x.mean()), float(other.mean())),
        (float(x.std(correction=0)), float(other.std(correction=0))), apart, held_out, across,
        float(torch.bincount(theirs.y, minlength=classes).max()) / len(theirs.y),
    )


def shared(train: Batches, evaluated: Batches) -> float:
    """The share of evaluated images that are also in the training set, pixel by pixel; 0 if it is not known."""
    ours, theirs = train.digests(), evaluated.digests()
    return 0.0 if ours is None or theirs is None else float(torch.isin(theirs, ours).float().mean())


def _reduced(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, features), with at most SIDE × SIDE features per channel."""
    height, width = x.shape[-2:]
    return F.adaptive_avg_pool2d(x, (min(SIDE, height), min(SIDE, width))).flatten(1)


def _linear(x: Tensor, y: Tensor, classes: int, tests: list[tuple[Tensor, Tensor]]) -> list[float]:
    """Accuracies of a ridge regression onto the labels. x: (N, features)."""
    mean = x.mean(0)
    centred = (x - mean).double()
    gram = centred.T @ centred / len(x)
    gram += (RIDGE * gram.diagonal().mean() + 1e-9) * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    targets = F.one_hot(y, classes).double()
    weights = torch.linalg.solve(gram, centred.T @ (targets - targets.mean(0)) / len(x))
    bias = targets.mean(0)
    return [float((((t - mean).double() @ weights + bias).argmax(1) == labels).double().mean()) for t, labels in tests]
