"""What a report shows of a run beside its figures: environment, command, confusion matrix."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from archspec.results.record import RunRecord
from archspec.text import shell
from archspec.train.report.confusion_data import read_confusion

# Entries of `settings` in an environment.
_FLAGS: Final = ("channels_last", "own_kernels", "compile", "cuda_graphs", "deterministic")
MOST_CLASSES: Final = 30  # of a confusion matrix in a report


def environment_of(record: RunRecord) -> list[tuple[str, str]]:
    """The environment of a run as pairs of a name and a text."""
    about = record.environment
    versions, settings, data = (_mapping(about.get(key)) for key in ("versions", "settings", "data"))
    rows: list[tuple[str, Any]] = [(str(name), value) for name, value in versions.items()]
    rows += [(key.replace("_", " "), about.get(key)) for key in ("platform", "cpu", "cpu_kernels")]
    rows += [("device", record.device), ("threads", about.get("threads")), ("processes", about.get("world"))]
    rows += [("precision", settings.get("precision"))]
    rows += [(name.replace("_", " "), "yes") for name in _FLAGS if settings.get(name)]
    rows += [("data", data.get("name")), ("training images", data.get("train_images"))]
    rows += [("test images", data.get("test_images"))]
    return [(name, str(value)) for name, value in rows if value not in (None, "")]


def options_of(record: RunRecord) -> str:
    """The options for `archspec train RUN/spec.yaml` that repeat a run; recipe and seed are in the spec."""
    about = record.environment
    settings, data, device = (_mapping(about.get(key)) for key in ("settings", "data", "device"))
    words: list[Any] = []
    for option, value in (
        ("--device", device.get("type")), ("--threads", about.get("threads")),
        ("--precision", settings.get("precision")), ("--limit-train", data.get("limit_train")),
        ("--limit-test", data.get("limit_test")), ("--data-root", data.get("root")),
    ):
        if isinstance(value, (str, int)) and value != "":
            words += [option, value]
    words += ["--" + name.replace("_", "-") for name in _FLAGS if settings.get(name) is True]
    return shell(*words) if words else ""


def processes_of(record: RunRecord) -> int:
    """The number of processes that trained together."""
    size = record.environment.get("world")
    return size if type(size) is int and size > 1 else 1


def matrix_of(records: Sequence[RunRecord]) -> tuple[list[str], list[list[int]]] | None:
    """Column names and rows of the confusion matrix, summed over the runs that have one; None if it is too large."""
    found = [matrix for matrix in map(read_confusion, (record.path for record in records)) if matrix is not None]
    alike = [matrix for matrix in found if matrix.names == found[0].names and matrix.classes == found[0].classes]
    if not alike or len(alike[0].names) > MOST_CLASSES:
        return None
    names, classes = alike[0].names, alike[0].classes
    counts: dict[tuple[int, int], int] = {}
    for matrix in alike:
        for pair, number in matrix.counts.items():
            counts[pair] = counts.get(pair, 0) + number
    columns = [k for k in range(len(names)) if k < classes or any(predicted == k for _, predicted in counts)]
    return [names[k] for k in columns], [[counts.get((row, k), 0) for k in columns] for row in range(classes)]


def common_folder(records: Sequence[RunRecord]) -> Path:
    """The deepest folder that contains all runs, in the form that the user gave."""
    parents = [str(record.path.parent) for record in records]
    try:
        return Path(os.path.commonpath(parents)) if parents else Path()
    except ValueError:  # absolute and relative paths are mixed
        return Path()


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
