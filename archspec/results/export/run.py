"""A run in the form that other tools accept: identity, flat settings, figures, and curves over epochs and steps."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from archspec.files import is_regular
from archspec.results.compare import MEASURES
from archspec.results.formats import title_of
from archspec.results.index import read_tags
from archspec.results.record import RunRecord
from archspec.train.run_dir.step_points import NAME as STEPS
from archspec.train.run_dir.step_points import StepPoint, read_steps

FILES: Final = (  # files of the run folder to export: not weights and checkpoints
    "spec.yaml", "environment.json", "metrics.csv", STEPS, "summary.json", "findings.json", "curves.svg",
    "confusion.json", "confusion.svg",
)
MOST_NAME: Final = 60  # characters of a name, because a file name may have 255 bytes
MOST_TEXT: Final = 500
MOST_KEY: Final = 200
_MOST_STEPS: Final = 1 << 53  # every tool can represent this number exactly
_LONG_S: Final = 1e8


@dataclass(frozen=True, slots=True)
class ExportedRun:
    """One run.

    id: 32 hexadecimal digits, the same in each export, even if the run folder was moved or copied. name: for people,
    unique. group: shared by runs that only differ in their seeds. content: a digest of everything that is exported,
    which changes when the run continues. settings: flat, without None. figures: the results. started: Unix time.
    """

    id: str
    name: str
    group: str
    content: str
    record: RunRecord
    settings: Mapping[str, str | int | float | bool]
    figures: Mapping[str, float]
    tags: Mapping[str, str]
    steps: tuple[StepPoint, ...]
    started: float

    def epochs(self) -> list[tuple[int, int | None, float, dict[str, float]]]:
        """For each epoch: its number, the updates done, the time at its end, and its figures."""
        now, found = self.started, []
        for row in self.record.epochs:
            now += row.seconds if 0 <= row.seconds < _LONG_S else 0.0
            if 0 <= row.epoch < _MOST_STEPS and 0 <= (row.step or 0) < _MOST_STEPS:
                found.append((row.epoch, row.step, now, row.scalars()))
        return found

    @property
    def ended(self) -> float:
        """The Unix time at the end of the last epoch."""
        return self.epochs()[-1][2] if self.epochs() else self.started

    def files(self) -> Iterator[Path]:
        """The files of its folder to export, without links."""
        return (self.record.path / name for name in FILES if is_regular(self.record.path / name))


def exported(record: RunRecord) -> ExportedRun:
    """A run in the form for export."""
    identity = identity_of(record)
    steps = tuple(point for point in read_steps(record.path / STEPS) if 0 <= point.step < _MOST_STEPS)
    settings = dict(_flat({"network": record.network, "seed": record.seed} | _titled(record.settings)))
    figures = {name: value for name, measure in MEASURES.items() if (value := measure.of(record)) is not None}
    figures |= {name: value for name in ("params", "macs") if (value := getattr(record, name)) is not None}
    tags = {
        "status": record.status, "diagnosis": record.diagnosis[:MOST_TEXT], "device": record.device,
        "archspec": _version(record), "tags": ", ".join(read_tags(record.path)),
    }
    tags = {key: value for key, value in tags.items() if value}
    seed = "" if record.seed is None else f"-seed{record.seed}"
    parts = [settings, figures, tags, [row.to_json() for row in record.epochs], len(steps)]
    return ExportedRun(
        identity, f"{safe_name(record.network)}{seed}-{identity[:8]}",
        f"{safe_name(record.network)}-{record.digest[:8]}", _digest(parts), record, settings, figures, tags, steps,
        _started(record),
    )


def identity_of(record: RunRecord) -> str:
    """A digest of the run's start, because its folder may be moved and its name may change."""
    about = record.environment
    if about.get("recipe") is None:  # a trial that failed before its run started
        return _digest([record.digest, record.seed, record.path.name])
    return _digest([about.get(key) for key in ("started", "command", "recipe")])


def safe_name(text: str) -> str:
    """A name without characters that have a meaning in a path, a URL or a query."""
    return re.sub(r"[^\w.]+", "-", text).strip("-.")[:MOST_NAME] or "run"


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _titled(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {title_of(key): value for key, value in settings.items()}


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str | int | float | bool]]:
    """`early_stopping: {patience: 3}` as `early_stopping.patience: 3`; lists as text."""
    for key, value in settings.items():
        name = prefix + (re.sub(r"[^\w. -]", "_", str(key)).lstrip(".")[:MOST_KEY] or "_")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, float) or (isinstance(value, int) and abs(value) < 1 << 63):
            yield name, value
        elif value is not None:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            yield name, text[:MOST_TEXT]


def _started(record: RunRecord) -> float:
    """The recorded start time, or else the time of the last change of its folder."""
    try:
        return datetime.fromisoformat(record.started).timestamp()
    except (ValueError, OverflowError, OSError):
        return record.path.stat().st_mtime if record.path.exists() else 0.0


def _version(record: RunRecord) -> str:
    versions = record.environment.get("versions")
    return str(versions.get("archspec", "")) if isinstance(versions, dict) else ""
