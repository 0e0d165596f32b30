"""Runs that fail, each in one way, and sound runs: small networks on some hundred images."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest.mock import patch

import torch

from archspec.api import load
from archspec.data.batches import ResidentBatches
from archspec.diagnostics import SpecError
from archspec.language.recipe import Recipe, merge_recipe
from archspec.language.resolve import without_unused_vars
from archspec.train.callbacks import Callback
from archspec.train.doctor import Doctor, Finding, Patient, trials
from archspec.train.doctor.edit import apply_change
from archspec.train.doctor.trials import STEPS
from archspec.train.loop import fit
from archspec.train.run import Run
from archspec.train.setup import Machine, Task, prepare

CPU = torch.device("cpu")
Spoil = Callable[[Task], None]


def dense(*sizes: int, act: Any = "relu", between: tuple[Any, ...] = (), first: tuple[Any, ...] = ()) -> dict[str, Any]:
    """A multi-layer perceptron for Fashion-MNIST."""
    layers: list[Any] = ["flatten", *first]
    for size in sizes:
        layers += [{"linear": size}, *([act] if act else []), *between]
    return {"archspec": 1, "name": "dense", "input": [1, 28, 28], "stages": {"body": layers, "head": {"linear": 10}}}


def repeated(count: int, act: str, width: int = 32) -> dict[str, Any]:
    """A deep perceptron of equal layers."""
    body = {"sequential": [{"linear": width}, act], "repeat": count}
    stages = {"first": ["flatten", {"linear": width}, act], "body": [body], "head": {"linear": 10}}
    return {"archspec": 1, "name": "deep", "input": [1, 28, 28], "stages": stages}


def conv(*channels: int, act: Any = "relu", norm: bool = False, dropout: float | None = None) -> dict[str, Any]:
    """Strided convolutions and a linear head."""
    layers: list[Any] = []
    for size in channels:
        layers.append({"conv2d": {"out_channels": size, "kernel_size": 3, "stride": 2, "padding": 1}})
        layers += [*["batch_norm2d"] * norm, act]
    if dropout is not None:
        layers.append({"dropout": dropout})
    stages = {"body": layers, "head": ["flatten", {"linear": 10}]}
    return {"archspec": 1, "name": "conv", "input": [1, 28, 28], "stages": stages}


@dataclass(frozen=True)
class Case:
    """A run. code: of the verdict that it should come to, None for a sound run. images, test: only so many.

    learns: the accuracy in training that the advice must reach within `steps`, where it is a change. lengths: of the
    doctor's trials, in steps.
    """

    name: str
    spec: Any
    code: str | None
    recipe: dict[str, Any]
    images: int = 1000
    test: int = 300
    spoil: Spoil | None = None
    learns: float | None = None
    steps: int = 300
    lengths: tuple[int, ...] = STEPS


class _Listener(Callback):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def on_notice(self, text: str) -> None:
        self.lines.append(text)


@dataclass
class Outcome:
    """What the doctor said, and what the run came to."""

    findings: list[Finding]
    lines: list[str]
    patient: Patient
    epochs: list[Any]

    @property
    def holding(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.until is None]


class _Done(Exception):
    pass


class _Accuracies(Callback):
    """Keeps the accuracy of each step, and ends the run after some."""

    def __init__(self, steps: int) -> None:
        self.accuracies: list[float] = []
        self._steps = steps

    def on_step(self, run: Run) -> None:
        hits = run.state.meter.tensors()["hits"]
        self.accuracies.append(float(hits[-1]) / len(run.batch.y))
        if run.state.step >= self._steps:
            raise _Done


@cache
def run_case(name: str) -> Outcome:
    """Run a case once, whichever tests ask."""
    case = next(case for case in CASES if case.name == name)
    torch.set_num_threads(1)
    loaded = load(case.spec)
    base = loaded.recipe().to_data() if loaded.recipes else {"data": "fashion-mnist", "batch_size": 50, "epochs": 10}
    recipe = Recipe.model_validate(merge_recipe(base, case.recipe))
    task = prepare(loaded.graph, recipe, Machine(CPU, None, case.images, case.test))
    if case.spoil is not None:
        case.spoil(task)
    data = {key: value for key, value in loaded.data.items() if key not in ("recipes", "expect")}
    patient = Patient(data, loaded.graph, recipe, task.machine, task.train, task.test)
    doctor, listener = Doctor(patient=patient, trials=True), _Listener()
    doctor._clock.allowance = lambda step, total: 1e6  # that what is tried does not depend on the machine
    epochs = []
    with contextlib.suppress(SpecError), patch.object(trials, "STEPS", case.lengths):
        epochs = list(fit(task.model, task.train, task.test, recipe, device=CPU, callbacks=(doctor, listener)).epochs)
    return Outcome(doctor.findings, listener.lines, patient, epochs)


def follow(outcome: Outcome, change: dict[str, Any], steps: int) -> float:
    """Accuracy over the last steps of a fresh network with a finding's change: a run of its own."""
    patient = outcome.patient
    spec = without_unused_vars(apply_change({**patient.data, "train": patient.recipe.to_data()}, change))
    loaded = load(spec)
    torch.set_num_threads(1)
    task = prepare(loaded.graph, loaded.recipe(), patient.machine)
    recorder = _Accuracies(steps)
    with contextlib.suppress(_Done):
        fit(task.model, patient.train, patient.evaluated, loaded.recipe(), device=CPU, callbacks=(recorder,))
    accuracies = recorder.accuracies
    return sum(accuracies[-20:]) / 20


def _labels(change: Callable[[torch.Tensor], torch.Tensor], *, test: bool = False) -> Spoil:
    def spoil(task: Task) -> None:
        for batches in (task.train, task.test) if test else (task.train,):
            assert isinstance(batches, ResidentBatches)
            batches._labels = change(batches._labels)

    return spoil


def _images(split: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Spoil:
    def spoil(task: Task) -> None:
        for batches in {"train": (task.train,), "test": (task.test,), "both": (task.train, task.test)}[split]:
            assert isinstance(batches, ResidentBatches)
            batches._images = change(batches._images)

    return spoil


def shuffled(labels: torch.Tensor) -> torch.Tensor:
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]


def lopsided(labels: torch.Tensor) -> torch.Tensor:
    """99 in 100 are of class 0."""
    return torch.where(torch.arange(len(labels)) % 100 == 0, torch.ones_like(labels), torch.zeros_like(labels))


def _leak(task: Task) -> None:
    assert isinstance(task.train, ResidentBatches)
    assert isinstance(task.test, ResidentBatches)
    task.test._images[:100] = task.train._images[:100]
    task.test._labels[:100] = task.train._labels[:100]


SGD = {"optimizer": "sgd", "epochs": 12, "lr": 0.1}
CASES: list[Case] = [
    # a rate that is too high
    Case("mlp-lr-30", dense(64, 64), "RUN341", {**SGD, "lr": 30.0}, learns=0.6),
    Case("mlp-lr-10000", dense(64), "RUN341", {**SGD, "lr": 1e4}, learns=0.6),
    Case("mlp-lr-1", dense(64, 64, 64), "RUN341", {**SGD, "lr": 1.0, "epochs": 30}, learns=0.6),
    Case("conv-lr-3", conv(8, 16), "RUN341", {**SGD, "lr": 3.0}, learns=0.5),
    Case("conv-adam-lr-1", conv(8, 16), "RUN346", {**SGD, "optimizer": "adam", "lr": 1.0}, learns=0.5),
    Case("tanh-adam-lr-3", dense(64, 64, act="tanh"), "RUN342", {**SGD, "optimizer": "adam", "lr": 3.0}, learns=0.6),
    Case("sigmoid-adam-lr-1", dense(64, 64, act="sigmoid"), "RUN342", {**SGD, "optimizer": "adam", "lr": 1.0}, learns=0.5),
    Case("momentum-lr-1", conv(8, 16), "RUN341", {**SGD, "lr": 1.0, "momentum": 0.9}, learns=0.5),
    Case("gelu-lr-100", dense(64, 64, act="gelu"), "RUN346", {**SGD, "lr": 100.0}, learns=0.5),
    # a rate that is too low
    Case("lenet-lr-0.01", "lenet", "RUN345", {"lr": 0.01, "batch_size": 50, "epochs": 12}, learns=0.3, steps=500),
    Case("conv-lr-1e-6", conv(8, 16), "RUN345", {**SGD, "lr": 1e-6}, learns=0.5),
    Case("adam-lr-1e-8", dense(64), "RUN345", {**SGD, "optimizer": "adam", "lr": 1e-8}, learns=0.5),
    # a start from which no gradient arrives
    Case("sigmoids-20", repeated(20, "sigmoid"), "RUN343", SGD, learns=0.3),
    Case("sigmoids-30", repeated(30, "sigmoid"), "RUN343", SGD, learns=0.3),
    Case("relus-50", repeated(50, "relu"), "RUN343", SGD, learns=0.3),
    Case("tanh-normal-init", repeated(8, "tanh"), "RUN343", {**SGD, "init": "normal"}, learns=0.5),
    Case("conv-normal-init", conv(8, 16, 16, 16, 16), "RUN343", {**SGD, "init": "normal"}, learns=0.4),
    # what the recipe adds
    Case("weight-decay-1", dense(64), "RUN356", {**SGD, "weight_decay": 1.0}, learns=0.6),
    Case("adamw-decay-100", dense(64), "RUN356", {**SGD, "optimizer": "adamw", "lr": 0.001, "weight_decay": 100.0}, learns=0.6),
    Case("dropout-0.95", dense(64, 64, between=({"dropout": 0.95},)), "RUN355", SGD, learns=0.6),
    Case("dropout-0.97-conv", conv(8, 16, dropout=0.99), "RUN355", SGD, learns=0.5),
    Case("clipped-away", dense(64), "RUN352", {**SGD, "clip_grad_norm": 1e-6}, learns=0.6),
    # the data
    Case("shuffled-labels", dense(128), "RUN358", {**SGD, "optimizer": "adam", "lr": 0.01, "epochs": 40}, images=500, spoil=_labels(shuffled)),
    Case("shuffled-labels-short", dense(32), "RUN358", {**SGD, "epochs": 4}, spoil=_labels(shuffled, test=True), lengths=(60,)),
    Case("test-inverted", dense(64), "RUN357", SGD, spoil=_images("test", lambda x: 255 - x)),
    Case("test-upside-down", dense(64), "RUN357", SGD, spoil=_images("test", lambda x: x.flip(-2))),
    Case("test-dark", conv(8, 16, norm=True), "RUN357", SGD, spoil=_images("test", lambda x: x // 8)),
    Case("test-labels-turned", dense(64), "RUN357", SGD, spoil=lambda task: setattr(task.test, "_labels", (task.test._labels + 1) % 10)),
    Case("labels-99-to-1", dense(32), "RUN350", SGD, spoil=_labels(lopsided, test=True)),
    Case("labels-one-class", dense(32), "RUN350", SGD, spoil=_labels(torch.zeros_like, test=True)),
    Case("raw-pixels", dense(64), "RUN349", {**SGD, "normalize": {"mean": 0.0, "std": 1 / 255}}),
    Case("black-images", dense(64), "RUN349", SGD, spoil=_images("both", torch.zeros_like)),
    Case("noise-for-images", dense(64), "RUN358", SGD, spoil=_images("both", lambda x: torch.randint(0, 256, x.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(len(x))))),
    Case("test-noise", dense(64), "RUN357", SGD, spoil=_images("test", lambda x: torch.randint(0, 256, x.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1)))),
    Case("leak", dense(64), "RUN359", SGD, spoil=_leak),
    # the network
    Case("linear-chain", dense(64, 64, act=None), "RUN353", SGD),
    Case("stale-statistics", conv(8, 16, norm=True), "RUN354", {**SGD, "optimizer": "adam", "lr": 0.01, "batch_size": 64, "epochs": 5}, images=160),
    Case("overfitting", dense(64), "RUN348", {**SGD, "lr": 0.3, "epochs": 60}, images=100),
    # sound runs
    Case("sound-mlp", dense(64), None, SGD),
    Case("sound-mlp-adam", dense(64, 64), None, {**SGD, "optimizer": "adam", "lr": 0.001}),
    Case("sound-adamw-decay", dense(64), None, {**SGD, "optimizer": "adamw", "lr": 0.002, "weight_decay": 0.05}),
    Case("sound-tanh", dense(64, 64, act="tanh"), None, SGD),
    Case("sound-sigmoid", dense(64, act="sigmoid"), None, {**SGD, "lr": 0.5}),
    Case("sound-gelu-momentum", dense(64, 32, act="gelu"), None, {**SGD, "lr": 0.02, "momentum": 0.9}),
    Case("sound-dropout", dense(128, 128, between=({"dropout": 0.5},)), None, {**SGD, "epochs": 20}),
    Case("sound-conv", conv(8, 16), None, SGD),
    Case("sound-conv-norm", conv(8, 16, norm=True), None, {**SGD, "epochs": 15, "schedule": "cosine"}),
    Case("sound-norm-small-batch", conv(8, 16, norm=True), None, {**SGD, "batch_size": 10, "lr": 0.02}),
    Case("sound-decay", dense(64), None, {**SGD, "weight_decay": 0.0005, "momentum": 0.9, "lr": 0.02}),
    Case("sound-mixup", dense(64), None, {**SGD, "mixup": 0.2, "label_smoothing": 0.1}),
    Case("sound-augmented", conv(8, 16), None, {**SGD, "augment": ["horizontal_flip", {"random_crop": 2}]}),
    Case("sound-warmup", dense(64), None, {**SGD, "warmup": 2, "schedule": "cosine"}),
    Case("sound-one-cycle", dense(64), None, {**SGD, "lr": 0.3, "schedule": "one_cycle"}),
    Case("sound-ema", dense(64), None, {**SGD, "ema": 0.98}),
    Case("sound-linear", dense(), None, SGD),
    Case("sound-bottleneck", dense(5, act=None), None, {**SGD, "lr": 0.05}),
    Case("sound-slow", dense(64, 64, 64, act="sigmoid"), None, {**SGD, "lr": 0.5, "epochs": 40}, images=500),
]
