"""How many images a second does training see: as the sources train, and as `archspec train --tune` does?

Baseline: torchvision's FashionMNIST, a DataLoader with 4 workers, Resize and ToTensor of each image, the network in
eager float32, a metric read in each step. archspec: the settings that `--tune` chooses, or those of `--settings`,
with guard and doctor on.
Both take turns, from equal weights, the baseline in a process of its own, with the C library's allocator as it is by
default. A turn begins when its first step is done; the baseline's workers begin with it, and end before the other's
turn. The last column says which share of the peak the convolutions and linear layers of archspec's steps reach
(2 FLOPs a MAC, forward and backward). The peak is the fastest of matrix products and convolutions of several shapes in
every precision, measured before and after each network with as many threads (`archspec.profile.peaks`).
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from itertools import islice
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.connection import Connection
from pathlib import Path

import torch
import torch.nn.functional as F
from common import ROOT, Sample, show_place, show_table, take_turns
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

import archspec
from archspec.api import Loaded
from archspec.backends.allocator import keep_freed_memory
from archspec.backends.device import device_name, pick_device
from archspec.backends.init import initialise, seeded
from archspec.data.batches import Batch
from archspec.data.places import find, present
from archspec.data.registry import DATASETS
from archspec.profile.peaks import measure_peaks
from archspec.profile.timeline import watch_of
from archspec.train.doctor import Doctor
from archspec.train.loop import train_epoch
from archspec.train.optimizer import make_optimizer
from archspec.train.run import Run
from archspec.train.setup import Machine, Task, prepare
from archspec.train.step.compile import compiled
from archspec.train.step.gradients import attempt
from archspec.train.step.non_finite import NonFinitePolicy
from archspec.train.step.precision import LOW, Precision, Settings, float32_products
from archspec.train.tune import Candidate, Problem, Space, tune

GOALS = {"lenet": 5.0, "alexnet28": 4.0, "resnet18_96": 3.0, "googlenet": 3.0, "alexnet": 3.5, "nin": 3.5}
LONG = 10**9  # steps of the run that is tuned for: compiling is tried too
WORKERS = 4


def main() -> None:
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(GOALS), choices=GOALS, metavar="NETWORK")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--seconds", type=float, default=8.0, help="of a turn")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--default-allocator", action="store_true", help="archspec too takes fresh pages in each step")
    parser.add_argument("--settings", metavar="WORDS", help="instead of a search: `bf16 channels-last`, say")
    parser.add_argument("--no-compile", action="store_true", help="do not try torch.compile")
    options = parser.parse_args()
    device = pick_device(options.device)
    show_place(["torch", "torchvision"])
    if device.type == "cpu" and not options.default_allocator:
        keep_freed_memory()
    print(f"{device_name(device)}, {torch.get_num_threads()} threads\n")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        torchvision_files(Path(folder))
        for name in options.networks:
            rows.append(compare(name, options, device, Path(folder)))
            print("  " + " | ".join(rows[-1]), flush=True)
    print()
    show_table(["network", "batch", "as the sources train, images/s", "archspec, images/s", "settings", "ratio", "goal",
                "share of the peak"], rows)


def compare(name: str, options: argparse.Namespace, device: torch.device, folder: Path) -> list[str]:
    loaded = archspec.load(ROOT / "specs" / f"{name}.yaml")
    chosen = fixed(options.settings) if options.settings else choose(loaded, device, compile_too=not options.no_compile)
    torch.set_num_threads(chosen.threads)
    baseline = Elsewhere(name, options.device, folder)
    ours = Ours(loaded, Machine(device, settings=chosen.settings))
    baseline_steps, our_steps = (max(3, round(options.seconds / who.turn(3))) for who in (baseline, ours))
    peaks = product_peaks(device)
    times = take_turns(
        {"baseline": lambda: baseline.turn(baseline_steps), "archspec": lambda: ours.turn(our_steps)}, options.rounds,
    )
    peaks = {name: max(peak, peaks[name]) for name, peak in product_peaks(device).items()}
    batch = loaded.recipe().batch_size
    speeds = {who: Sample(tuple(batch / seconds for seconds in sample.values)) for who, sample in times.items()}
    ratio = speeds["archspec"].over(speeds["baseline"])
    macs = loaded.report.training_macs + loaded.report.backward_macs
    share = 2 * macs * speeds["archspec"].median / max(peaks.values())
    note({
        "network": name, "batch": batch, "device": device_name(device), "settings": chosen.text(),
        "share_of_peak": share, "peaks_flop_per_s": peaks, "ratio": ratio.to_json(),
        **{f"{who}_images_per_s": speed.to_json() for who, speed in speeds.items()},
    })
    ours.task.close()
    baseline.close()
    return [name, str(batch), speeds["baseline"].text(digits=0), speeds["archspec"].text(digits=0), chosen.text(),
            f"{ratio.text(digits=2)}×", f"{GOALS[name]:g}×",
            f"{100 * share:.0f} % of {max(peaks.values()) / 1e9:,.0f} GFLOP/s"]


def note(record: dict[str, object]) -> None:
    """For `cuda_check.py`, which names the file that is to have it."""
    if file := os.environ.get("ARCHSPEC_CHECK_RECORDS"):
        with Path(file).open("a", encoding="utf-8") as records:
            records.write(json.dumps(record) + "\n")


def fixed(words: str) -> Candidate:
    """The settings of these words: a precision, and any of channels-last, own-kernels, compile, cuda-graphs."""
    precision, *flags = words.split()
    named = {flag.replace("-", "_"): True for flag in flags}
    compiled_too = {"compile": True} if "cuda_graphs" in named else {}
    return Candidate(Settings(precision, **named, **compiled_too), torch.get_num_threads())


def choose(loaded: Loaded, device: torch.device, *, compile_too: bool) -> Candidate:
    """What --tune chooses for a long run."""
    recipe = loaded.recipe()
    task = prepare(loaded.graph, recipe, Machine(device))
    problem = Problem(loaded.graph, recipe, device, tuple(islice(task.train.batches(0), 3)))
    task.close()
    space = Space.of(device) if compile_too else Space.of(device, compile=False)
    return tune(problem, space, LONG).best.candidate


class Baseline:
    """As the sources train."""

    def __init__(self, loaded: Loaded, device: torch.device, folder: Path) -> None:
        recipe, size = loaded.recipe(), loaded.report.input_shape[1:]
        steps: list[object] = [transforms.ToTensor()]
        if size != (28, 28):
            steps.insert(0, transforms.Resize(size))
        data = datasets.FashionMNIST(folder, train=True, transform=transforms.Compose(steps))
        # This process was spawned, and its workers would be too: each would import torch anew in every turn.
        start = "fork" if "fork" in get_all_start_methods() else None
        self.loader = DataLoader(
            data, recipe.batch_size, shuffle=True, num_workers=WORKERS, multiprocessing_context=start,
        )
        self.device = device
        self.model = archspec.build(loaded)
        initialise(self.model, recipe.init, recipe.seed)
        self.model.to(device).train()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=slow(recipe.lr))

    def turn(self, steps: int) -> float:
        """Seconds a step."""
        batches = self._batches()
        self._step(*next(batches))
        start = time.perf_counter()
        for images, labels in islice(batches, steps):
            self._step(images, labels)
        seconds = (time.perf_counter() - start) / steps
        batches.close()  # ends the workers
        return seconds

    def _batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield from self.loader

    def _step(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[float, int]:
        images, labels = images.to(self.device), labels.to(self.device)
        self.optimizer.zero_grad()
        logits = self.model(images)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        self.optimizer.step()
        return loss.item(), int((logits.argmax(1) == labels).sum())


class Elsewhere:
    """A baseline in another process."""

    def __init__(self, name: str, device: str, folder: Path) -> None:
        context = get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=serve, args=(there, name, device, folder))
        self._process.start()

    def turn(self, steps: int) -> float:
        """Seconds a step."""
        self._here.send(steps)
        return float(self._here.recv())

    def close(self) -> None:
        self._here.send(None)
        self._process.join()


def serve(pipe: Connection, name: str, device: str, folder: Path) -> None:
    """Do the turns that are asked for, until None comes."""
    warnings.filterwarnings("ignore", "This DataLoader will create 4 worker processes")  # as the sources do
    baseline = Baseline(archspec.load(ROOT / "specs" / f"{name}.yaml"), pick_device(device), folder)
    while (steps := pipe.recv()) is not None:
        pipe.send(baseline.turn(steps))


class Ours:
    """As `archspec train` does."""

    def __init__(self, loaded: Loaded, machine: Machine) -> None:
        recipe = loaded.recipe()
        recipe = recipe.model_copy(update={"lr": slow(recipe.lr)})
        self.task: Task = prepare(loaded.graph, recipe, machine)
        self.device, settings, model = machine.device, machine.settings, self.task.model
        optimizer = make_optimizer(model, recipe, self.device)
        self.run = Run.create(model, optimizer, lambda step: recipe.lr, self.device, recipe, LONG_MET, settings)
        self.run.policy = NonFinitePolicy(self.task.train, attempt)
        self.run.policy.on_start(self.run)
        if settings.compile:
            self.run.runtime.forward = compiled(model, recipe.batch_size, settings)
        self.callbacks = (Doctor(),)
        for watcher in self.callbacks:
            watcher.on_start(self.run)
        self.batches = self._batches()

    def turn(self, steps: int) -> float:
        """Seconds a step. The metrics, which are read at the end, wait for the device."""
        with seeded(0, self.device), float32_products(self.run.runtime.settings.precision, self.device):
            train_epoch(self.run, islice(self.batches, 1), self.callbacks)
            start = time.perf_counter()
            train_epoch(self.run, islice(self.batches, steps), self.callbacks)
            return (time.perf_counter() - start) / steps

    def _batches(self) -> Iterator[Batch]:
        epoch = 0
        while True:
            yield from self.task.train.batches(epoch)
            epoch += 1


LONG_MET = 1_000_000  # steps that a meter has room for


def slow(rate: float) -> float:
    """So small a rate that no network diverges: NaN and denormal numbers take other times."""
    return 1e-3 * rate


def product_peaks(device: torch.device) -> dict[str, float]:
    """The most FLOP/s of a product or convolution, for each precision."""
    names: list[Precision] = ["fp32", *(["tf32"] if device.type == "cuda" else []), *LOW]
    watch = watch_of(device, time.perf_counter)
    return {name: measure_peaks(name, device, watch).flops for name in names
            if not (name == "fp16" and device.type == "cpu")}


def torchvision_files(folder: Path) -> None:
    """Fashion-MNIST where torchvision looks for it, unpacked as it wants it."""
    info = DATASETS["fashion-mnist"]
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    place = find(info, "train")
    if place is None:
        raise SystemExit("Fashion-MNIST was not found: apt-get install dataset-fashion-mnist")
    for split in ("train", "test"):
        for file in info.files(split):
            source = present(place, file.name)
            target = raw / file.name.removesuffix(".gz")
            if source.suffix == ".gz":
                with gzip.open(source) as packed, target.open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked)
            else:
                shutil.copyfile(source, target)


if __name__ == "__main__":
    main()
