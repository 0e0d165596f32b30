"""Everything beside the spec that a run depends on, for `environment.json`."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import torch

import archspec
from archspec.backends.denormals import flushing_threads
from archspec.backends.device import cpu_name, device_name
from archspec.ir import Graph
from archspec.train.run_dir.used_plugins import used_plugins
from archspec.train.setup import Task

ENVIRONMENT_FORMAT: Final = 1
PACKAGES: Final = ("torch", "torchvision", "numpy", "safetensors", "pydantic")


def environment(task: Task, graph: Graph | None = None) -> dict[str, object]:
    """Versions, plugins, machine, seed, data and command line of a run, as plain data."""
    device, root = task.machine.device, task.machine.data_root
    plugins = used_plugins(graph, task.recipe)
    return {
        "format": ENVIRONMENT_FORMAT,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "versions": {"archspec": archspec.__version__, "python": platform.python_version()} | _versions(),
        "platform": platform.platform(),
        "cpu": cpu_name(),
        "cpu_kernels": torch.backends.cpu.get_cpu_capability(),
        "device": {"type": str(device), "name": device_name(device), "cuda": torch.version.cuda},
        "threads": torch.get_num_threads(),
        "flush_denormal": flushing_threads(),
        "world": task.machine.group.size,
        "job": task.machine.group.job,
        "fsdp": task.machine.group.sharded,
        "seed": task.recipe.seed,
        "data": {
            "name": task.recipe.data, "sources": task.sources, "classes": list(task.classes),
            **_splits(task),
            "root": None if root is None else str(root.absolute()),
            "limit_train": task.machine.limit_train, "limit_test": task.machine.limit_test,
        },
        "recipe": task.recipe.to_data(),
        "settings": task.machine.settings.to_json(),
        **({"plugins": plugins} if plugins else {}),
        **({} if task.initial is None else {"initial_weights": task.initial.to_json()}),
    }


def _splits(task: Task) -> dict[str, object]:
    """The number of images of each split of the run, and its location."""
    batches = task.batches()
    images = {f"{split}_images": sum(part.step_sizes) for split, part in batches.items()}
    return {**images, **{split: part.description for split, part in batches.items()}}


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # numpy is optional
            continue
    return found
