"""MLflow's own client reads what was exported."""

import math
import warnings

import pytest

from archspec.diagnostics import SpecError
from archspec.results.export.mlflow import export
from tests.results.export.helpers import goes_on, read, some_runs

pytest.importorskip("mlflow")
pytest.importorskip("alembic")
pytestmark = pytest.mark.filterwarnings("ignore")  # of mlflow and sqlalchemy


def test_runs_their_curves_and_files(tmp_path):
    from mlflow.tracking import MlflowClient

    folder, out = some_runs(tmp_path / "runs"), tmp_path / "out"
    runs = read(folder)
    done = export(runs, str(out), "sweep-größe")
    assert done.written == 5 and done.look == f"mlflow ui --backend-store-uri sqlite:///{out}/mlflow.db"
    client = MlflowClient(f"sqlite:///{out}/mlflow.db")
    experiment = client.get_experiment_by_name("sweep-größe").experiment_id
    found = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert set(found) == {run.name for run in runs}
    first = found[runs[0].name]
    assert (first.data.params["lr"], first.data.params["early_stopping.patience"], first.data.params["network"]) == ("0.1", "3", "net")
    assert (first.data.metrics["test_accuracy"], first.data.metrics["peak_memory_bytes"]) == (0.75, 301 << 20)
    assert (first.info.status, first.info.end_time - first.info.start_time) == ("FINISHED", 4000)
    curve = client.get_metric_history(first.info.run_id, "accuracy/test")
    assert [(point.step, point.value) for point in curve] == [(1, 0.5), (2, 0.75)]
    assert [point.step for point in client.get_metric_history(first.info.run_id, "steps/loss")] == [5, 10, 15, 20]
    assert "spec.yaml" in {file.path for file in client.list_artifacts(first.info.run_id)}
    bad = found[runs[2].name]
    assert bad.data.tags["archspec.diagnosis"] == "RUN346 the loss blew up"
    assert all(math.isnan(point.value) for point in client.get_metric_history(bad.info.run_id, "loss/train"))
    assert found[runs[3].name].info.status == "KILLED"

    again = export(read(folder), str(out), "sweep-größe")
    assert (again.written, again.replaced, again.unchanged) == (0, 0, 5)
    goes_on(folder / "a0")
    client.delete_tag(found[runs[1].name].info.run_id, "archspec.content")  # as if that export had been killed
    later = export(read(folder), str(out), "sweep-größe")
    assert (later.written, later.replaced, later.unchanged) == (0, 2, 3)
    found = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert len(client.search_runs([experiment])) == 5
    assert [point.step for point in client.get_metric_history(found[runs[0].name].info.run_id, "accuracy/test")] == [1, 2, 3]


def test_a_store_that_cannot_be_is_one_error(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (str(tmp_path / "file"), "nonsense://x", "http://127.0.0.1:9"):
        with pytest.raises(SpecError) as caught, warnings.catch_warnings():
            export([], place, "p")
        assert caught.value.diagnostics[0].code == "RUN382"
