"""Reads a run folder as data. Its contents are not trusted, and any part may be missing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import TypeAdapter
from typing_extensions import override

from archspec.diagnostics import plural
from archspec.files import MiB, is_regular, read_regular
from archspec.language.loss import FIGURES
from archspec.printing.shown import Shown
from archspec.train.summary import EpochResult, StoredEpoch, best_epoch, mean_images_per_s, peak_memory_bytes

if TYPE_CHECKING:
    from rich.console import Console

MAX_METRICS_BYTES: Final = 64 * MiB
MAX_JSON_BYTES: Final = 4 * MiB
_EPOCH: Final[TypeAdapter[EpochResult]] = TypeAdapter(StoredEpoch)
RECIPE: Final = "recipe"  # the setting that names a recipe of the spec, if a sweep varies it
Status = Literal["finished", "unfinished", "failed"]


@dataclass(frozen=True, slots=True)
class RunRecord(Shown):
    """One run. It prints its epochs and figures; a notebook also draws the curves.

    network: the name of the spec. digest: of the experiment; equal for runs that only differ in their seeds. settings:
    what may vary, `train.lr` → its value. params, macs: of the network and of one image; None if its spec cannot be
    read. epochs: one row per epoch. test: the final test loss and metrics; None if there are none. reason: why it
    failed. place: its position in its sweep; None for a run outside sweeps.
    """

    path: Path
    network: str
    status: Status
    started: str
    seed: int | None
    digest: str
    settings: Mapping[str, Any]
    epochs: tuple[EpochResult, ...]
    criterion: str
    test: Mapping[str, float] | None
    findings: tuple[Mapping[str, Any], ...]
    params: int | None
    macs: int | None
    device: str
    environment: Mapping[str, Any]
    reason: str = ""
    place: int | None = None

    @override
    def show(self, console: Console) -> None:
        """A title, the epochs, the test, and what is wrong with it."""
        from archspec.train.report.run_table import show_run
        from archspec.train.report.table import titled

        texts = [] if self.test is None else [f"test: {titled(self.test)}"]
        texts += [text for text in (self.diagnosis, f"run folder: {self.path}") if text]
        seed = "" if self.seed is None else f", seed {self.seed}"
        show_run(console, f"{self.network}: {self.status}, {self.progress}{seed}", self.epochs, self.criterion, texts)

    @override
    def pictures(self) -> list[str]:
        """The learning curves."""
        from archspec.train.report.run_table import curves

        return curves(self.network, self.epochs)

    @property
    def best(self) -> EpochResult | None:
        """The best epoch by the criterion of the run."""
        return best_epoch(self.epochs, self.criterion) if self.epochs else None

    @property
    def last(self) -> EpochResult | None:
        """The last finished epoch."""
        return self.epochs[-1] if self.epochs else None

    @property
    def seconds(self) -> float:
        """Wall time of all epochs."""
        return sum(row.seconds for row in self.epochs)

    @property
    def images_per_s(self) -> float | None:
        """Training images per second over the training passes of all epochs."""
        return mean_images_per_s(self.epochs)

    @property
    def peak_memory_bytes(self) -> int | None:
        """The peak memory of all its processes together, in bytes."""
        return peak_memory_bytes(self.epochs)

    @property
    def diagnosis(self) -> str:
        """Why the run failed, or its progress and the findings that still hold; empty if there are none."""
        if self.reason:
            return self.reason
        parts = [] if self.status == "finished" else [f"{self.status}: {self.progress}"]
        parts += [f"{f.get('code')} {f.get('title')}" for f in self.findings if f.get("until") is None][:1]
        return "; ".join(parts)

    @property
    def progress(self) -> str:
        """`3 of 10 epochs`: how far the training has come."""
        wanted = self.settings.get("train.epochs")
        done = len(self.epochs)
        return f"{done} of {plural(wanted, 'epoch')}" if type(wanted) is int else plural(done, "epoch")


def is_run_folder(path: Path) -> bool:
    """Whether a folder contains a run of `archspec train`."""
    return is_regular(path / "spec.yaml") and is_regular(path / "environment.json")


def read_record(path: Path) -> RunRecord | None:
    """The run in a folder; None if there is none or it cannot be read."""
    environment = _environment(path / "environment.json")
    if environment is None or not is_regular(path / "spec.yaml"):
        return None
    recipe = environment.get("recipe")
    recipe = recipe if isinstance(recipe, dict) else {}
    if recipe.get("validation") == "test":  # a resumed run writes this default explicitly
        recipe = recipe | {"validation": None}
    name, digest, params, macs, variables = _network(path / "spec.yaml", recipe, environment)
    rows = _epochs(path / "metrics.jsonl")
    findings = _json(path / "findings.json")
    listed = findings.get("findings") if isinstance(findings, dict) else None
    device = environment.get("device")
    return RunRecord(
        path=path, network=name, status="finished" if is_regular(path / "weights.safetensors") else "unfinished",
        started=str(environment.get("started", "")), seed=whole(recipe.get("seed")), digest=digest,
        settings={f"train.{key}": value for key, value in recipe.items() if key != "seed"} | variables,
        epochs=rows, criterion=_criterion(recipe, rows), test=_test(_json(path / "summary.json"), rows),
        findings=tuple(f for f in listed if isinstance(f, dict)) if isinstance(listed, list) else (),
        params=params, macs=macs, device=str(device.get("name", "")) if isinstance(device, dict) else "",
        environment=environment,
    )


def _environment(path: Path) -> dict[str, Any] | None:
    """The environment of the last start, which may have changed the recipe, with the time of the first start."""
    first = _json(path)
    if not isinstance(first, dict):
        return None
    resumes = first.get("resumes")
    last = resumes[-1] if isinstance(resumes, list) and resumes else None
    begin = {key: first[key] for key in ("started", "command") if key in first}
    return first | last | begin if isinstance(last, dict) else first


def _network(
    spec: Path, recipe: Mapping[str, Any], environment: Mapping[str, Any]
) -> tuple[str, str, int | None, int | None, dict[str, Any]]:
    """Name, digest, parameters, MACs and vars of the spec of a run."""
    from archspec.api import load
    from archspec.diagnostics import SpecError
    from archspec.results.digest import run_digest

    try:
        loaded = load(spec)
    except SpecError:
        return spec.parent.name, run_digest(None, recipe, environment), None, None, {}
    variables = loaded.data.get("vars") or {}
    return (
        loaded.name, run_digest(loaded.graph, recipe, environment), loaded.report.params, loaded.report.macs,
        {f"vars.{key}": value for key, value in variables.items()},
    )


def _epochs(path: Path) -> tuple[EpochResult, ...]:
    """The rows of a metrics.jsonl, up to the first invalid one."""
    rows: list[EpochResult] = []
    try:
        lines = read_regular(path, MAX_METRICS_BYTES).decode("utf-8").splitlines()
        for line in lines:
            rows.append(_EPOCH.validate_python(json.loads(line)))
    except (OSError, ValueError, TypeError, RecursionError):
        pass
    return tuple(rows)


def _json(path: Path) -> Any:
    try:
        return json.loads(read_regular(path, MAX_JSON_BYTES))
    except (OSError, ValueError, RecursionError):
        return None


def _criterion(recipe: Mapping[str, Any], rows: Sequence[EpochResult]) -> str:
    stopping = recipe.get("early_stopping")
    metric = stopping.get("metric") if isinstance(stopping, dict) else None
    if isinstance(metric, str) and metric.removeprefix("test_") in FIGURES:  # archspec 0.1 wrote `test_loss`
        return metric.removeprefix("test_")
    return rows[-1].metric if rows else "accuracy"


def _test(summary: Any, rows: Sequence[EpochResult]) -> Mapping[str, float] | None:
    """The final test figures: from summary.json, or else from the last epoch."""
    noted = summary.get("test") if isinstance(summary, dict) else None
    if isinstance(noted, dict):
        figures = {key: noted[key] for key in FIGURES if isinstance(noted.get(key), (int, float))}
        if "loss" in figures:
            return figures
    return rows[-1].evaluated() if rows and rows[-1].split == "test" else None


def whole(value: Any) -> int | None:
    """The value if it is an integer; None otherwise."""
    return value if type(value) is int else None
