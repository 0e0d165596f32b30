"""The run folder: spec, environment, metrics and weights of a run."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from torch import nn

from archspec.atomic_files import claim, clear_drafts, make_folder, write_text
from archspec.diagnostics import error
from archspec.files import is_regular, read_regular
from archspec.train.callbacks import Callback, Phase
from archspec.train.checkpoint.tensor_file import tensor_bytes
from archspec.train.distributed.fsdp import whole
from archspec.train.distributed.process_group import ALONE, ProcessGroup
from archspec.train.run import Run
from archspec.train.run_dir.full_disk import explain_write_failures, save_text, warn_write_failures
from archspec.train.run_dir.metrics_files import LINES, RESULT, TABLE, metrics_csv, metrics_jsonl, summary_json
from archspec.train.run_dir.saved_options import read_json
from archspec.train.run_dir.weights import write_weights

MAX_SPEC_BYTES: Final = 1 << 24


class RunFolder(Callback):
    """Writes `spec.yaml` and `environment.json` at the start, metrics after each epoch, and the weights at the end.

    path: a folder that `check_free` accepts, or the folder of the run that is `resumed`; it is created when the run
    starts. spec: the text of spec.yaml. `weights.safetensors`, its digest and `summary.json` exist only in the folder
    of a finished run. In a resumed run environment.json keeps the data of every start; spec.yaml is the last spec.
    """

    phase = Phase.FOLDER

    def __init__(
        self, path: Path, *, spec: str, environment: Mapping[str, object], resumed: bool = False
    ) -> None:
        self.path, self._spec, self._environment, self._resumed = path, spec, environment, resumed
        self._claim: int | None = None
        self._identity: tuple[int, int] | None = None

    def on_start(self, run: Run) -> None:
        """Create the folder; in a resumed run, remove what was written after the checkpoint."""
        self._environment = self._starts(run)
        with explain_write_failures("the run folder", self.path, len(self._spec)):
            self._begin(run)
            if self._resumed:
                self._write_metrics(run)

    def _begin(self, run: Run) -> None:
        make_folder(self.path)
        self._take(run)
        clear_drafts(self.path)
        write_text(self.path / "environment.json", json.dumps(self._environment, indent=2) + "\n")
        self._write_spec(run)  # last, because spec.yaml marks a run folder

    def _write_spec(self, run: Run) -> None:
        path = self.path / "spec.yaml"
        if self._resumed and is_regular(path):
            old = read_regular(path, MAX_SPEC_BYTES).decode(errors="replace")
            if old != self._spec:
                write_text(self.path / f"spec-until-step-{run.state.step}.yaml", old)
        write_text(path, self._spec)

    def check(self, run: Run) -> None:
        """Check the folder before a write; if it or its spec was removed, create it again with a warning.

        Raises SpecError RUN336 if another folder has taken its place, RUN313 if it cannot be created.
        """
        if self.path.exists():
            if _identity(self.path) != self._identity:
                run.owns_folder = False
                raise error(
                    "RUN336", f"the run folder {self.path} was removed or moved, and another one is there now",
                    hint="start the run again with another --run-dir; nothing was written to the new folder",
                )
            if is_regular(self.path / "spec.yaml"):
                return
        run.notify(f"warning[RUN336]: the run folder {self.path}, or its spec.yaml, was removed or moved: it is "
                   "written again, without its earlier checkpoints")
        with explain_write_failures("the run folder", self.path, len(self._spec)):
            self.on_end(run)
            self._begin(run)
            self._write_metrics(run)

    def _take(self, run: Run) -> None:
        try:
            self._claim = claim(self.path)
        except BlockingIOError:
            run.owns_folder = False
            raise error("RUN317", f"another process is training in {self.path}",
                        hint="wait until it has ended, or name another folder with --run-dir") from None
        self._identity = _identity(self.path)

    def on_end(self, run: Run) -> None:
        """Release the lock on the folder."""
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

    def _starts(self, run: Run) -> Mapping[str, object]:
        """The environment, together with those of earlier starts of the run."""
        if not self._resumed:
            return self._environment
        first = read_json(self.path / "environment.json") or self._environment
        resumes = first.get("resumes", [])
        again = {"step": run.state.step, **self._environment}
        return {**first, "resumes": [*(resumes if isinstance(resumes, list) else []), again]}

    def on_epoch(self, run: Run) -> None:
        """Write the metrics. If the disk is full, the next epoch writes these too."""
        with warn_write_failures(run):
            self.check(run)
            self._write_metrics(run)

    def on_finish(self, run: Run) -> None:
        """Write the weights."""
        self.check(run)
        self._write_metrics(run)
        save_weights(run.state.eval_model, self.path / "weights.safetensors", run.runtime.group)
        save_text("the summary", self.path / RESULT, summary_json(run.summary()))

    def _write_metrics(self, run: Run) -> None:
        save_text("the metrics", self.path / LINES, metrics_jsonl(run.state.results))
        save_text("the metrics", self.path / TABLE, metrics_csv(run.state.results))


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def check_free(path: Path) -> None:
    """Raise SpecError RUN312 unless `path` does not exist or is an empty folder."""
    if path.is_symlink() and not path.exists():
        raise error("RUN312", f"the run folder {path} is a broken link",
                    hint="create the folder that it points to, or name another with --run-dir")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise error(
            "RUN312", f"the run folder {path} is not empty",
            hint="name another with --run-dir, or leave it out for a new one under runs/",
        )


def save_weights(model: nn.Module, path: Path, group: ProcessGroup = ALONE) -> None:
    """Write the state_dict of `model` as safetensors, and its digest into a file beside it. Raises SpecError RUN313."""
    weights = whole(model.state_dict(), group)
    with explain_write_failures("the weights", path, sum(map(tensor_bytes, weights.values()))):
        write_weights(path, weights)


def new_run_path(name: str, root: Path = Path("runs"), now: datetime | None = None) -> Path:
    """`runs/NAME-TIME`, with a number appended if that exists. The name of a spec cannot lead out of `root`."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:80] or "run"
    stem = f"{safe}-{(now or datetime.now()).strftime('%Y%m%d-%H%M%S')}"
    path, number = root / stem, 1
    while path.exists():
        number += 1
        path = root / f"{stem}-{number}"
    return path
