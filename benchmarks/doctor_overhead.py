"""What does the doctor cost? A training step of the specs' own recipes with it and without it.

A turn is 50 steps, of which the doctor looks into one, and ends as an epoch does. Both contestants start from the same
weights and see the same images. The round that warms up, and is not counted, holds the run's first 50 steps, into seven
of which the doctor looks. Wanted: a ratio of at most 1.03.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from common import ROOT, alternate, show_place, show_table

import archspec
from archspec.api import Loaded
from archspec.backends.device import device_name, pick_device
from archspec.language.recipe import Recipe, merge_recipe
from archspec.train.doctor import Doctor
from archspec.train.doctor.watch import EVERY
from archspec.train.loop import train_epoch
from archspec.train.optimizer import make_optimizer
from archspec.train.run import Run
from archspec.train.schedule import rate_schedule
from archspec.train.setup import Machine, prepare
from archspec.train.step.precision import Settings, pick_precision
from archspec.train.summary import EpochResult

NETWORKS = ("lenet", "alexnet28", "cnn28")
WANTED = 1.03


def contestant(loaded: Loaded, device: torch.device, doctors: list[Doctor], **changes: object) -> Callable[[], Run]:
    """A turn of EVERY steps of a run that goes on from turn to turn. changes: of the recipe."""
    merged = merge_recipe(loaded.recipe().to_data(), {"epochs": 1000, "schedule": "constant", **changes})
    recipe = Recipe.model_validate(merged)
    settings = Settings(pick_precision("auto", device))
    machine = Machine(device, limit_train=EVERY * recipe.batch_size, limit_test=1, settings=settings)
    task = prepare(loaded.graph, recipe, machine)
    steps = len(task.train)
    optimizer = make_optimizer(task.model, recipe, device)
    run = Run.create(task.model, optimizer, rate_schedule(recipe, steps), device, recipe, steps, settings)
    for doctor in doctors:
        doctor.on_start(run)

    def turn() -> Run:
        seen = train_epoch(run, task.train.batches(run.state.epoch), doctors)  # reads its figures: waits for the device
        figures = (seen.loss, seen.accuracy, seen.loss, seen.accuracy, 0.0, 0.0)
        run.state.results.append(EpochResult(run.state.epoch + 1, *figures))
        for doctor in doctors:
            doctor.on_epoch(run)
        return run

    return turn


def compare(name: str, device: torch.device, rounds: int) -> list[str]:
    loaded = archspec.load(ROOT / "specs" / f"{name}.yaml")
    runs = {who: contestant(loaded, device, doctors) for who, doctors in (("with", [Doctor()]), ("without", []))}
    times = alternate(runs, rounds)
    ratio = times["with"].over(times["without"])
    steps_ms = (times[who].text(1000 / EVERY, 2) for who in runs)
    return [name, str(loaded.recipe().batch_size), *steps_ms, ratio.text(digits=3), f"≤ {WANTED}", str(rounds)]


def main() -> None:
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS), metavar="NETWORK")
    parser.add_argument("--rounds", type=int, default=10, metavar="N")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), metavar="N")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = pick_device(options.device)
    show_place(["torch"])
    rows = [compare(name, device, options.rounds) for name in options.networks]
    show_table(
        ["network", "batch", "a step with the doctor, ms", "without, ms",
         f"ratio ({device_name(device)}, {options.threads} threads)", "wanted", "rounds"], rows,
    )


if __name__ == "__main__":
    main()
