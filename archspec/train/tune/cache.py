"""Caches the fastest settings for a network, batch size and machine."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import archspec
from archspec.atomic_files import write_text
from archspec.backends.device import cpu_name, device_name
from archspec.diagnostics import SpecError
from archspec.files import read_regular
from archspec.ir import Graph
from archspec.ir.digest import graph_digest
from archspec.language.recipe import Recipe
from archspec.train.step.precision import Precision, Settings, check_settings, pick_precision
from archspec.train.tune.candidates import Candidate, Space
from archspec.train.tune.search import Tuning
from archspec.user_cache import cache_folder

FORMAT: Final = 1
MAX_BYTES: Final = 1 << 16  # of a cache file


class _Data(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class SavedSettings(_Data):
    """The fields of `Settings`."""

    precision: Precision
    channels_last: bool
    own_kernels: bool
    compile: bool
    cuda_graphs: bool
    deterministic: Literal[False] = False


class Saved(_Data):
    """The contents of a cache file. speedup: relative to fp32, NCHW, not compiled."""

    format: Literal[1]
    settings: SavedSettings
    threads: Annotated[int, Field(ge=1, le=4096)]
    speedup: Annotated[float, Field(gt=0)]

    @property
    def candidate(self) -> Candidate:
        """The chosen settings."""
        return Candidate(Settings(**self.settings.model_dump()), self.threads)


def cache_file(graph: Graph, recipe: Recipe, device: torch.device, space: Space, *, world_size: int = 1) -> Path:
    """The file that caches the choice for this network, batch size and optimizer on this machine."""
    about: dict[str, Any] = {
        "graph": graph_digest(graph), "batch_size": recipe.batch_size, "optimizer": recipe.optimizer,
        "world": world_size, "device": [device.type, device_name(device)], "cpu": cpu_name(),
        "threads": torch.get_num_threads(),
        "kernels": torch.backends.cpu.get_cpu_capability(), "space": repr(space),
        "versions": [archspec.__version__, torch.__version__],
    }
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    return cache_folder() / "tune" / f"{digest[:32]}.json"


def find(path: Path, device: torch.device) -> Saved | None:
    """The contents of a cache file; None if it does not exist or cannot be used."""
    try:
        saved = Saved.model_validate_json(read_regular(path, MAX_BYTES))
        pick_precision(saved.settings.precision, device)
        check_settings(saved.candidate.settings, device)
    except (OSError, ValidationError, SpecError):
        return None
    return saved


def keep(path: Path, tuning: Tuning) -> str | None:
    """Write the choice. Returns the reason if it could not be written, otherwise None."""
    best = tuning.best.candidate
    saved = Saved(
        format=FORMAT, settings=SavedSettings(**best.settings.to_json()), threads=best.threads,
        speedup=tuning.speedup,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, saved.model_dump_json(indent=2) + "\n")
    except OSError as problem:
        return problem.strerror or str(problem)
    return None
