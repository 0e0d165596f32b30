"""Exports runs to MLflow, in a folder or on a tracking server: parameters, metrics per epoch and step, tags, files."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archspec.files import MiB, read_regular
from archspec.results.export.run import ExportedRun
from archspec.results.export.target import Done, folder, need, refused, variables
from archspec.text import shell

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

ID: Final = "archspec.run"
CONTENT: Final = "archspec.content"  # the last tag to be set; a run without it is incomplete
_METRICS: Final = 1000  # MLflow's limits for one request
_PARAMS: Final = 100
_PAGE: Final = 1000
_RETRIES: Final = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_MOST_FILE: Final = 16 * MiB


def export(runs: Sequence[ExportedRun], place: str, project: str) -> Done:
    """Write runs to an experiment. place: a folder, or a tracking URI such as http://localhost:5000."""
    need("mlflow")
    from mlflow.exceptions import MlflowException

    with refused("the MLflow store", place, MlflowException, OSError):
        uri, artifacts = _store(place)
        client, experiment = _experiment(uri, project, artifacts)
        known = _known(client, experiment)
        done = Done(shell("mlflow", "ui", "--backend-store-uri", uri))
        for run in runs:
            before = known.get(run.id, [])
            if [content for _, content in before] == [run.content]:
                done.unchanged += 1
                continue
            _write(client, experiment, run)
            for number, _ in before:
                client.delete_run(number)
            done.replaced += bool(before)
            done.written += not before
    return done


def _store(place: str) -> tuple[str, str | None]:
    """The tracking URI, and the place for files; None if the server chooses it."""
    if "://" in place or place.startswith(("databricks", "file:")):
        return place, None
    need("sqlalchemy", "alembic")
    path = folder(place).absolute()
    return f"sqlite:///{path / 'mlflow.db'}", (path / "artifacts").as_uri()


def _experiment(uri: str, project: str, artifacts: str | None) -> tuple[MlflowClient, str]:
    from mlflow.tracking import MlflowClient

    logging.getLogger("mlflow.store.db").setLevel(logging.WARNING)  # it logs each step of creating a database
    logging.getLogger("alembic").setLevel(logging.WARNING)
    client = MlflowClient(uri)
    with variables(**{_RETRIES: os.environ.get(_RETRIES, "1")}):  # by default it retries a dead server for 4 minutes
        found = client.get_experiment_by_name(project)
    if found is not None:
        return client, found.experiment_id
    return client, client.create_experiment(project, artifact_location=artifacts and f"{artifacts}/{project}")


def _known(client: MlflowClient, experiment: str) -> dict[str, list[tuple[str, str | None]]]:
    """The runs that were exported before: identity → pairs of MLflow's run id and content."""
    found: dict[str, list[tuple[str, str | None]]] = {}
    token = None
    while True:
        page = client.search_runs([experiment], f"tags.`{ID}` != ''", max_results=_PAGE, page_token=token)
        for run in page:
            tags = run.data.tags
            found.setdefault(tags[ID], []).append((run.info.run_id, tags.get(CONTENT)))
        token = page.token
        if not token:
            return found


def _write(client: MlflowClient, experiment: str, run: ExportedRun) -> None:
    from mlflow.entities import Param, RunTag

    tags = {ID: run.id, "archspec.group": run.group, **{f"archspec.{key}": text for key, text in run.tags.items()}}
    begun = client.create_run(experiment, start_time=_milliseconds(run.started), run_name=run.name, tags=tags)
    number = begun.info.run_id
    params = [Param(key, str(value)) for key, value in run.settings.items()]
    for k in range(0, len(params), _PARAMS):
        client.log_batch(number, params=params[k : k + _PARAMS])
    metrics = list(_metrics(run))
    for k in range(0, len(metrics), _METRICS):
        client.log_batch(number, metrics=metrics[k : k + _METRICS])
    _add_files(client, number, run)
    states = {"finished": "FINISHED", "failed": "FAILED"}
    client.set_terminated(number, states.get(run.record.status, "KILLED"), end_time=_milliseconds(run.ended))
    client.log_batch(number, tags=[RunTag(CONTENT, run.content)])


def _metrics(run: ExportedRun) -> Iterator[Metric]:
    """The figures of epochs and of steps, each over their own axis, and the final figures."""
    from mlflow.entities import Metric

    for epoch, _, now, values in run.epochs():
        for name, value in values.items():
            yield Metric(name, value, _milliseconds(now), epoch)
    for point in run.steps:
        for name, value in point.scalars().items():
            yield Metric(name, value, _milliseconds(run.ended), point.step)
    for name, value in run.figures.items():
        yield Metric(name, float(value), _milliseconds(run.ended), 0)


def _milliseconds(seconds: float) -> int:
    return int(1000 * seconds)


def _add_files(client: MlflowClient, number: str, run: ExportedRun) -> None:
    """Add copies of the files, so that nobody else can change them while MLflow reads them."""
    with tempfile.TemporaryDirectory(prefix="archspec-") as copies:
        for path in run.files():
            with suppress(OSError):  # a file that was removed meanwhile, or is too large
                (Path(copies) / path.name).write_bytes(read_regular(path, _MOST_FILE))
        if any(Path(copies).iterdir()):
            client.log_artifacts(number, copies)
