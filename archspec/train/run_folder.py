"""The folder that a run leaves: what was trained, how it went, and the weights."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from torch import Tensor, nn

from archspec.diagnostics import error
from archspec.train.files import whole_file
from archspec.train.run import Run, Watcher


class RunFolder(Watcher):
    """Writes `spec.yaml` and `environment.json` at the start, a line of `metrics.jsonl` an epoch, and the weights.

    path: a folder that `check_free` accepts; it is made when the run starts. spec: the text of spec.yaml.
    `weights.safetensors` is there only when the run came to its end.
    """

    def __init__(self, path: Path, *, spec: str, environment: Mapping[str, object]) -> None:
        self.path, self._spec, self._environment = path, spec, environment

    def on_start(self, run: Run) -> None:
        """Make the folder."""
        self.path.mkdir(parents=True, exist_ok=True)
        with whole_file(self.path / "spec.yaml") as draft:
            draft.write_text(self._spec, encoding="utf-8")
        with whole_file(self.path / "environment.json") as draft:
            draft.write_text(json.dumps(self._environment, indent=2) + "\n", encoding="utf-8")

    def on_epoch(self, run: Run) -> None:
        """Add the epoch's line."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(run.results[-1])) + "\n")

    def on_finish(self, run: Run) -> None:
        """Write the weights."""
        save_weights(run.model, self.path / "weights.safetensors")


def check_free(path: Path) -> None:
    """Raise SpecError RUN312 unless `path` is free for a run: nothing, or an empty folder."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise error(
            "RUN312", f"the run folder {path} is not empty",
            hint="name another with --run-dir, or leave it out for a new one under runs/",
        )


def save_weights(model: nn.Module, path: Path) -> None:
    """Every parameter and buffer of `model` as safetensors, its state_dict's keys as names."""
    from safetensors.torch import save_file

    with whole_file(path) as draft:
        save_file({key: _portable(tensor) for key, tensor in model.state_dict().items()}, draft)


def _portable(tensor: Tensor) -> Tensor:
    """On the CPU, in the plain layout, which is all that safetensors knows."""
    return tensor.detach().cpu().contiguous()


def new_run_path(name: str, root: Path = Path("runs"), now: datetime | None = None) -> Path:
    """`runs/NAME-TIME`, with a number behind it where that is taken. The spec's name cannot lead elsewhere."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:80] or "run"
    stem = f"{safe}-{(now or datetime.now()).strftime('%Y%m%d-%H%M%S')}"
    path, number = root / stem, 1
    while path.exists():
        number += 1
        path = root / f"{stem}-{number}"
    return path
