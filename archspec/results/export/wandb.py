"""Exports runs to trackio and Weights & Biases, which have similar interfaces. Nothing is sent over the network."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

from archspec.atomic_files import make_folder, write_text
from archspec.diagnostics import error
from archspec.files import read_regular
from archspec.results.export.run import ExportedRun
from archspec.results.export.target import Done, folder, need, refused, variables
from archspec.text import shell

NOTES: Final = "archspec-exported"  # a folder with a file per complete run: the digest of its content


class _Tool(Protocol):
    """The differences between the two tools."""

    def options(self, run: ExportedRun) -> Mapping[str, Any]:
        """Additional arguments of `init`."""

    def has(self, run: ExportedRun) -> bool:
        """Whether a run exists there, complete or not."""

    def remove(self, run: ExportedRun) -> None:
        """Remove a run."""


class _Trackio:
    def __init__(self, module: Any, project: str) -> None:
        try:
            listed = list(module.Api().runs(project))
        except ValueError:  # the project does not exist yet
            listed = []
        self._runs: dict[str, list[Any]] = {}
        for run in listed:
            self._runs.setdefault(run.name, []).append(run)

    def options(self, run: ExportedRun) -> Mapping[str, Any]:
        return {"resume": "never", "embed": False, "auto_log_cpu": False, "auto_log_gpu": False}

    def has(self, run: ExportedRun) -> bool:
        return run.name in self._runs

    def remove(self, run: ExportedRun) -> None:
        for one in self._runs.pop(run.name):
            one.delete()


class _Wandb:
    def __init__(self, module: Any, place: Path) -> None:
        self._module, self._place = module, place

    def options(self, run: ExportedRun) -> Mapping[str, Any]:
        settings = self._module.Settings(
            console="off", silent=True, x_disable_stats=True, x_disable_meta=True, x_disable_machine_info=True,
            disable_git=True, disable_code=True,
        )
        return {"id": run.id, "dir": str(self._place), "mode": "offline", "settings": settings}

    def has(self, run: ExportedRun) -> bool:
        return bool(self._folders(run))

    def remove(self, run: ExportedRun) -> None:
        for path in self._folders(run):
            shutil.rmtree(path)

    def _folders(self, run: ExportedRun) -> list[Path]:
        return sorted((self._place / "wandb").glob(f"offline-run-*-{run.id}"))


def export_trackio(runs: Sequence[ExportedRun], place: str, project: str) -> Done:
    """Write runs to trackio's database in a folder."""
    need("trackio")
    path = folder(place).absolute()
    look = f"TRACKIO_DIR={shell(path)} {shell('trackio', 'show', '--project', project)}"
    with variables(TRACKIO_DIR=str(path)), redirect_stdout(sys.stderr):
        module: Any = import_module("trackio")
        if Path(module.utils.TRACKIO_DIR) != path:  # trackio only reads its folder when it is imported
            raise error("RUN382", f"this process already uses trackio with the folder {module.utils.TRACKIO_DIR}",
                        hint="export from a separate process: `archspec export`")
        with refused("the trackio folder", place, OSError, ValueError):
            return _export(module, _Trackio(module, project), runs, path, project, look)


def export_wandb(runs: Sequence[ExportedRun], place: str, project: str) -> Done:
    """Write runs as offline runs of Weights & Biases, which `wandb sync` sends."""
    need("wandb")
    path = folder(place).absolute()
    look = f"wandb sync {shell(path / 'wandb')}/offline-run-*"
    with variables(WANDB_MODE="offline", WANDB_SILENT="true"), redirect_stdout(sys.stderr):
        module: Any = import_module("wandb")
        with refused("the wandb folder", place, OSError, ValueError, module.Error):
            return _export(module, _Wandb(module, path), runs, path, project, look)


def _export(
    module: Any, tool: _Tool, runs: Sequence[ExportedRun], path: Path, project: str, look: str
) -> Done:
    done = Done(look)
    make_folder(path / NOTES)
    for run in runs:
        note, there = path / NOTES / run.id, tool.has(run)
        if there and _read(note) == run.content:
            done.unchanged += 1
            continue
        if there:
            tool.remove(run)
        config = {**run.settings, **{f"archspec_{key}": text for key, text in run.tags.items()}}
        module.init(project=project, name=run.name, group=run.group, config=config, **tool.options(run))
        for step, values in sorted(_by_step(run).items()):
            module.log(values, step=step)
        module.finish()
        write_text(note, run.content)
        done.replaced += there
        done.written += not there
    return done


def _read(note: Path) -> str | None:
    with suppress(OSError, ValueError):
        return read_regular(note, 1000).decode()
    return None


def _by_step(run: ExportedRun) -> dict[int, dict[str, float]]:
    """All figures over the updates done, or over the epochs for a run of an old release that did not record them."""
    rows = list(run.epochs())
    counted = all(step is not None for _, step, _, _ in rows)
    found: dict[int, dict[str, float]] = {}
    for point in run.steps if counted else ():
        found.setdefault(point.step, {}).update(point.scalars())
    for epoch, step, _, values in rows:
        found.setdefault(step if counted and step is not None else epoch, {}).update(values | {"epoch": epoch})
    last = max(found, default=0)
    found.setdefault(last, {}).update({f"final/{name}": value for name, value in run.figures.items()})
    return found
