"""What the export adapters share: their interface, their results and their errors."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

from archspec.diagnostics import SpecError, error
from archspec.results.export.run import ExportedRun

PACKAGES: Final = {  # module → extra
    "tensorboard": "tensorboard", "mlflow": "mlflow", "sqlalchemy": "mlflow", "alembic": "mlflow",
    "trackio": "trackio", "wandb": "wandb",
}


@dataclass(slots=True)
class Done:
    """The result of an export. unchanged: runs that were there already. look: the command that shows them."""

    look: str
    written: int = 0
    replaced: int = 0
    unchanged: int = 0


class Adapter(Protocol):
    """Writes runs for another tool. A run that was exported before is replaced if it has changed, otherwise skipped."""

    def __call__(self, runs: Sequence[ExportedRun], place: str, project: str) -> Done:
        """Write runs. place: a folder, or another place that the tool accepts. project: the name to file them under."""


def need(*modules: str) -> None:
    """Raise SpecError RUN381 if a library is not installed."""
    for module in modules:
        if find_spec(module) is None:
            raise error("RUN381", f"this export needs the package {module}, which is not installed",
                        hint=f"pip install 'archspec-nn[{PACKAGES[module]}]', or use `--to csv`, which needs nothing")


def folder(place: str) -> Path:
    """The folder to write to; created if it does not exist. Raises SpecError RUN382."""
    path = Path(place)
    if "://" in place:
        raise error("RUN382", f"{place} is not a folder: this export writes files",
                    hint="name a folder with --into")
    with refused("the folder", place, OSError):
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def refused(what: str, place: str, *problems: type[Exception]) -> Iterator[None]:
    """Turn these exceptions of a library into SpecError RUN382."""
    try:
        yield
    except SpecError:
        raise
    except problems as problem:
        lines = str(getattr(problem, "strerror", None) or problem).strip().splitlines() or [type(problem).__name__]
        raise error("RUN382", f"{what} {place} cannot be written to: {lines[0][:300]}",
                    hint="name another place with --into") from problem


@contextmanager
def variables(**values: str) -> Iterator[None]:
    """Set environment variables within the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
